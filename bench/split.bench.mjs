// Splits one large CSV file into 1,000 parts: `node bench/split.bench.mjs [--small]` (2 GiB, or 64 MiB). batchctl plans
// ranges and copies nothing; split writes files, GNU parallel pipes. Needs GNU parallel.
import { closeSync, openSync, readdirSync, readSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { benchCsv } from './make-csv.mjs';
import { detail, inTurns, report, SMALL, secondsText, timed, workspace } from './measure.mjs';
import { makeProbe, source } from './probe.mjs';

const BYTES = SMALL ? 2 ** 26 : 2 ** 31;
const PARTS = SMALL ? 100 : 1_000;

const probe = await makeProbe(
  'split-probe',
  `
import { openFileSource } from '${source('jobs/split/file-source.ts')}';
import { parseSplit } from '${source('jobs/split/parse-split.ts')}';
import { splitInputs } from '${source('jobs/split/split-inputs.ts')}';
import { openStoreSource } from '${source('jobs/split/store-source.ts')}';
import { openSync, readSync, statSync } from 'node:fs';
const [path, text, where] = process.argv.slice(2);
const began = performance.now();
let read = 0;
function openObject() {
  const fd = openSync(path);
  const info = { key: path, size: statSync(path).size, etag: 'any', modified: 0, metadata: {} };
  return openStoreSource(0, {
    head: async () => info,
    read: async (_, { range }) => {
      const bytes = Buffer.allocUnsafe(range.length);
      const got = readSync(fd, bytes, 0, range.length, range.offset);
      read += got;
      return bytes.subarray(0, got);
    },
  }, path);
}
const source = where === 'object' ? await openObject() : openFileSource(0, path);
const storePiece = async ({ size, checksum }) => ({ key: 'none', size, checksum });
const starts = [];
for await (const part of splitInputs({ inputs: [source], split: parseSplit(text), maxTasks: 1e7, storePiece })) {
  if (part.kind === 'range') starts.push(part.offset);
}
const seconds = (performance.now() - began) / 1000;
await source.close();
console.log(JSON.stringify({ seconds, megabytes: process.resourceUsage().maxRSS / 1024, starts, read }));
`,
);

const csv = benchCsv(BYTES);
const size = Math.ceil(BYTES / PARTS);
const starts = {};
const measure = (split, where = 'file') => {
  const { seconds, megabytes, starts: found, read } = probe(csv, split, where);
  if (split.startsWith('csv')) starts[where] = found;
  return { seconds, megabytes, read };
};
const found = await inTurns(SMALL ? 1 : 5, {
  csv: () => measure(`csv:${size}B,header`),
  object: () => measure(`csv:${size}B,header`, 'object'),
  lines: () => measure(`lines:${size}B`),
  split: () => {
    const cwd = workspace();
    const result = timed(['split', '-n', `l/${PARTS}`, '-a', '4', csv, 'part-'], { cwd });
    // Truncated rather than deleted, so that the disk holds the parts of only one run.
    for (const name of readdirSync(cwd)) if (name.startsWith('part-')) truncateSync(join(cwd, name));
    return result;
  },
  parallel: () =>
    timed(['parallel', '-a', csv, '--pipepart', '--block', String(size), 'cat >/dev/null'], {
      cwd: workspace(),
    }),
});
detail(`GNU parallel --pipepart ${secondsText(found.parallel.seconds)}`);
const peer = `split -n l/${PARTS} ${secondsText(found.split.seconds)} (it writes ${BYTES / 2 ** 20} MiB)`;
const torn = tornStarts(csv, starts.file);
const tornInObject = tornStarts(csv, starts.object);
report({
  what: `csv by size, ${starts.file.length} parts of ${BYTES / 2 ** 20} MiB`,
  ours: `${secondsText(found.csv.seconds)}, ${Math.round(found.csv.megabytes)} MB, ${torn} torn; plans ranges, copies nothing`,
  peer,
  goal: '0.6 s, 80 MB, 0 torn',
  met: found.csv.seconds <= 0.6 && found.csv.megabytes <= 80 && torn === 0,
});
report({
  what: 'lines by size',
  ours: `${secondsText(found.lines.seconds)}, ${Math.round(found.lines.megabytes)} MB; plans ranges, copies nothing`,
  peer,
  goal: '0.15 s',
  met: found.lines.seconds <= 0.15,
});
const aCut = found.object.read / starts.object.length / 1_024;
report({
  what: 'the same as an object of the store',
  ours: `${secondsText(found.object.seconds)}, ${Math.round(found.object.megabytes)} MB, ${aCut.toFixed(1)} KiB read a cut, ${tornInObject} torn`,
  peer: 'reading all of it',
  goal: '64 KiB a cut, 0 torn',
  met: aCut <= 64 && tornInObject === 0,
});
if (torn + tornInObject > 0) throw new Error(`${torn} and ${tornInObject} parts begin within a record`);

/** How many parts don't start at a record. Checked byte by byte, by the parity of quotes. */
function tornStarts(path, starts) {
  const wanted = new Set(starts);
  const fd = openSync(path, 'r');
  const buffer = Buffer.allocUnsafe(2 ** 20);
  let [offset, quoted, seen] = [0, false, wanted.has(0) ? 1 : 0];
  for (let got = readSync(fd, buffer); got > 0; got = readSync(fd, buffer)) {
    for (let at = 0; at < got; at += 1) {
      if (buffer[at] === 0x22) quoted = !quoted;
      else if (buffer[at] === 0x0a && !quoted && wanted.has(offset + at + 1)) seen += 1;
    }
    offset += got;
  }
  closeSync(fd);
  return wanted.size - seen;
}
