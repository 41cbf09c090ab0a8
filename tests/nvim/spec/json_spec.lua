return function(it, tests)
  local function encode(child, code)
    return child:lua(([[return require("orchflow.json").encode(%s)]]):format(code))
  end

  it("writes what JSON has", function(child)
    tests.equal(
      encode(child, [[{ a = { 1, 2.5, true, vim.NIL }, b = {}, c = vim.empty_dict() }]]),
      '{"a":[1,2.5,true,null],"b":[],"c":{}}'
    )
  end)

  it("keeps every digit of a time in microseconds", function(child)
    tests.equal(encode(child, "1763690000000123"), "1763690000000123")
    tests.equal(encode(child, "-9007199254740991"), "-9007199254740991")
  end)

  it("puts named keys first, in their order", function(child)
    tests.equal(encode(child, [[{ z = 1, a = 2, m = 3 }, { "z", "m" }]]), '{"z":1,"m":3,"a":2}')
  end)

  it("escapes control characters and replaces what is not UTF-8", function(child)
    tests.equal(encode(child, [["a\n\27\"\\\127"]]), [["a\n\u001b\"\\\u007f"]])
    tests.equal(
      encode(child, [["x\255y\195\188\237\160\128"]]),
      '"x\239\191\189yü\239\191\189\239\191\189\239\191\189"'
    )
  end)

  it("has no word for what is not a number", function(child)
    tests.equal(encode(child, "0/0"), "null")
    tests.equal(encode(child, "math.huge"), "null")
  end)
end
