-- ARGV: grace µs, idle ms, most entries, number of positions, then of each:
--       journal, position; then of each total: field, end, amount.
-- Answers 1 if the slot is at least the snapshot, 0 if a newer one is needed, 2
-- if there is no room.
local grace = tonumber(ARGV[1])
local np = tonumber(ARGV[4])
local theirs = {}
for i = 5, 3 + 2 * np, 2 do theirs[ARGV[i]] = num(ARGV[i + 1]) end

local ahead, behind = false, false
local ours = {}
local all = redis.call('HGETALL', key)
for i = 1, #all, 2 do
  if string.sub(all[i], 1, 2) == 'p:' then ours[string.sub(all[i], 3)] = num(all[i + 1]) end
end
for journal, seq in pairs(ours) do
  if less(theirs[journal] or ZERO, seq) then ahead = true end
end
for journal, seq in pairs(theirs) do
  if less(ours[journal] or ZERO, seq) then behind = true end
end
if ahead and behind then return 0 end
local size = np + (#ARGV - 4 - 2 * np) / 3
if #all > 0 and not room(grace, size, tonumber(ARGV[3])) then return 2 end

redis.call('HSET', key, 'v', '1')
for i = 5 + 2 * np, #ARGV, 3 do
  local field, stop, amount = ARGV[i], ARGV[i + 1], num(ARGV[i + 2])
  if tonumber(stop) > now - grace then
    local w = window_or_new(field, stop, grace)
    if not ahead or less(w.used, amount) then
      w.used = amount
      w.dirty = true
    end
  end
end
save()
local args = {}
for journal, seq in pairs(theirs) do
  if less(ours[journal] or ZERO, seq) then
    args[#args + 1] = 'p:' .. journal
    args[#args + 1] = str(seq)
  end
end
call_many('HSET', args)
keep(tonumber(ARGV[2]), 0)
return 1
