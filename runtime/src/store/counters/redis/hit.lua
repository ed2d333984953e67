-- One hit, in all of its limits or in none: the arithmetic of cell.rs over again, in doubles. Every number stays below
-- 2^53, so doubles are exact, and the quotient of two of them is never rounded up to the next whole number.
--
-- KEYS[1]  a hash: algorithm and window of a counter -> its at, count and rest (see cell.rs)
-- ARGV     now in microseconds, or '' for the server's time; cost; the most counters that a key may have;
--          then, for each limit, its algorithm ('f', 's' or 'g'), maximum and window in microseconds
-- returns  1 if the hit passes, else 0; now; then at, count and rest for each limit, as they are left
local key = KEYS[1]
local cost = tonumber(ARGV[2])
-- A look asks for what a single hit would get.
local asked = math.max(cost, 1)

local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end

-- a * b / c and what remains, with b <= c < 2^46.
local function multiply_divide(a, b, c)
  local product = a * b
  if product < 9007199254740992 then
    local quotient = math.floor(product / c)
    return quotient, product - quotient * c
  end
  -- By hand, a bit of `a` after the other.
  local quotient, rest = 0, 0
  for bit = 52, 0, -1 do
    quotient, rest = quotient * 2, rest * 2
    if a >= 2 ^ bit then
      a, rest = a - 2 ^ bit, rest + b
    end
    local carry = math.floor(rest / c)
    quotient, rest = quotient + carry, rest - carry * c
  end
  return quotient, rest
end

-- Cell::rolled
local function roll(kind, max, window, at, count, rest)
  if at > now and at - now <= window then
    return at, count, rest
  end
  if kind == 'g' then
    if at > now or now - at >= window then
      return now, 0, 0
    end
    if count >= max then
      count, rest = max, 0
    end
    local whole, parts = multiply_divide(max, now - at, window)
    if count < whole or (count == whole and rest <= parts) then
      return now, 0, 0
    elseif rest >= parts then
      return now, count - whole, rest - parts
    end
    return now, count - whole - 1, rest + window - parts
  end
  local start = now - now % window
  if at == start then
    return at, count, rest
  elseif kind == 's' and at + window == start then
    return start, 0, count
  end
  return start, 0, 0
end

-- Cell::used
local function used(kind, window, at, count, rest)
  if kind == 'f' then
    return count
  elseif kind == 'g' then
    return rest > 0 and count + 1 or count
  end
  local whole, parts = multiply_divide(rest, math.min(at + window - now, window), window)
  return count + whole + (parts > 0 and 1 or 0)
end

local names = {}
for i = 4, #ARGV, 3 do
  names[#names + 1] = ARGV[i] .. ARGV[i + 2]
end
local known = redis.call('HMGET', key, unpack(names))

local passes = true
local cells = {}
for i, name in ipairs(names) do
  local kind, max, window = ARGV[3 * i + 1], tonumber(ARGV[3 * i + 2]), tonumber(ARGV[3 * i + 3])
  local at, count, rest = string.match(known[i] or '0 0 0', '^(%d+) (%d+) (%d+)$')
  at, count, rest = roll(kind, max, window, tonumber(at), tonumber(count), tonumber(rest))
  passes = passes and asked <= max and used(kind, window, at, count, rest) <= max - asked
  cells[i] = { at, count, rest, at + (kind == 's' and 2 or 1) * window }
end

local reply = { passes and 1 or 0, now }
local fields = {}
local lasts = 0
for i, cell in ipairs(cells) do
  if passes then
    cell[2] = cell[2] + cost
  end
  for j = 1, 3 do
    reply[#reply + 1] = cell[j]
  end
  fields[#fields + 1] = names[i]
  -- Lua's own form of a number has 14 digits.
  fields[#fields + 1] = string.format('%.0f %.0f %.0f', cell[1], cell[2], cell[3])
  lasts = math.max(lasts, math.ceil((cell[4] - now) / 1000))
end

if passes and cost > 0 then
  if redis.call('HLEN', key) > tonumber(ARGV[3]) then
    -- What older configurations have left.
    redis.call('DEL', key)
  end
  redis.call('HSET', key, unpack(fields))
  -- A while longer, for a clock that is set back a little.
  lasts = lasts + 10000
  if redis.call('PTTL', key) < lasts then
    redis.call('PEXPIRE', key, string.format('%.0f', lasts))
  end
end
return reply
