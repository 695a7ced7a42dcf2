// Loads the modules of dist/ with the code that V8 compiled for them when they were built
// (docs/adr/0030-compiled-code.md).
const { closeSync, openSync, readFileSync, readSync, statSync } = require('node:fs');
const { dirname, join } = require('node:path');
const { Script } = require('node:vm');

const DIST = join(dirname(__dirname), 'dist');
/**
 * Made by build/compiled.mjs: JSON, its length in ten digits before it, then the texts of packs, which are several
 * modules in one script, and the code of packs and single modules.
 */
const COMPILED = join(DIST, 'compiled.bin');
const DIGITS = 10;
const HEAD = '(function(exports,require,module,__filename,__dirname){';
/** Node's own loader knows source maps, and coverage needs code that was compiled for it. */
const USE_NODE_LOADER = process.env.NODE_V8_COVERAGE !== undefined || process.sourceMapsEnabled === true;

const NONE = { places: {}, packOf: new Map() };

const modules = new Map();
const scripts = new Map();
/** By name: a function for each module in it that returns the module's exports; null if it can't be read. */
const packs = new Map();
let compiled;

/**
 * Compiled code is valid only for the binary that made it. V8 checks only its version, its flags and the source's
 * length.
 */
function binaryId() {
  const { size, mtimeMs } = statSync(process.execPath);
  return `${process.version} ${process.arch} ${size} ${mtimeMs}`;
}

/** If the file is missing or unreadable, modules are compiled on demand: slower, with the same result. */
function readCompiled() {
  try {
    compiled ??= openCompiled();
  } catch {
    compiled = NONE;
  }
  return compiled;
}

/** Bytes of the compiled file; undefined if there are none, or they can't be read. */
function bytesAt(place) {
  try {
    return place && place[1] > 0 ? readBytes(compiled.file, compiled.from + place[0], place[1]) : undefined;
  } catch {
    return undefined;
  }
}

function openCompiled() {
  const file = openSync(COMPILED, 'r');
  const length = Number(readBytes(file, 0, DIGITS));
  const { format, by, places, looks, packs: all } = JSON.parse(readBytes(file, DIGITS, length));
  if (format === 1 && by === binaryId()) {
    const packOf = new Map();
    for (const [name, pack] of Object.entries(all)) {
      const code = looks.includes(process.argv[2]) && pack.looks[1] > 0 ? pack.looks : pack.code;
      for (const chunk of pack.chunks) packOf.set(chunk, { ...pack, name, code });
    }
    return { file, from: DIGITS + length, places, packOf };
  }
  closeSync(file);
  return NONE;
}

function readBytes(file, from, length) {
  const bytes = Buffer.allocUnsafeSlow(length);
  if (readSync(file, bytes, 0, length, from) !== length) throw new Error(`expected ${length} bytes at ${from}`);
  return bytes;
}

/** The exports of `name`, a file of dist/. Throws what Node throws for a file that isn't there. */
function load(name) {
  const known = modules.get(name);
  if (known !== undefined) return known.exports;
  const filename = join(DIST, name);
  if (USE_NODE_LOADER) return require(filename);
  const { places, packOf } = readCompiled();
  const pack = packOf.get(name);
  const inPack = pack && openPack(pack)?.[name];
  const module = { exports: inPack ? inPack() : {} };
  modules.set(name, module);
  if (inPack) return module.exports;
  try {
    run(name, filename, readFileSync(filename, 'utf8'), bytesAt(places[name]), module);
  } catch (error) {
    modules.delete(name);
    throw error;
  }
  return module.exports;
}

/** Loads all modules of a pack from the pack, or all from their own files: none may exist twice. */
function openPack({ name, encoding, text, code }) {
  if (packs.has(name)) return packs.get(name);
  packs.set(name, null);
  const bytes = bytesAt(text);
  if (bytes === undefined) return null;
  const module = { exports: {} };
  run(name, join(DIST, `pack-${name}.js`), bytes.toString(encoding), bytesAt(code), module);
  packs.set(name, module.exports);
  return module.exports;
}

/** Runs a module's text. */
function run(name, filename, text, cachedData, module) {
  const script = new Script(`${HEAD}${text}\n})`, { filename, columnOffset: -HEAD.length, cachedData });
  scripts.set(name, script);
  script.runInThisContext()(module.exports, requireOf, module, filename, DIST);
}

/** Modules of dist/ are in one directory and require each other as `./name`. */
function requireOf(id) {
  return id.startsWith('./') ? load(id.slice(2)) : require(id);
}

/** For the build: loads everything anew from now on. */
function reset() {
  for (const known of [modules, scripts, packs]) known.clear();
  compiled = undefined;
}

module.exports = { binaryId, load, modules, reset, scripts };
