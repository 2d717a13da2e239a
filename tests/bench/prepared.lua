-- Calls that were prepared in a file, each a line of path, tab and body, in random order.
require "result"

local calls = {}

function init(arguments)
    math.randomseed(os.time())
    for line in io.lines(arguments[1]) do
        local path, body = line:match("^(.-)\t(.*)$")
        calls[#calls + 1] = {path, body}
    end
end

function request()
    local call = calls[math.random(#calls)]
    return wrk.format("POST", call[1], nil, call[2])
end
