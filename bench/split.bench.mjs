// Splits one large CSV file into 1,000 parts: `node bench/split.bench.mjs [--small]` (2 GiB, or 64 MiB). batchctl plans
// ranges and copies nothing; split writes files, GNU parallel pipes. Needs GNU parallel.
import { closeSync, openSync, readdirSync, readSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { benchCsv } from './bench-csv.mjs';
import { detail, inTurns, report, Scratch, SMALL, secondsText, timed } from './measure.mjs';
import { makeProbe, source } from './probe.mjs';

const BYTES = SMALL ? 2 ** 26 : 2 ** 31;
const PARTS = SMALL ? 100 : 1_000;

const probe = await makeProbe(
  'split-probe',
  `
import { openFileSource } from '${source('jobs/split/file-source.ts')}';
import { parseSplit } from '${source('jobs/split/parse-split.ts')}';
import { splitInputs } from '${source('jobs/split/split-inputs.ts')}';
const [path, text] = process.argv.slice(2);
const began = performance.now();
const source = openFileSource(0, path);
const storePiece = async ({ size, checksum }) => ({ key: 'none', size, checksum });
const starts = [];
for await (const part of splitInputs({ inputs: [source], split: parseSplit(text), maxTasks: 1e7, storePiece })) {
  if (part.kind === 'range') starts.push(part.offset);
}
const seconds = (performance.now() - began) / 1000;
await source.close();
console.log(JSON.stringify({ seconds, megabytes: process.resourceUsage().maxRSS / 1024, starts }));
`,
);

const csv = benchCsv(BYTES);
const size = Math.ceil(BYTES / PARTS);
const scratch = new Scratch();
try {
  let starts = [];
  const measure = (split) => {
    const { seconds, megabytes, starts: found } = probe(csv, split);
    if (split.startsWith('csv')) starts = found;
    return { seconds, megabytes };
  };
  const found = await inTurns(SMALL ? 1 : 5, {
    csv: () => measure(`csv:${size}B,header`),
    lines: () => measure(`lines:${size}B`),
    split: () => {
      const cwd = scratch.workspace();
      const result = timed(['split', '-n', `l/${PARTS}`, '-a', '4', csv, 'part-'], { cwd });
      // Truncated rather than deleted, so that the disk holds the parts of only one run.
      for (const name of readdirSync(cwd)) if (name.startsWith('part-')) truncateSync(join(cwd, name));
      return result;
    },
    parallel: () =>
      timed(['parallel', '-a', csv, '--pipepart', '--block', String(size), 'cat >/dev/null'], {
        cwd: scratch.workspace(),
      }),
  });
  detail(`GNU parallel --pipepart ${secondsText(found.parallel.seconds)}`);
  const peer = `split -n l/${PARTS} ${secondsText(found.split.seconds)} (it writes ${BYTES / 2 ** 20} MiB)`;
  const torn = tornStarts(csv, starts);
  report({
    what: `csv by size, ${starts.length} parts of ${BYTES / 2 ** 20} MiB`,
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
  if (torn > 0) throw new Error(`${torn} parts begin within a record`);
} finally {
  scratch.remove();
}

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
