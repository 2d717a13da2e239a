-- One score map of five scores a call, each for a request of its own, with the keys that are given in turns.
require "result"

local body = '{"scores":{"accuracy":95,"relevance":87,"helpfulness":92,"has_citations":true,"is_factual":false}}'

function init(arguments)
    math.randomseed(os.time())
    prefix = string.format("%08x-", math.random(0, 0x7fffffff))
    count = 0
    keys = arguments
end

function request()
    count = count + 1
    local headers = {
        ["Authorization"] = "Bearer " .. keys[count % #keys + 1], ["Content-Type"] = "application/json"
    }
    return wrk.format("POST", "/v1/request/" .. prefix .. count .. "/score", headers, body)
end
