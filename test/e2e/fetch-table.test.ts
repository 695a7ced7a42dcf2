// Protects: fetch --table is what every task was given and what came of it, at any time, and replaces no other file.
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { outKey } from '../../src/model/keys.ts';
import { expectExit, jsonOf } from '../support/expect-exit.ts';
import { forSuite } from '../support/fixture.ts';
import { Workspace } from '../support/workspace.ts';

const TRAIN = `
  [ "$1" != 2 ] || exit 3
  echo "rows $(($1 * 10))" >> "$BATCHCTL_COUNTERS"
  printf '{"loss": %s0, "seed": "%s", "note": "=1+1", "parts": [1, 2]}' "$2" "$1"`;
const JOB = {
  name: 'sweep',
  input: { split: { by: 'grid', axes: { lr: ['0.1', '1e-5'], seed: ['1', '2', '3'] } } },
  steps: [
    { name: 'train', run: ['sh', '-c', TRAIN, 'sh', '{seed}', '{lr}'], attempts: 1 },
    { name: 'score', run: ['cat'] },
    { name: 'total', gather: true, run: ['wc', '-c'] },
  ],
};

describe('fetch --table', () => {
  const workspace = forSuite(() => Workspace.withLongLeases());
  const read = (name: string): string => readFileSync(workspace.path(name), 'utf8');
  /** Rows without their times. */
  const rowsOf = (name: string, delimiter = ','): readonly (readonly string[])[] =>
    read(name)
      .trimEnd()
      .split('\r\n')
      .map((line) => line.split(delimiter).filter((_, at) => at !== 4));
  const fetchTable = (...argv: readonly string[]) => workspace.run(['fetch', 'last', ...argv]);

  before(() => workspace.write('job.json', JOB));

  it('shows tasks before they run, and says that it is not final', async () => {
    await workspace.submit();
    const { stdout, stderr } = expectExit(await fetchTable('--table', 'early.csv'), 0);
    expect(stdout).to.equal('wrote early.csv: 6 tasks of score, 7 columns\n');
    expect(stderr).to.include('0 of 6 outputs of score; 6 not finished, as the job');
    const [header, first] = rowsOf('early.csv');
    expect(header).to.deep.equal(['task', 'step', 'state', 'attempts', 'lr', 'seed']);
    expect(first).to.deep.equal(['0', 'train', 'waiting', '0', '0.1', '1']);
  });

  it('has a row a task of the last step of the split, with where its chain ended', async () => {
    await workspace.work();
    const { stderr } = expectExit(await fetchTable('--table', 'early.csv'), 0);
    expect(stderr).to.include('4 of 6 outputs of score; 2 failed for good');
    const [header, ...rows] = rowsOf('early.csv');
    expect(header).to.deep.equal([
      'task',
      'step',
      'state',
      'attempts',
      'lr',
      'param:seed',
      'loss',
      'output:seed',
      'note',
      'parts',
    ]);
    const parts = ['"[1', '2]"'];
    const done = (task: number, lr: string, seed: string) => [
      `${task}`,
      'score',
      'done',
      '1',
      lr,
      seed,
      `${lr}0`,
      seed,
      "'=1+1",
      ...parts,
    ];
    const failed = (task: number, lr: string) => [`${task}`, 'train', 'failed', '1', lr, '2', '', '', '', ''];
    expect(rows.map((row) => row.slice(0, 11))).to.deep.equal([
      done(0, '0.1', '1'),
      failed(1, '0.1'),
      done(2, '0.1', '3'),
      done(3, '1e-5', '1'),
      failed(4, '1e-5'),
      done(5, '1e-5', '3'),
    ]);
  });

  it('has the counters of --step, and its columns in each format', async () => {
    expectExit(await fetchTable('--step', 'train', '--table', 'train.tsv'), 0);
    const [header, first] = rowsOf('train.tsv', '\t');
    expect(header).to.deep.equal([
      'task',
      'step',
      'state',
      'attempts',
      'lr',
      'param:seed',
      'rows',
      'loss',
      'output:seed',
      'note',
      'parts',
    ]);
    expect(first?.slice(4, 8)).to.deep.equal(['0.1', '1', '10', '0.10']);
    expectExit(await fetchTable('--step', 'train', '--table', 'train.jsonl'), 0);
    const [line = '', second = ''] = read('train.jsonl').split('\n');
    expect(line).to.match(
      /^\{"task":0,"step":"train","state":"done","attempts":1,"seconds":\d+(\.\d{1,3})?,"lr":"0\.1",/,
    );
    expect(line.slice(line.indexOf('"param:seed"'))).to.equal(
      '"param:seed":"1","rows":10,"loss":0.10,"output:seed":"1","note":"=1+1","parts":[1,2]}',
    );
    expect(JSON.parse(second)).to.deep.include({ state: 'failed', 'param:seed': '2', loss: null, rows: null });
    const { stdout } = expectExit(await fetchTable('--step', 'total', '--table', '-'), 0);
    expect(stdout).to.match(/^task,step,state,attempts,seconds\r\n0,total,waiting,0,\r\n$/);
  });

  it('has the state of skipped tasks, and answers in JSON', async () => {
    expectExit(
      await workspace.run(['skip', 'last', '--task', 'train[lr=0.1,seed=2]', '--reason', 'diverges', '--yes']),
    );
    const answer = jsonOf(await fetchTable('--table', 'skipped.csv', '--json'));
    expect(answer).to.deep.include({
      step: 'score',
      outputs: 4,
      missing: 2,
      failed: 1,
      skipped: 1,
      output: 'skipped.csv',
    });
    expect(rowsOf('skipped.csv')[2]?.slice(0, 3)).to.deep.equal(['1', 'train', 'skipped']);
  });

  it('has the input of a task that has no parameters, and single values', async () => {
    mkdirSync(workspace.path('in'));
    for (const name of ['a', 'b']) workspace.write(`in/${name}.txt`, name.repeat(3));
    expectExit(await workspace.run(['run', '-q', '--input', 'in', '--split', 'file', '--', 'wc', '-c']));
    expectExit(await fetchTable('--table', 'files.csv'));
    const [header, ...rows] = rowsOf('files.csv');
    expect(header).to.deep.equal(['task', 'step', 'state', 'attempts', 'input', 'output']);
    expect(rows).to.deep.equal([
      ['0', 'map', 'done', '1', 'in/a.txt', '3'],
      ['1', 'map', 'done', '1', 'in/b.txt', '3'],
    ]);
  });

  it('says that outputs gave no columns', async () => {
    expectExit(await workspace.run(['run', '-q', '--split', 'range:1-2', '--', 'seq', '3']));
    const { stderr } = expectExit(await fetchTable('--table', 'none.csv'));
    expect(stderr).to.include('no output of map gave columns: one record is expected, JSON or CSV of at most 64 KiB');
    expect(rowsOf('none.csv')[0]).to.deep.equal(['task', 'step', 'state', 'attempts', 'index']);
  });

  it('replaces an earlier table, but no other file without --yes', async () => {
    workspace.write('params.csv', 'lr,seed\n0.1,1\n');
    const refused = expectExit(await fetchTable('--table', 'params.csv'), 7);
    expect(refused.stderr).to.include('--table params.csv: the file exists, and is not a table of tasks');
    expect(read('params.csv')).to.equal('lr,seed\n0.1,1\n');
    expectExit(await fetchTable('--table', 'params.csv', '--yes'));
    expectExit(await fetchTable('--table', 'params.csv'));
    expect(read('params.csv')).to.match(/^task,/);
  });

  it('refuses other formats, other targets, and places that do not exist', async () => {
    const other = expectExit(await fetchTable('--table', 'results.xlsx'), 2);
    expect(other.stderr).to.include('--table results.xlsx: expected a file named .csv, .tsv or .jsonl, or - for CSV');
    for (const flags of [
      ['-o', 'out/'],
      ['--name', '{lr}'],
      ['--join', 'lines'],
      ['--header', 'once'],
    ]) {
      expectExit(await fetchTable('--table', 'x.csv', ...flags), 2);
    }
    expectExit(await fetchTable('--table', '-', '--json'), 2);
    expectExit(await fetchTable('--table', 'nowhere/x.csv'), 2);
    expectExit(await fetchTable('--table', 'x.csv', '--step', 'none'), 4);
    expect(readdirSync(workspace.path('.')).filter((name) => /^x\.csv|\.tmp$/.test(name))).to.deep.equal([]);
  });

  it('writes nothing if an output was altered after it was published', async () => {
    expectExit(await workspace.run(['run', '-q', '--split', 'range:1-2', '--', 'echo', '{index}']));
    const { job } = jsonOf(await workspace.run(['status', 'last', '--json']));
    const { store } = await workspace.platform();
    const info = await store.head(outKey(job, 'map', 1));
    await store.put(outKey(job, 'map', 1), '9\n', { metadata: info?.metadata ?? {} });
    const altered = expectExit(await fetchTable('--table', 'altered.csv'), 9);
    expect(altered.stderr).to.include('the output of map/1 was altered');
    expect(existsSync(workspace.path('altered.csv'))).to.equal(false);
  });
});
