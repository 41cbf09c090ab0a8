--- Times as people type them in a filter.

local M = {}

local SECONDS = { s = 1, m = 60, h = 3600, d = 86400 }

--- Reads a time: a span back from now, a time of today (of yesterday, where today's is still to come), or a date
--- with a time, in the editor's zone.
---@param typed string
---@param now integer microseconds since 1970
---@return integer? microseconds
function M.read(typed, now)
  local number, unit = typed:match("^(%d+)([smhd])$")
  if number then
    return now - tonumber(number) * SECONDS[unit] * 1000000
  end
  local seconds = math.floor(now / 1000000)
  local hour, minute = typed:match("^(%d%d?):(%d%d)$")
  if hour then
    if tonumber(hour) > 23 or tonumber(minute) > 59 then
      return nil
    end
    local today = os.date("*t", seconds) --[[@as table]]
    today.hour, today.min, today.sec, today.isdst = tonumber(hour), tonumber(minute), 0, nil
    local at = os.time(today)
    if at > seconds then
      today.day, today.isdst = today.day - 1, nil
      at = os.time(today)
    end
    return at * 1000000
  end
  local year, month, day, rest = typed:match("^(%d%d%d%d)%-(%d%d)%-(%d%d)(.*)$")
  if not year then
    return nil
  end
  hour, minute = rest:match("^T(%d%d):(%d%d)$")
  if rest ~= "" and not hour then
    return nil
  end
  local at = os.time({
    year = tonumber(year) --[[@as integer]],
    month = tonumber(month) --[[@as integer]],
    day = tonumber(day) --[[@as integer]],
    hour = tonumber(hour or 0),
    min = tonumber(minute or 0),
    sec = 0,
  })
  return at and at * 1000000
end

return M
