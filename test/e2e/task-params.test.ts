// Protects: the parameters of a task are in each list that names it, and choose tasks.
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { expect } from 'chai';
import { expectExit, jsonLinesOf, jsonOf } from '../support/expect-exit.ts';
import { forSuite } from '../support/fixture.ts';
import { Workspace } from '../support/workspace.ts';

const SWEEP = `name: sweep
input: { split: { by: grid, axes: { lr: ["0.1", "0.01"], seed: [1, 2, 3] } } }
steps:
  - name: train
    run: [sh, -c, 'if [ "$1" = 2 ]; then echo diverged >&2; exit 3; fi; echo ok', sh, "{seed}"]
    attempts: 1
  - { name: score, run: [cat] }
`;

describe('the parameters of tasks', () => {
  const workspace = forSuite(() => Workspace.withLongLeases());

  before(async () => {
    workspace.write('sweep.yaml', SWEEP);
    expectExit(await workspace.run(['run', 'sweep.yaml']), 5);
  });

  it('are in each JSON answer about tasks, also of later steps of their chains', async () => {
    const rows = jsonLinesOf(await workspace.run(['tasks', 'last', '--json']));
    expect(rows.map(({ step, task, params }) => [step, task, params])).to.deep.equal([
      ['train', 0, { lr: '0.1', seed: '1' }],
      ['train', 1, { lr: '0.1', seed: '2' }],
      ['train', 2, { lr: '0.1', seed: '3' }],
      ['train', 3, { lr: '0.01', seed: '1' }],
      ['train', 4, { lr: '0.01', seed: '2' }],
      ['train', 5, { lr: '0.01', seed: '3' }],
      ['score', 0, { lr: '0.1', seed: '1' }],
      ['score', 2, { lr: '0.1', seed: '3' }],
      ['score', 3, { lr: '0.01', seed: '1' }],
      ['score', 5, { lr: '0.01', seed: '3' }],
    ]);
    const [attempt] = jsonLinesOf(await workspace.run(['tasks', 'last', '--task', 'train/4', '--json']));
    const [log] = jsonLinesOf(await workspace.run(['logs', 'last', 'train/4', '--json']));
    const [cause] = jsonLinesOf(await workspace.run(['failures', 'last', '--json']));
    const report = jsonOf(await workspace.run(['report', 'last', '--json']));
    expect([attempt.params, log.params]).to.deep.equal([
      { lr: '0.01', seed: '2' },
      { lr: '0.01', seed: '2' },
    ]);
    expect([cause.example.params, report.causes[0].example.params.seed]).to.deep.equal([{ lr: '0.1', seed: '2' }, '2']);
    const slowest = report.slowest.find(({ task }: { readonly task: string }) => task === 'score/5');
    expect(slowest.params).to.deep.equal({ lr: '0.01', seed: '3' });
  });

  it('are columns of the table of tasks, and words about one task', async () => {
    const { stdout } = await workspace.run(['tasks', 'last', '--step', 'train']);
    expect(stdout.split('\n')[0]).to.match(/^TASK +LR +SEED +STATE /);
    expect(stdout.split('\n')[4]).to.match(/^train\/3 +0\.01 +1 +done /);
    const attempt = await workspace.run(['tasks', 'last', '--task', 'train/4']);
    expect(attempt.stderr).to.include('parameters: lr=0.01, seed=2');
    const log = await workspace.run(['logs', 'last', 'train/4']);
    expect(log.stderr).to.match(/^==> train\/4 \S+, lr=0\.01, seed=2 <==$/m);
    const [{ cause }] = jsonLinesOf(await workspace.run(['failures', 'last', '--json']));
    const { stdout: detail } = await workspace.run(['failures', 'last', '--cause', cause]);
    expect(detail).to.match(/^example +train\/1 with lr=0\.1, seed=2, attempt /m);
    const why = await workspace.run(['why', 'last']);
    expect(why.stdout).to.include('train/1 (lr=0.1, seed=2)');
  });

  it('are columns of the CSV of attempts', async () => {
    const { stdout } = await workspace.run(['report', 'last', '--format', 'csv']);
    const [header = '', ...lines] = stdout.split('\r\n');
    expect(header).to.match(/,log,param:lr,param:seed$/);
    expect(lines.find((line) => line.includes(',score,5,'))).to.match(/,0\.01,3$/);
  });

  it('choose tasks by name and value, all of them together', async () => {
    const chosen = async (...flags: readonly string[]) =>
      jsonLinesOf(await workspace.run(['tasks', 'last', '--json', ...flags])).map(
        ({ step, task }) => `${step}/${task}`,
      );
    expect(await chosen('--param', 'seed=2')).to.deep.equal(['train/1', 'train/4']);
    expect(await chosen('--param', 'seed=3', '--param', 'lr=0.01')).to.deep.equal(['train/5', 'score/5']);
    expect(await chosen('--param', 'seed=3', '--limit', '1')).to.deep.equal(['train/2']);
    expect(await chosen('--param', 'seed=4')).to.deep.equal([]);
    const unknown = expectExit(await workspace.run(['tasks', 'last', '--param', 'sed=4']), 2);
    expect(unknown.stderr).to.include('have no parameter sed: they have lr, seed');
    expectExit(await workspace.run(['tasks', 'last', '--param', 'seed']), 2);
  });

  it('name one task wherever a task is named, if no other has them', async () => {
    const [row] = jsonLinesOf(await workspace.run(['tasks', 'last', '--task', 'train[lr=0.01,seed=2]', '--json']));
    expect([row.task, row.state]).to.deep.equal([4, 'failed']);
    for (const argv of [
      ['logs', 'last', 'train[seed=2,lr=0.01]'],
      ['logs', 'train[seed=2,lr=0.01]'],
    ]) {
      expect((await workspace.run(argv)).stderr).to.include('==> train/4 ');
    }
    const later = jsonLinesOf(await workspace.run(['tasks', 'last', '--task', 'score[lr=0.1,seed=3]', '--json']));
    expect(later[0]).to.deep.include({ step: 'score', task: 2 });
    const reproduced = jsonOf(await workspace.run(['reproduce', 'train[lr=0.1,seed=2]', '-o', 'again', '--json']));
    expect(reproduced.task).to.equal('train/1');
    for (const verb of [['retry'], ['skip', '--reason', 'none']]) {
      const flags = ['--task', 'train[lr=0.1,seed=2]', '--task', 'train/4', '--dry-run', '--json'];
      const dry = jsonOf(await workspace.run([...verb, 'last', ...flags]));
      expect(dry.tasks).to.deep.equal({ train: '1,4' });
    }
  });

  it('that several tasks have, or none, name no task', async () => {
    const several = expectExit(await workspace.run(['logs', 'last', 'train[seed=2]']), 2);
    expect(several.stderr).to.include(
      'expected one task, found several with seed=2: train/1 (lr=0.1, seed=2), train/4 (lr=0.01, seed=2)\n',
    );
    expect(several.stderr).to.include('name more of its parameters');
    const none = expectExit(await workspace.run(['tasks', 'last', '--task', 'train[seed=9]']), 4);
    expect(none.stderr).to.include('step train of job').and.include('has no task with seed=9');
    const unknown = expectExit(await workspace.run(['kill', 'last', 'train[sed=2]']), 2);
    expect(unknown.stderr).to.include('its tasks have lr, seed');
    expectExit(await workspace.run(['logs', 'last', 'test[seed=2]']), 4);
  });

  it('of a list is its item, and of a range its index; other splits give none', async () => {
    workspace.write('names.txt', 'ada\ngrace\na,item=b\nada\n');
    const params = async (split: string, ...input: readonly string[]) => {
      expectExit(await workspace.run(['run', ...input, '--split', split, '--', 'cat']));
      return jsonLinesOf(await workspace.run(['tasks', 'last', '--json'])).map((row) => row.params);
    };
    expect(await params('list', '--input', 'names.txt')).to.deep.equal([
      { item: 'ada' },
      { item: 'grace' },
      { item: 'a,item=b' },
      { item: 'ada' },
    ]);
    const [named] = jsonLinesOf(await workspace.run(['tasks', 'last', '--task', 'map[item=a,item=b]', '--json']));
    expect(named.task).to.equal(2);
    const twice = expectExit(await workspace.run(['tasks', 'last', '--task', 'map[item=ada]']), 2);
    expect(twice.stderr).to.include('map/0 (item=ada), map/3 (item=ada)');
    expect(await params('range:4-5')).to.deep.equal([{ index: '4' }, { index: '5' }]);
    expect(await params('lines:1', '--input', 'names.txt')).to.deep.equal([null, null, null, null]);
    const none = expectExit(await workspace.run(['tasks', 'last', '--param', 'seed=2']), 2);
    expect(none.stderr).to.include('have no parameter seed: its split gives them none');
  });

  it('name results, also in directories, and equal names are refused before the job is submitted', async () => {
    workspace.write('named.yaml', SWEEP.replace('exit 3', 'true'));
    const run = (job: string, name: string) => workspace.run(['run', job, '-q', '-o', 'named/', '--name', name]);
    expectExit(await run('named.yaml', '{lr}/seed-{seed}.txt'));
    const named = readdirSync(workspace.path('named'), { recursive: true, encoding: 'utf8' }).sort();
    const files = ['0.01', '0.1'].flatMap((lr) => [lr, ...[1, 2, 3].map((seed) => `${lr}/seed-${seed}.txt`)]);
    expect(named).to.deep.equal(files);
    expectExit(await workspace.run(['fetch', 'last', '-o', 'again/', '--name', '{seed}-{lr}-{step}']));
    expect(readdirSync(workspace.path('again'))).to.include('3-0.01-score');

    const before = jsonLinesOf(await workspace.run(['jobs', '--json'])).length;
    const equal = expectExit(await run('named.yaml', '{lr}.txt'), 2);
    expect(equal.stderr).to.include('tasks 0 and 1 would have the same file name 0.1.txt');
    expect(expectExit(await run('named.yaml', '{rate}.txt'), 2).stderr)
      .to.include('{rate} is unknown')
      .and.include('{lr}, {seed}');
    const delivers = (name: string): string => `${SWEEP}deliver: { to: results, name: "${name}" }\n`;
    workspace.write('delivered.yaml', delivers('{seed}'));
    expect(expectExit(await workspace.run(['submit', 'delivered.yaml']), 3).stderr).to.include('same file name 1');
    expect(jsonLinesOf(await workspace.run(['jobs', '--json']))).to.have.length(before);
    workspace.write('delivered.yaml', delivers('{lr}-{seed}').replace('exit 3', 'true'));
    expectExit(await workspace.run(['run', 'delivered.yaml', '-q']));
    expect(readdirSync(workspace.path('results'))).to.include('0.01-3');
  });

  it('name the results of a table, never outside of the directory', async () => {
    workspace.write('params.csv', 'city,year\nUlm,2025\nUlm,2026\n../x,2026\n');
    const table = ['run', '--input', 'params.csv', '--split', 'table', '-q', '-o', 'cities/'];
    const echo = ['--', 'echo', '{city}'];
    const before = jsonLinesOf(await workspace.run(['jobs', '--json'])).length;
    const outside = expectExit(await workspace.run([...table, '--name', '{city}/{year}.txt', ...echo]), 7);
    expect(outside.stderr).to.include('outside of the directory');
    expect(jsonLinesOf(await workspace.run(['jobs', '--json']))).to.have.length(before);
    expectExit(await workspace.run([...table, ...echo]));
    expect(existsSync(workspace.path('x'))).to.equal(false);
    const equal = expectExit(await workspace.run(['fetch', 'last', '-o', 'cities/', '--name', '{year}']), 2);
    expect(equal.stderr).to.include('tasks 1 and 2 would have the same file name 2026');
    const unknown = expectExit(await workspace.run(['fetch', 'last', '-o', 'cities/', '--name', '{town}']), 2);
    expect(unknown.stderr).to.include('task 0 has no parameter town');
    expectExit(await workspace.run(['fetch', 'last', '-o', 'cities/', '--name', '{year}-{index}']));
    const named = readdirSync(workspace.path('cities')).filter((name) => name.includes('-'));
    expect(named.sort()).to.deep.equal(['2025-0', '2026-1', '2026-2']);
  });

  describe('that give two results one name', () => {
    const twice = 'tasks 0 and 2 would have the same file name';
    const names = 'ada\ngrace\nada\n';
    const submissions: readonly (readonly [string, readonly string[], string, string?])[] = [
      ['a table', ['--split', 'table', '--input', 'pairs.csv', '--name', '{city}.txt'], `${twice} Ulm.txt`],
      ['a list', ['--split', 'list', '--input', 'names', '--name', '{item}'], `${twice} ada`],
      ['files', ['--split', 'file', '--input', 'in/**/*.csv', '--name', '{stem}.json'], `${twice} a.json`],
      ['a pipe', ['--split', 'list', '--input', '-', '--name', '{item}'], `${twice} ada`, names],
    ];

    before(() => {
      workspace.write('pairs.csv', 'city,year\nUlm,2024\nBonn,2025\nUlm,2026\n');
      workspace.write('names', names);
      for (const dir of ['x', 'y']) mkdirSync(workspace.path(`in/${dir}`), { recursive: true });
      for (const file of ['x/a.csv', 'x/b.csv', 'y/a.csv']) workspace.write(`in/${file}`, file);
    });

    for (const [what, given, error, stdin] of submissions) {
      it(`are refused before the job is submitted: ${what}`, async () => {
        const before = jsonLinesOf(await workspace.run(['jobs', '--json'])).length;
        const run = ['run', ...given, '-q', '-o', 'twice/', '--', 'echo', '{index}'];
        const ended = await (stdin === undefined ? workspace.run(run) : workspace.start(run, {}, stdin).ended);
        expect(expectExit(ended, 2).stderr).to.include(error);
        if (stdin === undefined) {
          const dry = expectExit(await workspace.run(['--dry-run', ...run]), 2);
          expect(dry.stderr).to.include(error);
        }
        expect(jsonLinesOf(await workspace.run(['jobs', '--json']))).to.have.length(before);
        expect(existsSync(workspace.path('twice'))).to.equal(false);
      });
    }

    it('are refused for a delivery, too, and allowed for the files of one task', async () => {
      const job = (step: string, rest: string): string =>
        `name: pairs\ninput: { from: [pairs.csv], split: { by: table } }\nsteps: [{ name: s, ${step} }]\n${rest}`;
      workspace.write('delivered-table.yaml', job('run: [echo]', 'deliver: { to: twice, name: "{city}" }\n'));
      const refused = expectExit(await workspace.run(['submit', 'delivered-table.yaml']), 3);
      expect(refused.stderr).to.include('deliver.name: ').and.include(`${twice} Ulm`);
      const files = 'output: files, run: [sh, -c, "echo > $BATCHCTL_OUTPUT_DIR/$BATCHCTL_PARAM_YEAR"]';
      workspace.write('many.yaml', job(files, ''));
      expectExit(await workspace.run(['run', 'many.yaml', '-q', '-o', 'many/', '--name', '{city}/{name}']));
      expect(readdirSync(workspace.path('many/Ulm')).sort()).to.deep.equal(['2024', '2026']);
    });
  });
});
