// Protects: each row of a table is one task with the text of its cells as written, whatever that is, also of a table that grows.
import { expect } from 'chai';
import { Chance } from '../support/chance.ts';
import { expectExit } from '../support/expect-exit.ts';
import { printedSeed } from '../support/sampling.ts';
import { Workspace } from '../support/workspace.ts';

const CASES = 25;
const NAMES = ['lr', 'seed', 'Path', 'x_1', 'zz'];
const CELLS: readonly string[] = [
  ...['', 'a', '0.10', '1e-5', '-rf', '=1+1', ' kept ', '\ttab', '{lr}', '$HOME', '`id`', "it's", '\\n', '%s'],
  ...[
    'a,b',
    'a;b',
    'say "x"',
    '"',
    'two\nlines',
    'with\r\nreturn',
    'ünïcødé',
    '日本',
    '😀',
    '\u2028',
    'x'.repeat(3_000),
  ],
];

type Row = readonly string[];

describe('tables of every kind', () => {
  it('make a task of each row, with its cells as written, and of each row that is added', async () => {
    const seed = printedSeed(`${CASES} tables`);
    for (let n = 0; n < CASES; n += 1) {
      const workspace = Workspace.withLongLeases();
      try {
        await tryTable(workspace, new Chance(seed + n), `seed ${seed + n}`);
      } finally {
        await workspace.remove();
      }
    }
  });
});

async function tryTable(workspace: Workspace, chance: Chance, label: string): Promise<void> {
  const columns = NAMES.slice(0, chance.whole(1, NAMES.length));
  const anyRow = (): Row => columns.map(() => chance.pick(CELLS));
  const rows = Array.from({ length: chance.whole(1, 8) }, anyRow);
  const format = chance.pick(['csv', 'semicolon', 'tsv', 'jsonl'] as const);
  const name = format === 'jsonl' ? 'table.jsonl' : format === 'tsv' ? 'table.tsv' : 'table.csv';
  const split = { by: 'table', ...(format === 'semicolon' && { delimiter: ';' }) };
  const steps = [{ name: 'show', run: ['cat'] }];
  workspace.write('job.json', { name: 'sweep', input: { from: name, split }, steps });
  const run = async (all: readonly Row[], expected: readonly Row[]): Promise<void> => {
    workspace.write(name, tableOf(chance, format, columns, all));
    const words = ['run', 'job.json', '--run-key', 'sweep', '--extend', '-q', '-o', 'all.jsonl', '--join', 'lines'];
    const ran = await workspace.run(words);
    expect(ran.code, `${label}: ${ran.stderr}`).to.equal(0);
    const { stdout } = await workspace.runSuccessfully('fetch', 'last', '-o', '-', '--join', 'lines');
    const found = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, string>);
    expect(found, label).to.deep.equal(
      expected.map((row) => Object.fromEntries(row.map((cell, at) => [columns[at], cell]))),
    );
    expectExit(await workspace.run(['verify', 'last', '--deep']));
  };
  await run(rows, rows);
  const more = Array.from({ length: chance.whole(0, 4) }, () => (chance.is(0.3) ? chance.pick(rows) : anyRow()));
  const all = shuffled(chance, [...rows, ...more]);
  await run(all, [...rows, ...added(rows, all)]);
}

/** The rows beyond those that are there, in their order; equal ones are counted. */
function added(there: readonly Row[], all: readonly Row[]): readonly Row[] {
  const left = there.map((row) => JSON.stringify(row));
  return all.filter((row) => {
    const at = left.indexOf(JSON.stringify(row));
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

function tableOf(chance: Chance, format: string, columns: readonly string[], rows: readonly Row[]): string {
  if (format === 'jsonl')
    return rows
      .map((row) => `${JSON.stringify(Object.fromEntries(row.map((cell, at) => [columns[at], cell])))}\n`)
      .join('');
  const delimiter = format === 'tsv' ? '\t' : format === 'semicolon' ? ';' : ',';
  const end = chance.pick(['\n', '\r\n']);
  const cell = (text: string): string =>
    /["\r\n]/.test(text) || text.includes(delimiter) || text === '' || chance.is(0.2)
      ? `"${text.replaceAll('"', '""')}"`
      : text;
  const lines = [columns, ...rows].map((row, at) => (at === 0 ? row : row.map(cell)).join(delimiter));
  const blank = chance.is(0.2) ? end : '';
  return `${chance.is(0.2) ? '\ufeff' : ''}${lines.join(end)}${chance.is(0.8) ? end : ''}${blank}`;
}

function shuffled<T>(chance: Chance, all: readonly T[]): readonly T[] {
  const left = [...all];
  return all.map(() => left.splice(chance.whole(0, left.length - 1), 1)[0] as T);
}
