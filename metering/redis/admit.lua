-- ARGV: id, ttl µs, grace µs, idle ms, most entries,
--       number of windows, then of each: field, end, amount to hold,
--       number of claims, then of each: which window, limit, slack.
-- Slack is limit minus amount: a claim fits if what is taken is at most that;
-- empty if the amount alone exceeds the limit.
-- Answers {index of the refused claim or -1, left}, or one word that says why
-- there is no answer.
local id, ttl, grace = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local head = redis.call('HMGET', key, 'v', 'e', 'h:' .. id, 'r:' .. id)
if not head[1] then return {'lost'} end
if head[2] and tonumber(head[2]) <= now then
  expire(head[2])
  head = redis.call('HMGET', key, 'v', 'e', 'h:' .. id, 'r:' .. id)
end
if head[3] then
  return {'-1', words(head[3])[2]}
end
if head[4] then
  return words(head[4])
end

local nw = tonumber(ARGV[6])
local first = 6
for i = 1, nw do
  if tonumber(ARGV[first + 3 * i - 1]) <= now - grace then return {'ended'} end
end

local left
local at = first + 3 * nw + 1
for i = 0, tonumber(ARGV[at]) - 1 do
  local field = ARGV[first + 3 * tonumber(ARGV[at + 3 * i + 1]) + 1]
  local limit, slack = num(ARGV[at + 3 * i + 2]), ARGV[at + 3 * i + 3]
  local w = window(field)
  local taken = w and add(w.used, w.held) or ZERO
  if slack == '' or less(num(slack), taken) then
    left = less(limit, taken) and ZERO or sub(limit, taken)
    remember(id, i .. ' ' .. str(left))
    return {tostring(i), str(left)}
  end
  local rest = sub(num(slack), taken)
  if not left or less(rest, left) then left = rest end
end

if not room(grace, nw + 1, tonumber(ARGV[5])) then return {'full'} end
local expires = now + ttl
local hold = {string.format('%.0f', expires), str(left)}
for i = 1, nw do
  local field, stop, amount = ARGV[first + 3 * i - 2], ARGV[first + 3 * i - 1], ARGV[first + 3 * i]
  if amount ~= '0' then
    local w = window_or_new(field, stop, grace)
    w.held = add(w.held, num(amount))
    w.dirty = true
    hold[#hold + 1] = amount
    hold[#hold + 1] = field
  end
end
save()
redis.call('HSET', key, 'h:' .. id, table.concat(hold, ' '))
if not head[2] or expires < tonumber(head[2]) then
  redis.call('HSET', key, 'e', hold[1])
end
keep(tonumber(ARGV[4]), math.ceil(ttl / 1000))
return {'-1', str(left)}
