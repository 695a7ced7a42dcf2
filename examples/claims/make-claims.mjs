// Makes insurance claims as CSV, as many as you like: the same arguments make the same bytes, on any machine.
//
//   node make-claims.mjs --records 20000 -o claims.csv
//   node make-claims.mjs --size 1GB --seed 7 > claims.csv
//
// --records N        how many claims (default 10,000), or
// --size SIZE        as many as fit: 500KB, 64MB, 1GB, 1GiB; the file is at most one claim smaller
// --seed N           other claims (default 1)
// --bad-every N      every Nth claim's amount is written "1,234.50", which price.mjs refuses
// -o FILE            where to (default: stdout)
//
// The last line of stderr says what was made, as JSON: records, bytes, the sum of all amounts.
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { parseArgs } from 'node:util';

const HEADER = 'claim,date,region,product,holder,currency,amount,note\n';
const REGIONS = ['EU', 'UK', 'US', 'APAC'];
const CURRENCIES = { EU: ['EUR', 'SEK', 'PLN'], UK: ['GBP'], US: ['USD'], APAC: ['AUD', 'SGD', 'USD'] };
const PRODUCTS = ['motor', 'home', 'travel', 'health'];
const FIRST = ['Anna', 'Ben', 'Chloé', 'Dmitri', 'Eun-ji', 'Farah', 'Göran', 'Hana', 'Ivo', 'Jamal'];
const LAST = ['Smith', "O'Neill", 'Müller', 'Kowalska', 'Ngũgĩ', 'Tan', 'van der Berg', 'Okafor'];
const NOTES = [
  'rear window broken',
  'hail, roof and gutter',
  'suitcase lost in "transit"',
  'water damage,\nkitchen and cellar',
  'caller said: "twice before"\nsee file 12,\nsee file 13',
  '',
  'windscreen',
  'broken wrist, ski lift',
];
const UNITS = { '': 1, B: 1, KB: 1e3, MB: 1e6, GB: 1e9, KIB: 2 ** 10, MIB: 2 ** 20, GIB: 2 ** 30 };
const BATCH = 1 << 18; // Characters that are written at once.

/** mulberry32: a small generator with the same numbers on every machine. */
function randomFrom(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const twoDigits = (n) => String(n).padStart(2, '0');
const money = (cents) => `${Math.floor(cents / 100)}.${twoDigits(cents % 100)}`;

/** The nth claim, from 1: its line and its cents. */
function claim(n, random, badEvery) {
  const region = REGIONS[random(REGIONS.length)];
  const currencies = CURRENCIES[region];
  // Most claims are small, a few are large.
  const cents = random(10) === 0 ? random(5_000_000) : random(200_000);
  const bad = badEvery > 0 && n % badEvery === 0;
  const fields = [
    `C${String(n).padStart(9, '0')}`,
    `2026-11-${twoDigits(1 + random(30))}`,
    region,
    PRODUCTS[random(PRODUCTS.length)],
    quoted(`${LAST[random(LAST.length)]}, ${FIRST[random(FIRST.length)]}`),
    currencies[random(currencies.length)],
    bad ? '"1,234.50"' : money(cents),
    quoted(NOTES[random(NOTES.length)]),
  ];
  return { line: `${fields.join(',')}\n`, cents: bad ? 0 : cents };
}

function whole(text, what) {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new RangeError(`--${what} should be a whole number, found "${text}"`);
}

function bytesOf(text) {
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text) ?? [];
  const factor = UNITS[unit?.toUpperCase()];
  if (factor === undefined) throw new RangeError(`--size should be like 64MB or 1GiB, found "${text}"`);
  return Math.floor(Number(number) * factor);
}

function limitsOf(options) {
  if (options.size !== undefined && options.records !== undefined) {
    throw new RangeError('give --size or --records, not both');
  }
  if (options.size !== undefined) return { records: Number.POSITIVE_INFINITY, bytes: bytesOf(options.size) };
  return { records: whole(options.records ?? '10000', 'records'), bytes: Number.POSITIVE_INFINITY };
}

async function make(options) {
  const limits = limitsOf(options);
  const badEvery = whole(options['bad-every'] ?? '0', 'bad-every');
  const random = randomFrom(whole(options.seed ?? '1', 'seed'));
  const out = options.output === undefined ? process.stdout : createWriteStream(options.output);
  const made = { records: 0, bytes: HEADER.length, cents: 0n };
  let batch = HEADER;
  while (made.records < limits.records) {
    const { line, cents } = claim(made.records + 1, random, badEvery);
    const bytes = made.bytes + Buffer.byteLength(line);
    if (bytes > limits.bytes) break;
    made.bytes = bytes;
    made.records += 1;
    made.cents += BigInt(cents);
    batch += line;
    if (batch.length >= BATCH) {
      if (!out.write(batch)) await once(out, 'drain');
      batch = '';
    }
  }
  await new Promise((resolve, reject) => out.once('error', reject).write(batch, resolve));
  if (out !== process.stdout) await new Promise((resolve) => out.end(resolve));
  const amount = `${made.cents / 100n}.${twoDigits(made.cents % 100n)}`;
  process.stderr.write(`${JSON.stringify({ records: made.records, bytes: made.bytes, amount })}\n`);
}

process.stdout.on('error', (error) => process.exit(error.code === 'EPIPE' ? 0 : 1)); // `| head` is fine
try {
  const options = Object.fromEntries(
    ['size', 'records', 'seed', 'bad-every'].map((name) => [name, { type: 'string' }]),
  );
  const { values } = parseArgs({ options: { ...options, output: { type: 'string', short: 'o' } } });
  await make(values);
} catch (error) {
  process.stderr.write(`make-claims: ${error.message}\n`);
  process.exitCode = 2;
}
