// Checks or writes the format of Lua files with StyLua's WebAssembly build from npm, so that
// no compiler is needed. It reads the same stylua.toml as the stylua program.
//
//   node lua-format.mjs MODULE-FOLDER [--check] PATH…
//
// Exit: 0 all is formatted, 1 something was not (--check) or does not parse.
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';

const [folder, ...rest] = process.argv.slice(2);
const check = rest[0] === '--check';
const paths = check ? rest.slice(1) : rest;
const stylua = createRequire(path.join(path.resolve(folder), 'x.js'))('@johnnymorganz/stylua');

// Name in stylua.toml → its enumeration, or nothing where the value is a number.
const options = {
  column_width: null,
  indent_width: null,
  indent_type: stylua.IndentType,
  line_endings: stylua.LineEndings,
  quote_style: stylua.QuoteStyle,
  call_parentheses: stylua.CallParenType,
  collapse_simple_statement: stylua.CollapseSimpleStatement,
  space_after_function_names: stylua.SpaceAfterFunctionNames,
  block_newline_gaps: stylua.BlockNewlineGaps,
  syntax: stylua.LuaVersion,
};

// A fresh one for each file: formatting consumes it.
function configuration() {
  const config = stylua.Config.new();
  const file = ['stylua.toml', '.stylua.toml'].find((name) => fs.existsSync(name));
  let section = '';
  for (const line of file ? fs.readFileSync(file, 'utf8').split('\n') : []) {
    const text = line.replace(/#.*/, '').trim();
    if (text === '') continue;
    const header = /^\[(\w+)\]$/.exec(text);
    if (header) {
      section = header[1];
      continue;
    }
    const [, key, raw] = /^(\w+)\s*=\s*(.+)$/.exec(text) ?? [];
    if (section === 'sort_requires' && key === 'enabled') {
      if (raw === 'true') config.sort_requires = config.sort_requires.set_enabled(true);
      continue;
    }
    if (section !== '' || !(key in options)) throw new Error(`${file}: unknown option: ${text}`);
    const kind = options[key];
    const value = kind ? kind[raw.replaceAll('"', '')] : Number(raw);
    if (value === undefined || Number.isNaN(value)) throw new Error(`${file}: ${key} cannot be ${raw}`);
    config[key] = value;
  }
  return config;
}

// Files and folders named in .styluaignore, one a line; patterns are not supported.
const ignored = fs.existsSync('.styluaignore')
  ? fs.readFileSync('.styluaignore', 'utf8').split('\n').map((line) => line.trim().replace(/\/$/, '')).filter(Boolean)
  : [];

function* luaFiles(entry) {
  if (ignored.includes(path.normalize(entry))) return;
  if (fs.statSync(entry).isDirectory()) {
    for (const name of fs.readdirSync(entry).sort()) yield* luaFiles(path.join(entry, name));
  } else if (entry.endsWith('.lua')) {
    yield entry;
  }
}

let bad = 0;
for (const file of paths.flatMap((entry) => [...luaFiles(entry)])) {
  const before = fs.readFileSync(file, 'utf8');
  let after;
  try {
    after = stylua.formatCode(before, configuration(), null, stylua.OutputVerification.None);
  } catch (error) {
    console.error(`${file}: ${error}`);
    bad += 1;
    continue;
  }
  if (after === before) continue;
  if (check) {
    const old = before.split('\n');
    const line = after.split('\n').findIndex((text, index) => text !== old[index]);
    console.error(`${file}:${line + 1}: not formatted (make fmt)`);
    bad += 1;
  } else {
    fs.writeFileSync(file, after);
  }
}
process.exitCode = bad > 0 ? 1 : 0;
