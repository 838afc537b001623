-- Where the dead letter of a job is.

-- Its entry and body, or nil. The record knows it, or the caller says it (`hint`, '' if not);
-- without both it is looked for, which ends after 500 letters.
local function find_letter(record, job, hint)
  local entries = {}
  if record.state == 'dead' or record.state == 'purged' then entries[1] = record.entry end
  if hint ~= '' then entries[#entries + 1] = hint end
  if #entries == 0 and record.state ~= 'purged' then entries[1] = seek(DLQ, job) end
  for _, entry in ipairs(entries) do
    local body = read_body(DLQ, entry)
    if body and body.ours['@job'] == job then return entry, body end
  end
end
