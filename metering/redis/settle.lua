-- ARGV: grace µs, idle ms, most entries, then of each fact in order:
--       journal, previous position, position, id, number of additions,
--       then of each addition: field, end, amount.
-- Answers a number per fact: 0 applied or already there, 1 lost, 2 full.
local grace, most = tonumber(ARGV[1]), tonumber(ARGV[3])
local known = redis.call('HEXISTS', key, 'v') == 1
local positions, moved = {}, {}
local out = {}

local function release(id)
  local hold = redis.call('HGET', key, 'h:' .. id)
  if hold then close(id, words(hold)) end
end

local function apply(at, n)
  for i = at, at + 3 * (n - 1), 3 do
    local field, stop, amount = ARGV[i], ARGV[i + 1], ARGV[i + 2]
    if amount ~= '0' and tonumber(stop) > now - grace then
      local w = window_or_new(field, stop, grace)
      w.used = add(w.used, num(amount))
      if less(MOST, w.used) then w.used = MOST end
      w.dirty = true
    end
  end
end

local i = 4
while i <= #ARGV do
  local journal, id, n = ARGV[i], ARGV[i + 3], tonumber(ARGV[i + 4])
  local status = 0
  if not known then
    if n > 0 then status = 1 end
  else
    local have = positions[journal]
    if not have then
      have = num(redis.call('HGET', key, 'p:' .. journal))
      positions[journal] = have
    end
    local seq = num(ARGV[i + 2])
    if not less(have, seq) then
      release(id)
    elseif less(have, num(ARGV[i + 1])) then
      status = 1
    elseif not room(grace, n + 1, most) then
      status = 2
    else
      apply(i + 5, n)
      positions[journal], moved[journal] = seq, true
      release(id)
    end
  end
  out[#out + 1] = status
  i = i + 5 + 3 * n
end

if known then
  save()
  for journal in pairs(moved) do
    redis.call('HSET', key, 'p:' .. journal, str(positions[journal]))
  end
  keep(tonumber(ARGV[2]), 0)
end
return out
