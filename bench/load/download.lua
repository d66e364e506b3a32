-- The files whose ids follow the user's token, one after another.
dofile(os.getenv("COMMON"))

function init()
  local token = user:match("^%S+")
  texts, turn = {}, 0
  for id in user:gmatch("%s(%S+)") do
    texts[#texts + 1] = wrk.format("GET", os.getenv("TARGET") .. id, { ["Authorization"] = "Bearer " .. token })
  end
end

function request()
  turn = turn % #texts + 1
  return texts[turn]
end
