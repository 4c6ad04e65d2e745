-- What every script begins with. KEYS[1] is the hash that is one slot; the
-- scripts touch nothing else, so a cluster runs them on the slot's node.
--
--   v            format of the hash; its presence says that the slot is known
--   e            no hold expires before this instant (absent: there is none)
--   s            when ended windows are looked for again
--   n            how many answers were kept; q:<n % 32> is whose, and the next to go
--   p:<journal>  last fact applied
--   w:<window>   "end used held"
--   h:<id>       an open hold: "expires left amount window amount window ..."
--   r:<id>       answer of a hold that was refused or closed: "index left"
--
-- Instants are microseconds of this server's clock. A Lua number is a double
-- and exact to 2^53 only, so amounts and positions, which use all of an int64
-- and uint64, are pairs of the digits above and below 10^9.

local key = KEYS[1]
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

local REMEMBERED = 32
local SWEEP = 600 * 1000000
local ZERO = {0, 0}
local MOST = {9223372036, 854775807}

local function num(s)
  if not s or s == '' then return ZERO end
  local n = #s
  if n <= 9 then return {0, tonumber(s)} end
  return {tonumber(string.sub(s, 1, n - 9)), tonumber(string.sub(s, n - 8))}
end

local function str(a)
  if a[1] == 0 then return string.format('%d', a[2]) end
  return string.format('%d%09d', a[1], a[2])
end

local function less(a, b)
  return a[1] < b[1] or (a[1] == b[1] and a[2] < b[2])
end

local function add(a, b)
  local hi, lo = a[1] + b[1], a[2] + b[2]
  if lo >= 1000000000 then hi, lo = hi + 1, lo - 1000000000 end
  return {hi, lo}
end

-- b is at most a.
local function sub(a, b)
  local hi, lo = a[1] - b[1], a[2] - b[2]
  if lo < 0 then hi, lo = hi - 1, lo + 1000000000 end
  return {hi, lo}
end

local function call_many(command, args)
  for i = 1, #args, 1000 do
    redis.call(command, key, unpack(args, i, math.min(i + 999, #args)))
  end
end

-- Keeps the hash for idle ms beyond ttl, without a write where it is kept for
-- long enough already.
local function keep(idle, ttl)
  if redis.call('PTTL', key) < ttl + idle / 2 then
    redis.call('PEXPIRE', key, string.format('%d', ttl + idle))
  end
end

-- Windows that this script has read, by field, written back by save.
local windows = {}

local function parse(value)
  local e, u, h = string.match(value, '^(%-?%d+) (%d+) (%d+)$')
  return {stop = e, used = num(u), held = num(h)}
end

local function window(field)
  local w = windows[field]
  if w == nil then
    local value = redis.call('HGET', key, field)
    w = value and parse(value) or false
    windows[field] = w
  end
  return w
end

-- Drops windows that ended at least grace ago and hold nothing, at most once in
-- ten minutes: it looks at everything.
local function sweep(grace)
  if (tonumber(redis.call('HGET', key, 's')) or 0) > now then return end
  local gone = {}
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 2) == 'w:' and not windows[all[i]] then
      local w = parse(all[i + 1])
      if tonumber(w.stop) <= now - grace and w.held[1] == 0 and w.held[2] == 0 then
        gone[#gone + 1] = all[i]
      end
    end
  end
  call_many('HDEL', gone)
  redis.call('HSET', key, 's', string.format('%.0f', now + SWEEP))
end

-- Whether n more fields may be kept.
local function room(grace, n, most)
  if redis.call('HLEN', key) + n > most then sweep(grace) end
  return redis.call('HLEN', key) + n <= most
end

-- A window that is new brings the search for those that have ended.
local function window_or_new(field, stop, grace)
  local w = window(field)
  if w then return w end
  sweep(grace)
  w = {stop = stop, used = ZERO, held = ZERO, dirty = true}
  windows[field] = w
  return w
end

local function save()
  local args = {}
  for field, w in pairs(windows) do
    if w and w.dirty then
      args[#args + 1] = field
      args[#args + 1] = w.stop .. ' ' .. str(w.used) .. ' ' .. str(w.held)
      w.dirty = false
    end
  end
  call_many('HSET', args)
end

local function remember(id, answer)
  local q = 'q:' .. (redis.call('HINCRBY', key, 'n', 1) % REMEMBERED)
  local old = redis.call('HGET', key, q)
  if old then redis.call('HDEL', key, 'r:' .. old) end
  redis.call('HSET', key, q, id, 'r:' .. id, answer)
end

local function words(s)
  local out = {}
  for word in string.gmatch(s, '%S+') do out[#out + 1] = word end
  return out
end

-- Closes a hold that was read. The windows are saved by the caller.
local function close(id, hold)
  for i = 3, #hold, 2 do
    local w = window(hold[i + 1])
    if w then
      w.held = sub(w.held, num(hold[i]))
      w.dirty = true
    end
  end
  redis.call('HDEL', key, 'h:' .. id)
  remember(id, '-1 ' .. hold[2])
end

-- Closes the holds that have run out. All are looked at only when the earliest
-- may have: holds that are settled in time cost nothing.
local function expire(earliest)
  if not earliest or tonumber(earliest) > now then return end
  local first
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 2) == 'h:' then
      local hold = words(all[i + 1])
      local at = tonumber(hold[1])
      if at <= now then
        close(string.sub(all[i], 3), hold)
      elseif not first or at < first then
        first = at
      end
    end
  end
  if first then
    redis.call('HSET', key, 'e', string.format('%.0f', first))
  else
    redis.call('HDEL', key, 'e')
  end
  save()
end
