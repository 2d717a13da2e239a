-- One score map of five scores a call, each for a request of its own.
require "result"

local body = '{"scores":{"accuracy":95,"relevance":87,"helpfulness":92,"has_citations":true,"is_factual":false}}'
local thread_number = 0

function setup(thread)
    thread_number = thread_number + 1
    thread:set("number", thread_number)
end

function init(_)
    math.randomseed(os.time() * 1000 + number)
    prefix = string.format("%08x-%d-", math.random(0, 0x7fffffff), number)
    count = 0
end

function request()
    count = count + 1
    return wrk.format("POST", "/v1/request/" .. prefix .. count .. "/score", nil, body)
end
