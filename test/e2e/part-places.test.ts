// Protects: a task says which records of which file it has, in its command's variables, `tasks`, `failures` and `logs`.
import { expect } from 'chai';
import { expectExit, jsonLinesOf } from '../support/expect-exit.ts';
import { forEachTest } from '../support/fixture.ts';
import { Workspace } from '../support/workspace.ts';

describe('where the part of a task lies', () => {
  const workspace = forEachTest(() => Workspace.withLongLeases());
  const run = (split: string, command: string) =>
    workspace.run([
      'run',
      '--input',
      'a.csv',
      '--input',
      'b.csv',
      '--split',
      split,
      '-o',
      'out.txt',
      '--',
      'sh',
      '-c',
      command,
    ]);

  beforeEach(() => {
    const rows = (from: number) => `id\n${[0, 1, 2, 3, 4].map((n) => from + n).join('\n')}\n`;
    workspace.write('a.csv', rows(10));
    workspace.write('b.csv', rows(20));
  });

  const WHERE = 'cat >/dev/null; echo "$BATCHCTL_INPUT_NAME $BATCHCTL_FIRST_RECORD $BATCHCTL_RECORDS"';

  it('is known to its command, for each input from 1', async () => {
    expectExit(await run('csv:2,header', WHERE));
    const expected = ['a', 'b'].flatMap((name) => ['1 2', '3 2', '5 1'].map((place) => `${name}.csv ${place}`));
    expect(workspace.lines('out.txt')).to.deep.equal(expected);
  });

  it('leaves the variables unset where records were not counted', async () => {
    expectExit(await run('csv:1MB,header', `${WHERE}; echo "\${BATCHCTL_FIRST_RECORD-unset}"`));
    expect(workspace.lines('out.txt').filter((line) => line !== 'unset')).to.deep.equal(['a.csv  ', 'b.csv  ']);
  });

  it('is said by tasks, failures and logs', async () => {
    expectExit(await run('csv:2,header', 'grep -q 22 && { echo bad >&2; exit 3; }; echo fine'), 5);
    const places = jsonLinesOf(await workspace.run(['tasks', 'last', '--json'])).map(({ place }) => place);
    const records = [
      [1, 2],
      [3, 4],
      [5, 5],
    ].map(([from, to]) => ({ unit: 'records', from, to }));
    expect(places).to.deep.equal([...records, ...records]);
    const { stdout } = await workspace.run(['tasks', 'last']);
    expect(stdout.split('\n')[5]).to.match(/^map\/4 +b\.csv +records 3-4 +failed/);
    const attempt = await workspace.run(['tasks', 'last', '--task', 'map/4']);
    expect(attempt.stderr).to.include('input: b.csv, records 3-4');
    const [{ cause, example }] = jsonLinesOf(await workspace.run(['failures', 'last', '--json']));
    expect(example).to.deep.include({ task: 4, input: 'b.csv', place: { unit: 'records', from: 3, to: 4 } });
    const { stdout: detail } = await workspace.run(['failures', 'last', '--cause', cause]);
    expect(detail).to.match(/^example +map\/4 of b\.csv, records 3-4, attempt /m);
    for (const flags of [['--failed'], ['map/4', '--follow']]) {
      const log = await workspace.run(['logs', 'last', ...flags]);
      expect(log.stderr).to.match(/^==> map\/4 \S+, b\.csv, records 3-4 <==$/m);
      const rows = jsonLinesOf(await workspace.run(['logs', 'last', ...flags, '--json']));
      expect(rows[0]).to.deep.include({ input: 'b.csv', place: { unit: 'records', from: 3, to: 4 }, text: 'bad\n' });
    }
  });
});
