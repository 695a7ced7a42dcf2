// Protects: a job grows by exactly what a submission has beyond it, changes nothing it has, and its proof says what came when.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { expectExit, jsonLinesOf, jsonOf } from '../support/expect-exit.ts';
import { forEachTest } from '../support/fixture.ts';
import { Workspace } from '../support/workspace.ts';

const COMMAND = ['--', 'printf', '%s\\n'];

describe('a job that is extended', () => {
  const here = forEachTest(() => Workspace.withLongLeases());

  const run = (split: readonly string[], command: readonly string[], ...options: readonly string[]) =>
    here.run(['run', ...split, '--run-key', 'sweep', '--extend', ...options, ...command]);
  const lines = (text: string): readonly string[] => text.trimEnd().split('\n');
  const results = async (): Promise<readonly string[]> =>
    lines((await here.runSuccessfully('fetch', 'last', '-o', '-')).stdout);
  const attempts = async (): Promise<number> =>
    jsonLinesOf(await here.run(['tasks', 'last', '--json'])).reduce((sum, task) => sum + task.attempts, 0);
  /** The proof of all that the job has now, also by its evidence alone. */
  const proof = async () => {
    const proven = jsonOf(await here.run(['verify', 'last', '--deep', '-o', 'evidence.ndjson', '--json']));
    expectExit(await here.run(['verify', '--check', 'evidence.ndjson']));
    return proven;
  };

  it('by rows of its table runs only these, and writes the results of all', async () => {
    here.write('params.csv', 'lr,seed\n0.1,1\n0.1,2\n');
    const table = ['--input', 'params.csv', '--split', 'table', '-o', 'out/', '--name', '{lr}/{seed}.txt'];
    const command = [...COMMAND, '{lr} {seed}'];
    expectExit(await run(table, command));
    here.write('params.csv', 'lr,seed\n0.5,9\n0.1,2\n0.1,1\n0.1,3\n');
    const grown = expectExit(await run(table, command));
    expect(grown.stderr).to.match(/added 2 tasks to job \S+: map\/2 to 3, round 1\n/);
    expect(await attempts(), 'no task ran twice').to.equal(4);
    for (const [name, text] of [
      ['0.1/1', '0.1 1'],
      ['0.1/2', '0.1 2'],
      ['0.5/9', '0.5 9'],
      ['0.1/3', '0.1 3'],
    ])
      expect(readFileSync(here.path(`out/${name}.txt`), 'utf8')).to.equal(`${text}\n`);
    const { evidence, checked } = await proof();
    expect(checked).to.deep.equal({ parts: 4, inputs: 2, bytes: 52, outputs: 4 });
    expect(evidence.rounds.map(({ round, added }: { round: number; added: unknown }) => [round, added])).to.deep.equal([
      [1, { first: 2, count: 2 }],
    ]);
    const again = expectExit(await run(table, command));
    expect(again.stderr).to.include('has all of this already: nothing was added');
    expectExit(await here.run(['run', ...table, '--run-key', 'sweep', ...command]), 0);
    expect(jsonLinesOf(await here.run(['jobs', '--json']))).to.have.length(1);
  });

  it('counts equal rows, keeps its parameters for lists, tables and names, and grows again', async () => {
    here.write('names.txt', 'ada\ngrace\n');
    const list = ['--input', 'names.txt', '--split', 'list', '--quiet'];
    const command = [...COMMAND, '{item}'];
    expectExit(await run(list, command));
    here.write('names.txt', 'ada\nada\ngrace\nmary\n');
    expectExit(await run(list, command));
    here.write('names.txt', 'mary\nada\nada\ngrace\nlise\n');
    expectExit(await run(list, command));
    expect(await results()).to.deep.equal(['ada', 'grace', 'ada', 'mary', 'lise']);
    const chosen = jsonLinesOf(await here.run(['tasks', 'last', '--param', 'item=lise', '--json']));
    expect(chosen.map(({ task, params }) => [task, params])).to.deep.equal([[4, { item: 'lise' }]]);
    const table = (await here.runSuccessfully('fetch', 'last', '--table', '-')).stdout;
    expect(table).to.match(/^4,map,done,1,[\d.]+,lise,lise\r?$/m);
    expect((await proof()).evidence.rounds).to.have.length(2);
  });

  it('by combinations of its grid, and numbers of its range, keeps the numbers of its tasks', async () => {
    const grid = (...axes: readonly string[]) => [...axes.flatMap((axis) => ['--grid', axis]), '--quiet'];
    expectExit(await run(grid('a=1,2', 'b=x'), [...COMMAND, '{a}{b}']));
    expectExit(await run(grid('a=0,1,2', 'b=x,y'), [...COMMAND, '{a}{b}']));
    expect(await results()).to.deep.equal(['1x', '2x', '0x', '0y', '1y', '2y']);
    expect((await proof()).checked.parts).to.equal(6);
    const range = (to: number) => ['--split', `range:1-${to}`, '--quiet', '--run-key', 'range'];
    const command = [...COMMAND, '{index}'];
    expectExit(await here.run(['run', ...range(2), '--extend', ...command]));
    expectExit(await here.run(['run', ...range(5), '--extend', ...command]));
    expect(await results()).to.deep.equal(['1', '2', '3', '4', '5']);
    expect((await proof()).checked.parts).to.equal(5);
  });

  const files: readonly (readonly [split: string, extra: readonly string[]])[] = [
    ['lines:2', []],
    ['csv:every=1', []],
    ['file', []],
    ['file:2', []],
  ];
  for (const [split] of files) {
    it(`by further inputs of the split ${split} reads only these`, async () => {
      mkdirSync(here.path('in'));
      const texts = { 'in/b.txt': 'h\nb1\nb2\nb3\n', 'in/d.txt': 'h\nd1\n', 'in/z.gz': gzipSync('h\nz1\nz2\n') };
      for (const [name, text] of Object.entries(texts)) writeFileSync(here.path(name), text);
      const step = split === 'file:2' ? { input: 'dir', run: 'cat "$BATCHCTL_INPUT_DIR"/*' } : { run: ['cat'] };
      const [by = '', every] = split.split(/:(?:every=)?/);
      const how = by === 'file' ? (every === undefined ? {} : { pack: Number(every) }) : { every: Number(every) };
      const job = { name: 'files', input: { from: 'in', split: { by, ...how } }, steps: [{ name: 'map', ...step }] };
      here.write('job.json', job);
      expectExit(await run(['job.json'], [], '-o', 'first.txt', '--join', 'bytes'));
      const before = await attempts();
      here.write('in/a.txt', 'h\na1\n');
      writeFileSync(here.path('in/c.gz'), gzipSync('h\nc1\nc2\nc3\n'));
      here.write('in/e.txt', '');
      expectExit(await run(['job.json'], [], '-o', 'all.txt', '--join', 'bytes'));
      expect(await attempts()).to.be.greaterThan(before);
      const [first, all] = ['first.txt', 'all.txt'].map((name) => readFileSync(here.path(name)));
      expect(all?.subarray(0, first?.length).equals(first ?? Buffer.alloc(0)), 'what was there is first').to.equal(
        true,
      );
      const rest = all?.subarray(first?.length) ?? Buffer.alloc(0);
      expect(rest.includes('a1')).to.equal(true);
      if (by !== 'file') expect(String(rest)).to.include('c3');
      const { checked, problems } = await proof();
      expect([checked.inputs, problems]).to.deep.equal([6, []]);
    });
  }

  it('continues where the first submission under its key was not sent, failed, or is paused', async () => {
    here.write('n.txt', 'ok\nbad\n');
    const job = {
      name: 'odd',
      input: { from: 'n.txt', split: { by: 'list' } },
      steps: [{ name: 'map', attempts: 1, run: ['sh', '-c', 'test "$1" != bad && echo "$1"', 'sh', '{item}'] }],
    };
    here.write('job.json', job);
    expectExit(await run(['job.json'], []), 5);
    here.write('n.txt', 'ok\nbad\nfine\n');
    expectExit(await run(['job.json'], []), 5);
    expect(jsonOf(await here.run(['status', 'last', '--json'])).steps[0]).to.include({ done: 2, failed: 1, total: 3 });
    here.write('job.json', { ...job, steps: [{ ...job.steps[0], run: ['echo', '{item}'] }] });
    expectExit(await here.run(['retry', 'last', '--with', 'job.json']));
    expectExit(await here.run(['run', 'last', '--quiet']));
    here.write('n.txt', 'ok\nbad\nfine\nbad\n');
    expectExit(await run(['job.json'], [], '--quiet'), 0);
    expect(await results(), 'with the corrected program').to.deep.equal(['ok', 'bad', 'fine', 'bad']);
    await proof();
  });

  it('by submit says how many, waits while it is paused, and delivers what it has', async () => {
    here.write('n.txt', '1\n');
    const split = { by: 'list' };
    here.write('job.json', {
      name: 'delivered',
      input: { from: 'n.txt', split },
      steps: [{ name: 'map', run: ['echo', '{item}'] }],
      deliver: { to: 'there/{job}', name: '{item}.txt' },
    });
    const submit = () => here.run(['submit', 'job.json', '--run-key', 'd', '--extend', '--json']);
    expect(jsonOf(await submit())).to.include({ created: true, added: 0 });
    await here.work();
    here.write('n.txt', '1\n2\n3\n');
    const { job, ...answer } = jsonOf(await submit());
    expect(answer).to.include({ created: false, added: 2 });
    expectExit(await here.run(['pause', job]));
    here.write('n.txt', '1\n2\n3\n4\n');
    expect(jsonOf(await submit()).added).to.equal(1);
    await here.work();
    expect(jsonOf(await here.run(['status', job, '--json'])).state).to.equal('paused');
    expectExit(await here.run(['resume', job]));
    await here.work();
    expectExit(await here.run(['watch', job, '--quiet']));
    const names = readdirSync(here.path(`there/${job}`)).filter((name) => name.endsWith('.txt'));
    expect(names.sort()).to.deep.equal(['1.txt', '2.txt', '3.txt', '4.txt']);
  });

  const refused: readonly (readonly [what: string, change: () => void, message: string])[] = [
    ['lacks a row', () => here.write('t.csv', 'a\n1\n'), "has task 1 (a=2), which the input here doesn't have"],
    ['changes a row', () => here.write('t.csv', 'a\n1\n3\n'), 'has task 1 (a=2)'],
    [
      'has other columns',
      () => here.write('t.csv', 'a,b\n1,1\n2,2\n'),
      'has tasks with the parameters a, but here they are a, b',
    ],
  ];
  for (const [what, change, message] of refused) {
    it(`refuses a table that ${what}, and writes nothing`, async () => {
      here.write('t.csv', 'a\n1\n2\n');
      const table = ['--input', 't.csv', '--split', 'table', '--quiet'];
      expectExit(await run(table, [...COMMAND, '{a}']));
      const journal = (await here.runSuccessfully('history', 'last')).stdout;
      change();
      for (const flags of [[], ['--dry-run']]) {
        const { stderr } = expectExit(
          await here.run([...flags, 'run', ...table, '--run-key', 'sweep', '--extend', ...COMMAND, '{a}']),
          7,
        );
        expect(stderr).to.include(message);
      }
      expect((await here.runSuccessfully('history', 'last')).stdout).to.equal(journal);
      const { job } = jsonOf(await here.run(['status', 'last', '--json']));
      expect(existsSync(here.path(`.batchctl/store/jobs/${job}/extents`))).to.equal(false);
    });
  }

  it('refuses what can not be added, each with what helps', async () => {
    here.write('a.txt', '1\n');
    const job = (name: string, more: object = {}, step: object = {}) => ({
      name,
      input: { from: ['a.txt'], split: { by: 'lines', every: 1 } },
      steps: [{ name: 'map', run: ['cat'], ...step }],
      ...more,
    });
    const total = { name: 'total', gather: true, run: ['cat'] };
    here.write('job.json', job('plain'));
    here.write('gathers.json', { ...job('gathers'), steps: [{ name: 'map', run: ['cat'] }, total] });
    const submit = (file: string, ...options: readonly string[]) =>
      here.run(['submit', file, '--run-key', `key-${file}`, '--extend', ...options]);
    for (const file of ['job.json', 'gathers.json']) expectExit(await submit(file));
    const says = async (file: string, text: string, ...options: readonly string[]) =>
      expect(expectExit(await submit(file, ...options), 7).stderr).to.include(text);
    await says('gathers.json', 'step total takes what all tasks before it made, once');
    await says('job.json', 'period was none, is 2026-11', '--period', '2026-11');
    here.write('a.txt', '1\n2\n');
    await says('job.json', 'the input a.txt of job plain-');
    await says('job.json', 'has changed');
    here.write('b.txt', '2\n');
    await says('job.json', 'the input a.txt of job', '--input', 'b.txt');
    here.write('job.json', job('plain', {}, { run: ['tac'] }));
    await says('job.json', 'steps.map.run has changed');
    here.write('job.json', { ...job('plain'), input: { from: ['a.txt'], split: { by: 'lines', every: 2 } } });
    await says('job.json', 'input.split has changed');
    for (const [option, message] of [
      ['--again', '--again and --extend are mutually exclusive'],
      ['--existing', '--existing and --extend are mutually exclusive'],
    ] as const)
      expect(expectExit(await submit('job.json', option), 2).stderr).to.include(message);
    expect(expectExit(await here.run(['submit', 'job.json', '--extend']), 2).stderr).to.include(
      '--extend requires --run-key',
    );
    const cancelled = jsonOf(await here.run(['status', 'last', '--json'])).job;
    expectExit(await here.run(['cancel', cancelled, '--yes']));
    await says('gathers.json', 'was cancelled');
  });
});
