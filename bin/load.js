// Loads the modules of dist/ with the code that V8 compiled for them when they were built (docs/adr/0030-compiled-code.md).
const { closeSync, openSync, readFileSync, readSync, statSync } = require('node:fs');
const { dirname, join } = require('node:path');
const { Script } = require('node:vm');

const DIST = join(dirname(__dirname), 'dist');
/** Made by build/compiled.mjs: a line of JSON, its length in ten digits before it, and the code of one module after the other. */
const COMPILED = join(DIST, 'compiled.bin');
const DIGITS = 10;
const HEAD = '(function(exports,require,module,__filename,__dirname){';
/** Node's own loader knows source maps, and coverage needs code that was compiled for it. */
const PLAIN = process.env.NODE_V8_COVERAGE !== undefined || process.sourceMapsEnabled === true;

const NONE = { places: {} };

const modules = new Map();
const scripts = new Map();
let compiled;

/** Compiled code is good for the very binary that made it: V8 itself looks at no more than its version, its flags and the text's length. */
function madeBy() {
  const { size, mtimeMs } = statSync(process.execPath);
  return `${process.version} ${process.arch} ${size} ${mtimeMs}`;
}

/** Without it, or with what can't be read of it, modules are compiled as they are needed: slower, and no different. */
function codeOf(name) {
  try {
    compiled ??= openCompiled();
    const place = compiled.places[name];
    return place && piece(compiled.file, compiled.from + place[0], place[1]);
  } catch {
    compiled = NONE;
  }
}

function openCompiled() {
  const file = openSync(COMPILED, 'r');
  const length = Number(piece(file, 0, DIGITS));
  const { format, by, places } = JSON.parse(piece(file, DIGITS, length));
  if (format === 1 && by === madeBy()) return { file, places, from: DIGITS + length };
  closeSync(file);
  return NONE;
}

function piece(file, from, length) {
  const bytes = Buffer.allocUnsafeSlow(length);
  if (readSync(file, bytes, 0, length, from) !== length) throw new Error(`expected ${length} bytes at ${from}`);
  return bytes;
}

/** The exports of `name`, a file of dist/. Throws what Node throws for a file that isn't there. */
function load(name) {
  const known = modules.get(name);
  if (known !== undefined) return known.exports;
  const filename = join(DIST, name);
  if (PLAIN) return require(filename);
  const text = readFileSync(filename, 'utf8');
  const script = new Script(`${HEAD}${text}\n})`, {
    filename,
    columnOffset: -HEAD.length,
    cachedData: codeOf(name),
  });
  const module = { exports: {} };
  modules.set(name, module);
  scripts.set(name, script);
  try {
    script.runInThisContext()(module.exports, requireOf, module, filename, DIST);
  } catch (error) {
    modules.delete(name);
    throw error;
  }
  return module.exports;
}

/** Modules of dist/ lie side by side, and ask for each other as `./name`. */
function requireOf(id) {
  return id.startsWith('./') ? load(id.slice(2)) : require(id);
}

module.exports = { load, madeBy, scripts };
