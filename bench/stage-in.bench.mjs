// The cost of verifying the checksum of a task's input (the previous step's output): staged as a worker does it, and
// read and written without the check. `node bench/stage-in.bench.mjs [--small]`. One process, a store on files.
import { inTurns, report, SMALL, workspace } from './measure.mjs';
import { makeProbe, source } from './probe.mjs';

const KIB = 1024;
/** Sizes of an output in bytes, and how many tasks read one of that size. */
const CASES = [
  { size: KIB, tasks: SMALL ? 40 : 1_000 },
  { size: 64 * KIB, tasks: SMALL ? 40 : 400 },
  { size: KIB * KIB, tasks: SMALL ? 8 : 80 },
  { size: 8 * KIB * KIB, tasks: SMALL ? 4 : 20 },
];
/** Maximum milliseconds of CPU for comparing, per task and per MiB. */
const GOAL = { task: 0.1, mebibyte: 2 };

const probe = await makeProbe(
  'stage-in-probe',
  `
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createFsStore } from '${source('adapters/local/fs-store.ts')}';
import { outKey } from '${source('model/keys.ts')}';
import { META_KEY } from '${source('model/output.ts')}';
import { readOutput } from '${source('jobs/output.ts')}';
import { metaWith } from '${source('../test/jobs/published-job.ts')}';
import { stageIn } from '${source('worker/stage-in.ts')}';
const [directory, bytes, count] = process.argv.slice(2);
const [size, tasks] = [Number(bytes), Number(count)];
const store = await createFsStore({ root: join(directory, 'store'), durability: 'crash' });
const content = Buffer.alloc(size, 'all work and no play');
const checksum = 'sha256:' + createHash('sha256').update(content).digest('hex');
const OUTPUTS = 4;
for (let task = 0; task < OUTPUTS; task += 1) {
  const meta = metaWith({ job: 'j', step: 'a', task }, size, checksum);
  await store.put(outKey('j', 'a', task), content, { metadata: { [META_KEY]: JSON.stringify(meta) } });
}
const steps = [{ name: 'a', run: ['cat'] }, { name: 'b', run: ['cat'], input: 'stdin' }];
const path = join(directory, 'input');
const never = new AbortController().signal;
const unchecked = async (task) => {
  const { files: [file] } = await readOutput(store, 'j', 'a', task);
  writeFileSync(path, await store.read(file.key));
};
const checked = (task) => stageIn(
  { platform: { store }, jobs: null },
  { message: { job: 'j', step: 'b', task }, view: { record: { spec: { steps } } }, step: steps[1], index: 1 },
  { stdin: path },
  never,
);
const used = { checked: 0, unchecked: 0 };
// In turns, so that whatever else the machine does falls on both alike. The first turn warms up.
const TURN = 4;
for (let done = -TURN; done < tasks; done += TURN) {
  for (const [how, stage] of Object.entries({ checked, unchecked })) {
    const before = process.cpuUsage();
    for (let n = 0; n < TURN; n += 1) await stage(n % OUTPUTS);
    const { user, system } = process.cpuUsage(before);
    if (done >= 0) used[how] += (user + system) / 1e3 / tasks;
  }
}
console.log(JSON.stringify({ ...used, more: used.checked - used.unchecked }));
`,
);

for (const { size, tasks } of CASES) {
  const { here } = await inTurns(SMALL ? 1 : 5, {
    here: () => probe(workspace(), String(size), String(tasks)),
  });
  const limit = GOAL.task + (GOAL.mebibyte * size) / 2 ** 20;
  report({
    what: `a task's input of ${sizeText(size)} is compared`,
    ours: `${here.checked.toFixed(3)} ms of CPU: ${here.more.toFixed(3)} ms more (${rate(size, here.more)})`,
    peer: `unchecked ${here.unchecked.toFixed(3)} ms`,
    goal: `at most ${GOAL.task} ms, and ${GOAL.mebibyte} ms a MiB`,
    met: here.more <= limit,
  });
}

function sizeText(bytes) {
  return bytes < 2 ** 20 ? `${bytes / 2 ** 10} KiB` : `${bytes / 2 ** 20} MiB`;
}

/** Throughput as text, from bytes and milliseconds. */
function rate(bytes, ms) {
  return `${Math.round(bytes / 2 ** 20 / (ms / 1_000)).toLocaleString('en')} MB/s`;
}
