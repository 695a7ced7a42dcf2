// Writes a CSV file of exactly BYTES bytes, the same for the same seed: `node bench/make-csv.mjs BYTES FILE [SEED]`.
// Records have about 195 bytes; 2 % of them have a newline within quotes.
import { closeSync, existsSync, mkdirSync, openSync, renameSync, statSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const HEADER = 'id,day,customer,amount,region,note\n';
const REGIONS = ['EU', 'US', 'APAC', 'LATAM'];
const WORDS = 'claim paid late by wire after review of policy terms and the second notice was sent in due time'.split(
  ' ',
);
/** Number of blocks of random records, which are written in random order. Each is 1 MiB or slightly less. */
const BLOCKS = 16;
const BLOCK = 2 ** 20;

/** A small generator of 32-bit numbers (xorshift): the same on every machine. */
function randomOf(seed) {
  let state = seed >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

function record(random) {
  const id = 100_000_000 + random(900_000_000);
  const day = `2026-${String(1 + random(12)).padStart(2, '0')}-${String(1 + random(28)).padStart(2, '0')}`;
  const amount = `${random(100_000)}.${String(random(100)).padStart(2, '0')}`;
  const words = Array.from({ length: 24 + random(10) }, () => WORDS[random(WORDS.length)]);
  const note =
    random(50) === 0 ? `"${words.slice(0, 12).join(' ')}\nsaid ""${words.slice(12).join(' ')}"""` : words.join(' ');
  return `${id},${day},customer-${random(1_000_000)},${amount},${REGIONS[random(REGIONS.length)]},${note}\n`;
}

function block(random) {
  let text = '';
  for (let next = record(random); text.length + next.length <= BLOCK; next = record(random)) text += next;
  return Buffer.from(text);
}

/** The last bytes: whole records, the last of them padded. */
function tail(random, bytes) {
  let text = '';
  while (bytes - text.length > 1024) text += record(random);
  const last = `1,2026-01-01,customer-0,1.00,EU,`;
  const pad = bytes - text.length - last.length - 1;
  return Buffer.from(
    pad < 0 ? `${text}${'\n'.padStart(bytes - text.length, '0')}` : `${text}${last}${'x'.repeat(pad)}\n`,
  );
}

/** Writes the file under another name first, so that an existing file is always complete. */
function makeCsv(path, bytes, seed = 1) {
  const random = randomOf(seed);
  const blocks = Array.from({ length: BLOCKS }, () => block(random));
  mkdirSync(dirname(path), { recursive: true });
  const fd = openSync(`${path}.part`, 'w');
  let written = writeSync(fd, HEADER);
  for (let next = blocks[random(BLOCKS)]; written + next.length <= bytes; next = blocks[random(BLOCKS)]) {
    written += writeSync(fd, next);
  }
  if (written < bytes) writeSync(fd, tail(random, bytes - written));
  closeSync(fd);
  renameSync(`${path}.part`, path);
}

export const DATA = join(import.meta.dirname, '.data');

/** The path of a file of this many bytes, which is made once and kept in bench/.data. */
export function benchCsv(bytes) {
  const path = join(DATA, `split-${bytes}.csv`);
  if (!existsSync(path) || statSync(path).size !== bytes) makeCsv(path, bytes);
  return path;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [bytes, path, seed] = process.argv.slice(2);
  if (!/^\d+$/.test(bytes ?? '') || Number(bytes) < HEADER.length || path === undefined) {
    console.error('usage: node bench/make-csv.mjs BYTES FILE [SEED]');
    process.exitCode = 2;
  } else {
    makeCsv(path, Number(bytes), seed === undefined ? undefined : Number(seed));
  }
}
