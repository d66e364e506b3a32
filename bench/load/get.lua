-- The same path again and again, with the token of TOKEN if there is one.
dofile(os.getenv("COMMON"))

function init()
  text = wrk.format("GET", os.getenv("TARGET"))
end

function request() return text end
