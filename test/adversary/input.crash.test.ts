// Protects: whatever an input holds, what comes out of a job is what went in, or the job is refused before it begins.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { work } from '../jobs/submitted-job.ts';
import { AwsWorkspace } from '../support/aws-workspace.ts';
import { Chance } from '../support/fuzz/chance.ts';
import { installed } from '../support/run/lacking.ts';
import { printedSeed } from '../support/sampling.ts';
import { sharedFauxqs } from '../support/servers/fauxqs.ts';
import { sharedMoto } from '../support/servers/moto.ts';
import { Workspace } from '../support/workspace.ts';
import { type Nasty, nastyInput, truthsOf } from './nasty-files.ts';

interface Backend {
  readonly name: string;
  readonly cases: number;
  open(): Promise<Workspace>;
}

const BACKENDS: readonly Backend[] = [
  { name: 'the local backend', cases: 60, open: async () => new Workspace() },
  {
    name: 'the AWS backend',
    cases: 12,
    open: async () => AwsWorkspace.make({ s3: (await sharedMoto()).url, sqs: (await sharedFauxqs()).url }),
  },
];

describe('input of every kind', () => {
  for (const { name, cases, open } of BACKENDS)
    it(`comes out whole, or is refused before the job begins: ${name}`, async () => {
      installed('zstd');
      const seed = printedSeed(`${cases} inputs`);
      const workspace = await open();
      let refused = 0;
      try {
        for (let n = 0; n < cases; n += 1) {
          const chance = new Chance(seed + n);
          const input = nastyInput(chance);
          if (input.refused !== null) refused += 1;
          const told = JSON.stringify({ seed: seed + n, ...input, files: input.files.map((f) => f.name) });
          await through(workspace, input, chance.is(0.5), told);
        }
      } finally {
        await workspace.remove();
      }
      console.log(`      ${cases - refused} came out whole, ${refused} were refused`);
    });
}).timeout(900_000);

/** Takes an input through a job that copies it and joins the copies, by a gather or by `fetch`. */
async function through(workspace: Workspace, input: Nasty, gathers: boolean, told: string): Promise<void> {
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
    expect(submitted.code, `${told} was taken: ${submitted.stdout}`).to.be.oneOf([3, 9]);
    return;
  }
  expect(submitted.code, `${told}: ${submitted.stderr}`).to.equal(0);
  const { job } = JSON.parse(submitted.stdout) as { job: string };
  await work(await workspace.platform());
  const verified = await workspace.run(['verify', job, '--deep']);
  expect(verified.code, `${told}: ${verified.stderr}`).to.equal(0);
  const flags = header && !gathers ? ['--header', 'once'] : [];
  const fetched = await workspace.run(['fetch', job, '-o', 'out', ...flags]);
  expect(fetched.code, `${told}: ${fetched.stderr}`).to.equal(0);
  const out = existsSync(workspace.path('out')) ? readFileSync(workspace.path('out')) : Buffer.alloc(0);
  expect(truthsOf(input), told).to.include(out.toString('latin1'));
}
