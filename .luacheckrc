std = "luajit"
cache = false
max_line_length = 120
max_string_line_length = false
read_globals = { "vim" }
globals = { "vim.g", "vim.o", "vim.bo", "vim.wo", "vim.go", "vim.opt", "vim.opt_local", "vim.notify", "vim.ui" }
files["tests/nvim"] = { globals = { "describe", "it" } }
exclude_files = { "target", ".deps", "lua/orchflow/catalogue.lua", "lua/orchflow/api/types.lua" }
