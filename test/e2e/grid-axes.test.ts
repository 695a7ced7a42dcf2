// Protects: a grid of the command line runs exactly the combinations it names, keeps them in its job file, and is refused before anything is written.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { expectExit } from '../support/expect-exit.ts';
import { forEachTest } from '../support/fixture.ts';
import { Workspace } from '../support/workspace.ts';

const COMMAND = ['--', 'printf', '%s\\n', '{lr} {seed} {x}'];
const GRID = ['--grid', 'lr=log:1e-3..1e-1:3', '--grid', 'seed=1..3', '--grid', 'x=0..0.3..0.1'];
const CHOSEN = ['--zip', 'lr,seed', '--exclude', 'x=0.2', '--exclude', 'lr=0.1,x=0,x=0.3'];
const EXPECTED = ['0.001 1 0', '0.001 1 0.1', '0.001 1 0.3', '0.01 2 0', '0.01 2 0.1', '0.01 2 0.3', '0.1 3 0.1'];

describe('the axes of a grid', () => {
  const here = forEachTest(() => Workspace.withLongLeases());

  it('give a task for each combination that is left, by which it can be named', async () => {
    const named = ['-o', 'out/', '--name', '{lr}/{x}.txt', '--save-job', 'saved.yaml', '--quiet'];
    expectExit(await here.run(['run', ...GRID, ...CHOSEN, ...named, ...COMMAND]));
    const files = readdirSync(here.path('out'), { recursive: true, encoding: 'utf8' }).filter((name) =>
      /txt$/.test(name),
    );
    expect(files.map((name) => readFileSync(here.path(`out/${name}`), 'utf8').trim()).sort()).to.deep.equal(EXPECTED);
    expectExit(await here.run(['verify', 'last']));
    const { stdout } = await here.runSuccessfully('tasks', 'last', '--param', 'x=0.1', '--json');
    const tasks = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).params);
    expect(tasks.map(({ lr, seed, x }) => `${lr} ${seed} ${x}`)).to.deep.equal(
      EXPECTED.filter((row) => row.endsWith(' 0.1')),
    );
    const again = expectExit(await here.run(['run', 'saved.yaml', '-o', '-', '--quiet']));
    expect(again.stdout.trim().split('\n')).to.deep.equal(EXPECTED);
  });

  it('are shown by plan, each with its number of values, the first and the last', async () => {
    const grid = {
      axes: { lr: { log: ['1e-3', 0.1], count: 3 }, x: { from: 0, to: 0.3, step: 0.1 } },
      exclude: [{ x: 0 }],
    };
    const steps = [{ name: 'one', run: ['echo', '{lr}'] }];
    here.write('job.json', { name: 'sweep', input: { split: { by: 'grid', ...grid } }, steps });
    const { axes, excluded, parts } = JSON.parse((await here.runSuccessfully('plan', 'job.json', '--json')).stdout);
    expect({ axes, excluded, parts }).to.deep.equal({
      axes: [
        { name: 'lr', values: 3, first: '0.001', last: '0.1' },
        { name: 'x', values: 4, first: '0', last: '0.3' },
      ],
      excluded: 3,
      parts: 9,
    });
    const { stdout } = await here.runSuccessfully('plan', 'job.json');
    expect(stdout).to.match(
      /PARAMETER +VALUES +FIRST +LAST\nlr +3 +0\.001 +0\.1\nx +4 +0 +0\.3\nexcluded: 3 combinations\n/,
    );
  });

  const refused: readonly (readonly [options: string, code: number, message: string])[] = [
    ['--grid lr=3..1', 3, 'the command line: input.split.axes.lr: found step 1 from 3 to 1, allowed: a step below 0'],
    ['--grid lr=1,1', 3, 'found "1", which is also lr[0]'],
    ['--grid lr=log:0..1:3', 3, 'found log from 0 to 1, allowed: numbers over 0'],
    ['--grid lr=1,2 --grid x=1..3 --zip lr,x', 3, 'zip[0]: found lr with 2 and x with 3, allowed: equally many values'],
    ['--grid lr=1,2 --exclude lr=3', 3, 'exclude[0].lr: found "3", allowed: 1, 2'],
    ['--grid lr=1,2 --exclude lr=1,lr=2', 3, 'leaves out every combination'],
    ['--grid lr', 2, '--grid "lr": expected NAME=VALUE'],
    ['--grid lr=1 --grid lr=2', 2, 'the axis lr is given twice'],
    ['--zip a,b', 2, '--zip requires --grid'],
    ['--grid lr=1 --split list', 2, '--grid and --split are mutually exclusive'],
    ['--split grid', 2, 'a grid is given by --grid'],
  ];
  for (const [options, code, message] of refused)
    it(`are refused with ${options}`, async () => {
      const ended = expectExit(await here.run(['run', ...options.split(' '), '--', 'echo']), code);
      expect(ended.stderr).to.include(message);
      expect(existsSync(here.path('.batchctl/store/jobs'))).to.equal(false);
    });
});
