// Protects: names of results, tables and packs mean the same on S3 and SQS and through a manager as on one machine.
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { expectExit, jsonLinesOf, jsonOf } from '../support/expect-exit.ts';
import { forSuite } from '../support/fixture.ts';
import { ManagedWorkspace } from '../support/manager/managed-workspace.ts';
import type { Workspace } from '../support/workspace.ts';
import { emulatedWorkspace } from './emulated-aws.ts';

const TABLE = `name: sweep
tolerate: 100%
input: { from: [params.csv], split: { by: table } }
steps:
  - name: train
    run: [sh, -c, 'if [ "$1" = 2 ]; then echo diverged >&2; exit 3; fi; echo "$2"', sh, "{seed}", "{lr}"]
    attempts: 1
  - { name: score, run: [cat] }
`;
const SEEDS = ['1', '2', '3'];
const RATES = ['0.1', '1e-5'];

function describeParameters(where: string, make: () => Promise<Workspace>): void {
  describe(`parameters ${where}`, () => {
    const workspace = forSuite(make);

    /** Submits a job, works on it, and returns its id. */
    const worked = async (jobFile: string): Promise<string> => {
      const { job } = jsonOf(await workspace.run(['submit', jobFile, '--json']));
      await workspace.work({}, '--here');
      await workspace.run(['wait', job, '--timeout', '60s']);
      expect(jsonOf(await workspace.run(['status', job, '--json'])).state).to.be.oneOf(['succeeded', 'incomplete']);
      return job;
    };

    it('of a table are in its lists, choose tasks, and name results', async () => {
      const rows = RATES.flatMap((lr) => SEEDS.map((seed) => `${lr},${seed}\n`));
      workspace.write('params.csv', `lr,seed\n${rows.join('')}`);
      workspace.write('sweep.yaml', TABLE);
      const job = await worked('sweep.yaml');
      const chosen = jsonLinesOf(await workspace.run(['tasks', job, '--param', 'lr=1e-5', '--json']));
      expect(chosen.map(({ step, task, state }) => `${step}/${task} ${state}`)).to.deep.equal([
        'train/3 done',
        'train/4 failed',
        'train/5 done',
        'score/3 done',
        'score/5 done',
      ]);
      const [cause] = jsonLinesOf(await workspace.run(['failures', job, '--json']));
      expect(cause.example.params).to.deep.equal({ lr: '0.1', seed: '2' });
      const log = await workspace.run(['logs', job, 'train[seed=2,lr=1e-5]']);
      expect(log.stderr + log.stdout)
        .to.include('==> train/4 ')
        .and.include('diverged');
      expectExit(await workspace.run(['fetch', job, '-o', 'out/', '--name', '{lr}/{seed}.txt']));
      for (const lr of RATES) {
        for (const seed of ['1', '3']) {
          expect(readFileSync(workspace.path(`out/${lr}/${seed}.txt`), 'utf8')).to.equal(`${lr}\n`);
        }
      }
      expect(existsSync(workspace.path('out/0.1/2.txt'))).to.equal(false);
      expectExit(await workspace.run(['fetch', job, '--table', 'results.csv']));
      const [header = '', ...lines] = readFileSync(workspace.path('results.csv'), 'utf8').split('\r\n');
      expect(header).to.equal('task,step,state,attempts,seconds,lr,seed,output');
      expect(lines[0]).to.match(/^0,score,done,1,[\d.]+,0\.1,1,0\.1$/);
      expect(lines[4]).to.match(/^4,train,failed,1,[\d.]+,1e-5,2,$/);
    });

    it('of a list name results, and equal names are refused before the job is submitted', async () => {
      workspace.write('names.txt', 'ada\ngrace\nada\n');
      const before = jsonLinesOf(await workspace.run(['jobs', '--json'])).length;
      const run = ['run', '--input', 'names.txt', '--split', 'list', '-o', 'twice/', '--name', '{item}', '-q'];
      for (const flags of [[], ['--dry-run']]) {
        const refused = expectExit(await workspace.run([...flags, ...run, '--', 'echo', '{item}']), 2);
        expect(refused.stderr).to.include('tasks 0 and 2 would have the same file name ada');
      }
      expect(jsonLinesOf(await workspace.run(['jobs', '--json']))).to.have.length(before);
      expect(existsSync(workspace.path('twice'))).to.equal(false);
    });

    it('of a grid with scales, zip and exclude are those that it leaves', async () => {
      const axes = { lr: { log: ['1e-3', '1e-1'], count: 3 }, seed: { from: 1, to: 3 }, x: ['a', 'b'] };
      const split = { by: 'grid', axes, zip: [['lr', 'seed']], exclude: [{ seed: 2, x: 'b' }] };
      const steps = [{ name: 'map', run: ['echo', '{lr} {seed} {x}'] }];
      workspace.write('grid.json', { name: 'grid', input: { split }, steps });
      const job = await worked('grid.json');
      const { stdout } = await workspace.runSuccessfully('fetch', job, '-o', '-');
      expect(stdout.trimEnd().split('\n')).to.deep.equal(['0.001 1 a', '0.001 1 b', '0.01 2 a', '0.1 3 a', '0.1 3 b']);
    });

    it('of rows that are added later run alone, with the names, the table and the proof of all', async () => {
      workspace.write('grow.csv', 'lr,seed\n0.1,1\n0.2,1\n');
      const input = { from: ['grow.csv'], split: { by: 'table' } };
      const steps = [
        { name: 'map', run: ['echo', '{lr} {seed}'] },
        { name: 'next', run: ['cat'] },
      ];
      workspace.write('grow.json', { name: 'grow', input, steps });
      const submit = () => workspace.run(['submit', 'grow.json', '--run-key', 'grow', '--extend', '--json']);
      const first = jsonOf(await submit());
      await workspace.work({}, '--here');
      await workspace.run(['wait', first.job, '--timeout', '60s']);
      workspace.write('grow.csv', 'lr,seed\n0.1,1\n0.1,2\n0.2,1\n0.3,3\n');
      const grown = await submit();
      expect(jsonOf(grown)).to.include({ job: first.job, created: false, added: 2 });
      expect(grown.stderr).to.include(`added 2 tasks to job ${first.job}: map/2 to 3, round 1`);
      await workspace.work({}, '--here');
      await workspace.run(['wait', first.job, '--timeout', '60s']);
      expectExit(await workspace.run(['fetch', first.job, '-o', 'grown/', '--name', '{lr}-{seed}.txt']));
      for (const name of ['0.1-1', '0.2-1', '0.1-2', '0.3-3'])
        expect(readFileSync(workspace.path(`grown/${name}.txt`), 'utf8')).to.equal(`${name.replace('-', ' ')}\n`);
      const tasks = jsonLinesOf(await workspace.run(['tasks', first.job, '--step', 'next', '--json']));
      expect(tasks.map(({ attempts, params }) => `${attempts} ${params.lr}`)).to.deep.equal([
        '1 0.1',
        '1 0.2',
        '1 0.1',
        '1 0.3',
      ]);
      const { checked, evidence } = jsonOf(await workspace.run(['verify', first.job, '--deep', '--json']));
      expect([checked.parts, evidence.rounds[0].added]).to.deep.equal([4, { first: 2, count: 2 }]);
      workspace.write('grow.csv', 'lr,seed\n0.1,1\n');
      expect(expectExit(await submit(), 7).stderr).to.include("which the input here doesn't have");
    });

    it('are no part of packs, each file of which is read once, under its own name', async () => {
      mkdirSync(workspace.path('in/x'), { recursive: true });
      const names = ['a.csv', 'b b.csv', 'x/a.csv', 'z.csv'];
      for (const name of names) workspace.write(`in/${name}`, `${name}\n`);
      const run = `cd "$BATCHCTL_INPUT_DIR"; find . -type f | while IFS= read -r f; do
        mkdir -p "$BATCHCTL_OUTPUT_DIR/$(dirname -- "$f")"; tr a-z A-Z < "$f" > "$BATCHCTL_OUTPUT_DIR/$f"; done`;
      const steps = [{ name: 'upper', input: 'dir', output: 'files', run }];
      workspace.write('packs.json', { name: 'packs', input: { from: 'in', split: { by: 'file', pack: 3 } }, steps });
      const job = await worked('packs.json');
      const tasks = jsonLinesOf(await workspace.run(['tasks', job, '--json']));
      expect(tasks.map(({ params }) => params)).to.deep.equal([null, null]);
      expectExit(await workspace.run(['verify', job, '--deep']));
      expectExit(await workspace.run(['fetch', job, '-o', 'packs/', '--name', '{name}']));
      for (const name of names) {
        expect(readFileSync(workspace.path(`packs/${name}`), 'utf8')).to.equal(`${name.toUpperCase()}\n`);
      }
    });
  });
}

describeParameters('on S3 and SQS', () => emulatedWorkspace({ worksHere: true }));
describeParameters('through a manager', () => ManagedWorkspace.make({ lease: 10 }));
