-- The body of the file BODY, posted as the form of CONTENT_TYPE.
dofile(os.getenv("COMMON"))

function init()
  local file = io.open(os.getenv("BODY"), "rb")
  local body = file:read("*a")
  file:close()
  local headers = { ["Content-Type"] = os.getenv("CONTENT_TYPE"), ["Authorization"] = "Bearer " .. user }
  text = wrk.format("POST", os.getenv("TARGET"), headers, body)
end

function request() return text end
