// Splitting one large CSV file: `node bench/split.mjs [BYTES]` (2 GiB unless told). Goals: csv by size <= 0.6 s and
// <= 80 MB with no part torn, lines by size <= 0.15 s. It plans ranges, copies nothing.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { makeCsv } from './make-csv.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const DATA = join(HERE, '.data');
const RUNS = 5;

/** What is measured, in a process of its own: the split, bundled as it is shipped. */
const PROBE = `
import { openFileSource } from '${HERE}/../src/jobs/split/file-source.ts';
import { parseSplit } from '${HERE}/../src/jobs/split/parse-split.ts';
import { splitInputs } from '${HERE}/../src/jobs/split/split-inputs.ts';
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
`;

/** How many parts begin elsewhere than at a record: by a reader that counts quotes line by line. */
function torn(path, starts) {
  const wanted = new Set(starts);
  const text = `
import sys
wanted, seen, offset = set(map(int, sys.stdin.read().split())), 0, 0
with open(sys.argv[1], 'rb') as f:
    quotes = 0
    for line in f:
        if quotes % 2 == 0 and offset in wanted: seen += 1
        quotes += line.count(b'"')
        offset += len(line)
print(len(wanted) - seen)`;
  return Number(execFileSync('python3', ['-c', text, path], { input: [...wanted].join(' ') }));
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

const bytes = Number(process.argv[2] ?? 2 ** 31);
const path = join(DATA, `split-${bytes}.csv`);
mkdirSync(DATA, { recursive: true });
if (!existsSync(path) || statSync(path).size !== bytes) makeCsv(path, bytes);
const probe = join(DATA, 'split-probe.mjs');
writeFileSync(join(DATA, 'split-probe.ts'), PROBE);
await build({
  entryPoints: [join(DATA, 'split-probe.ts')],
  outfile: probe,
  bundle: true,
  platform: 'node',
  format: 'esm',
  logLevel: 'error',
});
const size = Math.max(1, Math.floor(bytes / 1000));
for (const text of [`csv:${size}B,header`, `lines:${size}B`, 'csv:10000,header']) {
  const runs = Array.from({ length: RUNS }, () =>
    JSON.parse(execFileSync('node', [probe, path, text], { maxBuffer: 2 ** 30 })),
  );
  const { starts } = runs[0];
  const result = {
    split: text,
    bytes,
    parts: starts.length,
    seconds: Number(median(runs.map((run) => run.seconds)).toFixed(3)),
    megabytes: Math.round(Math.max(...runs.map((run) => run.megabytes))),
    ...(text.startsWith('csv') && { torn: torn(path, starts) }),
  };
  console.log(JSON.stringify(result));
}
