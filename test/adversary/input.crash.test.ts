// Protects: a job that copies its input outputs exactly those bytes, whatever they are, or is refused before it begins.
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { work } from '../jobs/submitted-job.ts';
import { AwsWorkspace } from '../support/aws-workspace.ts';
import { Chance } from '../support/chance.ts';
import { installed } from '../support/run/lacking.ts';
import { printedSeed } from '../support/sampling.ts';
import { sharedFauxqs } from '../support/servers/fauxqs.ts';
import { sharedMoto } from '../support/servers/moto.ts';
import { Workspace } from '../support/workspace.ts';
import { expectedOutputs, type NastyInput, nastyInput } from './nasty-files.ts';

interface Backend {
  readonly name: string;
  readonly cases: number;
  open(): Promise<Workspace>;
}

const BACKENDS: readonly Backend[] = [
  { name: 'the local backend', cases: 60, open: async () => Workspace.withLongLeases() },
  {
    name: 'the AWS backend',
    cases: 12,
    open: async () => AwsWorkspace.make({ s3: (await sharedMoto()).url, sqs: (await sharedFauxqs()).url }),
  },
];

describe('input of every kind', () => {
  for (const { name, cases, open } of BACKENDS)
    it(`is copied byte for byte, or is refused before the job begins: ${name}`, async () => {
      installed('zstd');
      const seed = printedSeed(`${cases} inputs`);
      const workspace = await open();
      let refused = 0;
      try {
        for (let n = 0; n < cases; n += 1) {
          const chance = new Chance(seed + n);
          const input = nastyInput(chance);
          if (input.refused !== null) refused += 1;
          const label = JSON.stringify({ seed: seed + n, ...input, files: input.files.map((f) => f.name) });
          await copyThrough(workspace, input, chance.is(0.5), label);
        }
      } finally {
        await workspace.remove();
      }
      console.log(`      ${cases - refused} were copied, ${refused} were refused`);
    });

  it('is copied as it was at one instant, or is refused, or fails, if it is appended to, truncated or replaced meanwhile', async () => {
    const seed = printedSeed(`${CHANGING} inputs that change`);
    const ends = { copied: 0, refused: 0, failed: 0 };
    for (let n = 0; n < CHANGING; n += 1) {
      const workspace = Workspace.withLongLeases();
      const changes = new Worker(CHANGES, {
        eval: true,
        // Without TypeScript, which takes half a second to load.
        execArgv: [],
        workerData: { path: workspace.path('in.txt'), seed: seed + n, pause: PACES[n % 3] },
      });
      try {
        await once(changes, 'message');
        // At each pace, half of the files are read in place, and half are copied into the store first.
        const uploads = n % 2 === 0;
        // However fast the machine is, one file changes between the split and the first task.
        const beforeWork = n === 5 ? () => once(changes, 'message') : async () => undefined;
        ends[await whileItChanges(workspace, new Chance(seed + n), uploads, beforeWork, `seed ${seed + n}`)] += 1;
      } finally {
        await changes.terminate();
        await workspace.remove();
      }
    }
    console.log(`      ${ends.copied} were copied, ${ends.refused} were refused, ${ends.failed} failed`);
    expect(ends.refused + ends.failed, 'cases in which a change was seen').to.be.above(0);
  });

  it('is copied completely if it has a hole of 96 MiB', async () => {
    const workspace = Workspace.withLongLeases();
    try {
      const file = openSync(workspace.path('in.txt'), 'w');
      // A split inspects text before it begins.
      writeSync(file, 'a\n'.repeat(2 ** 18), 0);
      writeSync(file, '\nc\n', 96 * 2 ** 20);
      closeSync(file);
      workspace.write('job.json', {
        name: 'holes',
        input: { from: 'in.txt', split: { by: 'lines', size: '1MB' } },
        steps: [{ name: 'sum', run: 'wc -c' }],
      });
      const job = await workspace.submit();
      await work(await workspace.platform());
      const { stdout } = await workspace.runSuccessfully('fetch', job, '-o', '-');
      const bytes = stdout.trim().split('\n').map(Number);
      expect(bytes.reduce((sum, each) => sum + each, 0)).to.equal(96 * 2 ** 20 + 3);
    } finally {
      await workspace.remove();
    }
  });
}).timeout(900_000);

/** Cases in which the input changes while it is planned, cut, uploaded and read. */
const CHANGING = 16;

/** The longest times between two changes, in milliseconds. */
const PACES = [4, 40, 600];

/**
 * Changes a file of the lines `STATE NUMBER` at random moments: the next state replaces it, lines are appended, or it
 * is truncated. At each instant it contains the first lines of one state. It posts a message after each change.
 */
const CHANGES = `
const { parentPort, workerData: { path, seed, pause } } = require('node:worker_threads');
const { appendFileSync, renameSync, truncateSync, writeFileSync } = require('node:fs');
// Numbers that follow one another begin far apart.
let random = Math.imul(seed, 2654435761) >>> 0;
const below = (most) => { random = (random * 1664525 + 1013904223) >>> 0; return Math.floor((random / 2 ** 32) * most); };
let state = 0;
let lines = 0;
const some = (count) => Array.from({ length: count }, () => \`\${String(state).padStart(4, '0')} \${String(lines++).padStart(6, '0')}\\n\`).join('');
const replace = () => {
  state += 1;
  lines = 0;
  writeFileSync(path + '.new', some(2000));
  renameSync(path + '.new', path);
};
replace();
parentPort.postMessage('changed');
const change = () => {
  const way = below(3);
  if (way === 0 || lines > 20000 || state > 9000) replace();
  else if (way === 1) appendFileSync(path, some(1 + below(50)));
  else { lines = Math.floor(lines / 2); truncateSync(path, lines * 12); }
  parentPort.postMessage('changed');
  setTimeout(change, below(pause));
};
setTimeout(change, below(pause));
`;

/** A job over the file that changes. The output of a proven job must be the first lines of one state, each once. */
async function whileItChanges(
  workspace: Workspace,
  chance: Chance,
  uploads: boolean,
  beforeWork: () => Promise<unknown>,
  label: string,
): Promise<'copied' | 'refused' | 'failed'> {
  workspace.write('job.json', {
    name: 'changes',
    input: { from: uploads ? 'store:in.txt' : 'in.txt', split: { by: 'lines', every: chance.pick([100, 700]) } },
    steps: [{ name: 'copy', run: ['cat'], attempts: 1 }],
  });
  const uploaded = uploads ? await workspace.run(['upload', 'in.txt', '--json']) : null;
  if (uploaded !== null && uploaded.code !== 0) {
    expect(uploaded.stderr, label).to.match(/in\.txt/);
    return 'refused';
  }
  const submitted = await workspace.run(['submit', 'job.json', '--json']);
  if (submitted.code !== 0) {
    expect(submitted.stderr, label).to.match(/in\.txt/);
    return 'refused';
  }
  const { job } = JSON.parse(submitted.stdout) as { job: string };
  await beforeWork();
  await work(await workspace.platform());
  const verified = await workspace.run(['verify', job, '--deep']);
  if (verified.code !== 0) {
    const { stdout } = await workspace.run(['failures', job]);
    expect(stdout, `${label}: ${stdout}`).to.match(/ changed /);
    return 'failed';
  }
  const fetched = await workspace.run(['fetch', job, '-o', 'out']);
  expect(fetched.code, `${label}: ${fetched.stderr}`).to.equal(0);
  const out = readFileSync(workspace.path('out'), 'latin1');
  const state = out.slice(0, 4);
  const truth = Array.from({ length: out.length / 12 }, (_, n) => `${state} ${String(n).padStart(6, '0')}\n`).join('');
  expect(out === truth, `${label}: ${out.length} bytes that the file never held at one instant`).to.equal(true);
  return 'copied';
}

/** Processes an input with a job that copies it and joins the copies, by a gather or by `fetch`. */
async function copyThrough(workspace: Workspace, input: NastyInput, gathers: boolean, label: string): Promise<void> {
  const { split, files, refused } = input;
  rmSync(workspace.path('in'), { recursive: true, force: true });
  rmSync(workspace.path('out'), { force: true });
  mkdirSync(workspace.path('in'));
  for (const { name, bytes } of files) writeFileSync(workspace.path('in', name), bytes);
  const header = split.header === true;
  workspace.write('job.json', {
    name: 'copies',
    input: { from: files.map(({ name }) => `in/${name.replace(/[$()']/g, '?')}`), split },
    steps: [
      { name: 'copy', run: ['cat'] },
      ...(gathers ? [{ name: 'join', gather: true, run: ['cat'], ...(header && { header: 'once' }) }] : []),
    ],
  });
  const submitted = await workspace.run(['submit', 'job.json', '--json', '--allow-empty']);
  if (refused !== null) {
    expect(submitted.code, `${label} was accepted: ${submitted.stdout}`).to.be.oneOf([3, 9]);
    return;
  }
  expect(submitted.code, `${label}: ${submitted.stderr}`).to.equal(0);
  const { job } = JSON.parse(submitted.stdout) as { job: string };
  await work(await workspace.platform());
  const verified = await workspace.run(['verify', job, '--deep']);
  expect(verified.code, `${label}: ${verified.stderr}`).to.equal(0);
  const flags = header && !gathers ? ['--header', 'once'] : [];
  const fetched = await workspace.run(['fetch', job, '-o', 'out', ...flags]);
  expect(fetched.code, `${label}: ${fetched.stderr}`).to.equal(0);
  const out = existsSync(workspace.path('out')) ? readFileSync(workspace.path('out')) : Buffer.alloc(0);
  expect(expectedOutputs(input), label).to.include(out.toString('latin1'));
}
