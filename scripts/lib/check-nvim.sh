# An unpacked Neovim is good when it finds itself, its runtime and its parsers.
script=$(mktemp)
trap 'rm -f -- "$script"' EXIT
cat >"$script" <<'LUA'
assert(vim.fn.executable(vim.v.progpath) == 1 and vim.v.progpath:find("nvim", 1, true))
assert(#vim.treesitter.get_string_parser("local a = 1", "lua"):parse() == 1)
LUA
env -u VIMRUNTIME -u VIM "$1/bin/nvim" --clean --headless -l "$script"
