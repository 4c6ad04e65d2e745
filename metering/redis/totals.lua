-- ARGV: grace µs, then of each window: field, end.
-- Answers used and held of each, or one word that says why not.
local head = redis.call('HMGET', key, 'v', 'e')
if not head[1] then return {'lost'} end
expire(head[2])
local out = {}
for i = 2, #ARGV, 2 do
  if tonumber(ARGV[i + 1]) <= now - tonumber(ARGV[1]) then return {'ended'} end
  local w = window(ARGV[i])
  out[#out + 1] = w and str(w.used) or '0'
  out[#out + 1] = w and str(w.held) or '0'
end
return out
