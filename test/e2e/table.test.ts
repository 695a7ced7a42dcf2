// Protects: a row of a table is a task with its own parameters in every step of its chain; bad rows leave nothing behind.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { expectExit } from '../support/expect-exit.ts';
import { forEachTest } from '../support/fixture.ts';
import { Workspace } from '../support/workspace.ts';

const TABLE = { from: 'params.csv', split: { by: 'table' } };
const SHOW = ['printf', '%s|', '{lr}', '{seed}', '{index}'];

describe('a job split by table', () => {
  const here = forEachTest(() => Workspace.withLongLeases());

  const job = (input: object, ...steps: readonly object[]): void =>
    void here.write('job.json', { name: 'sweep', input, steps: steps.map((step, n) => ({ name: `s${n}`, ...step })) });
  const outputOf = async (input: object, ...steps: readonly object[]): Promise<string> => {
    job(input, ...steps);
    return expectExit(await here.run(['run', 'job.json', '-o', '-', '--join', 'bytes', '--quiet'])).stdout;
  };
  /** What the store has of jobs. */
  const storeOf = (): readonly string[] => {
    const root = here.path('.batchctl/store');
    if (!existsSync(root)) return [];
    return readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => /jobs.*\d|code|open/.test(name));
  };

  it('gives each task its row, in arguments, variables and on stdin, in every step until a gather', async () => {
    here.write('params.csv', 'lr,seed\n0.10,1\n"1,5",2\n');
    const later = { run: ['sh', '-c', 'cat; echo "$BATCHCTL_PARAM_LR $1"', 'sh', '{seed}'] };
    expect(await outputOf(TABLE, { run: SHOW }, later)).to.equal('0.10|1|0|0.10 1\n1,5|2|1|1,5 2\n');
    expect(await outputOf(TABLE, { run: ['cat'] })).to.equal('{"lr":"0.10","seed":"1"}\n{"lr":"1,5","seed":"2"}\n');
    const gather = { gather: true, run: ['sh', '-c', 'cat; echo "$BATCHCTL_PARAM_LR $1"', 'sh', '{seed}'] };
    expect(await outputOf(TABLE, { run: SHOW }, gather)).to.equal('0.10|1|0|1,5|2|1| {seed}\n');
  });

  it('gives later steps also the line of a list, and the axes of a grid', async () => {
    here.write('list.txt', 'one\ntwo\n');
    const show = { run: ['sh', '-c', 'cat; echo "$1"', 'sh', '{item}'] };
    expect(await outputOf({ from: 'list.txt', split: { by: 'list' } }, { run: ['true'] }, show)).to.equal('one\ntwo\n');
    const grid = { split: { by: 'grid', axes: { lr: ['0.10', '1'], seed: [3] } } };
    expect(await outputOf(grid, { run: ['true'] }, { run: SHOW })).to.equal('0.10|3|0|1|3|1|');
  });

  it('reads compressed tables, JSON Lines and pipes, and runs without a job file', async () => {
    const rows = '{"lr": 0.10, "seed": 1}\n{"lr": 2, "seed": "b c"}\n';
    writeFileSync(here.path('params.jsonl.gz'), gzipSync(rows));
    const options = ['--split', 'table', '-o', '-', '--quiet', '--', 'echo', '{lr}', '{seed}'];
    const file = await here.run(['run', '--input', 'params.jsonl.gz', ...options]);
    expect(expectExit(file).stdout).to.equal('0.10 1\n2 b c\n');
    const pipe = await here.start(['run', '--input', '-', ...options], {}, rows).ended;
    expect(expectExit(pipe).stdout).to.equal('0.10 1\n2 b c\n');
  });

  it('says where each row is, and proves that each was run', async () => {
    here.write('params.csv', 'lr,seed\n\n0.10,1\n0.2,2\n');
    await outputOf(TABLE, { run: SHOW });
    const { stdout } = expectExit(await here.run(['tasks', 'last', '--json']));
    const found = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).place);
    expect(found).to.deep.equal([
      { unit: 'lines', from: 3, to: 3 },
      { unit: 'lines', from: 4, to: 4 },
    ]);
    expectExit(await here.run(['verify', 'last', '-o', 'proof.jsonl']));
    expectExit(await here.run(['verify', '--check', 'proof.jsonl']));
    const text = readFileSync(here.path('proof.jsonl'), 'utf8');
    here.write('altered.jsonl', text.replace('"seed":"2"', '"seed":"3"'));
    expectExit(await here.run(['verify', '--check', 'altered.jsonl']), 9);
  });

  for (const [what, table, said] of [
    ['a ragged row', 'lr,seed\n1,2\n3\n', 'params.csv, line 3 has 1 value, but the header names 2 columns (lr, seed)'],
    ['a reserved column', 'index,lr\n1,2\n', 'the column index is reserved'],
    ['a column that is the path of the output', 'output,lr\n1,2\n', 'the column output is reserved'],
    ['a column that is a parameter of the job', 'Region,lr\n1,2\n', 'also a parameter of the job, region'],
    ['a value that a shell would read as code', 'cmd,lr\n1,2\n', 'found {cmd} in the text of a shell'],
  ] as const)
    it(`is refused for ${what}, and nothing is written`, async () => {
      here.write('params.csv', table);
      const steps = [{ name: 'a', run: ['sh', '-c', 'echo {cmd}'] }];
      here.write('job.json', { name: 'sweep', params: { region: 'EU' }, input: TABLE, steps });
      for (const command of [
        ['run', 'job.json'],
        ['submit', 'job.json'],
        ['plan', 'job.json'],
      ]) {
        expect(expectExit(await here.run(command), 3).stderr).to.include(said);
        expect(storeOf()).to.deep.equal([]);
      }
      const pipe = await here.start(['run', 'job.json', '--input', '-'], {}, table).ended;
      expect(expectExit(pipe, 3).stderr).to.include(said.replace('params.csv', '-'));
      expect(storeOf().filter((name) => /parts\/\d/.test(name))).to.deep.equal([]);
    });

  it('is refused for tables of different columns, by the names of both', async () => {
    here.write('a.csv', 'lr,seed\n1,2\n');
    here.write('b.csv', 'seed\n1\n');
    job({ from: ['a.csv', 'b.csv'], split: { by: 'table' } }, { run: SHOW });
    const { stderr } = expectExit(await here.run(['run', 'job.json']), 3);
    expect(stderr).to.include('b.csv: lacks the column lr, unlike a.csv (lr, seed)');
  });

  it('warns of a placeholder that is no column', async () => {
    here.write('params.csv', 'lr,seed\n1,2\n');
    job(TABLE, { run: ['echo', '{sede}'] });
    expect(expectExit(await here.run(['plan', 'job.json'])).stderr).to.include('{sede} is not a placeholder');
    job(TABLE, { run: ['echo', '{seed}'] }, { run: ['echo', '{lr}'] });
    expect(expectExit(await here.run(['plan', 'job.json'])).stderr).not.to.include('placeholder');
  });

  it('has a row of its own in each task of a rehearsal, and of a retry', async () => {
    here.write('params.csv', `lr,seed\n${Array.from({ length: 20 }, (_, n) => `${n},s${n}\n`).join('')}`);
    job(
      TABLE,
      { run: ['sh', '-c', 'test -n "$1" && test "s$1" = "$2"', 'sh', '{lr}', '{seed}'] },
      { run: ['test', 's{lr}', '=', '{seed}'] },
    );
    expectExit(await here.run(['rehearse', 'job.json', '--sample', '4']));
    job(TABLE, { run: ['true'] }, { run: ['sh', '-c', 'test $1 != s3', 'sh', '{seed}'], attempts: 1 });
    expectExit(await here.run(['run', 'job.json', '--quiet']), 5);
    job(TABLE, { run: ['true'] }, { run: ['test', '{seed}', '=', 's3'], attempts: 1 });
    expectExit(await here.run(['retry', 'last', '--with', 'job.json']));
    expectExit(
      await here.run([
        'run',
        expectExit(await here.run(['jobs', '--json'])).stdout.match(/sweep-\d+-\d+-\w+/)?.[0] ?? '',
      ]),
    );
  });
});
