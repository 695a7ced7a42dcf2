// Protects: each row of a table is one task with exactly its own values, as written; a bad row is named by file and line.
import { expect } from 'chai';
import fc from 'fast-check';
import { type TableRow, type TableSplit, tableRows } from '../../../src/jobs/split/table-rows.ts';
import { partParams, placeOf, placeText } from '../../../src/model/part.ts';
import { forEachTest } from '../../support/fixture.ts';
import { expectError, SplitBench } from './split-bench.ts';

const TABLE: TableSplit = { by: 'table', quote: '"' };
const ORIGINS = ['file', 'pipe', 'gzip', 'zstd', 'store'] as const;

describe('the rows of a table', () => {
  const bench = forEachTest(() => new SplitBench());

  const rowsOf = async (text: string | Buffer, split = TABLE): Promise<readonly (readonly [number, object])[]> => {
    const { parts } = await bench.split([await bench.source('file', Buffer.from(text))], split);
    return parts.map((part) => [part.kind === 'row' ? part.at : -1, partParams(part) ?? {}]);
  };
  const refused = async (text: string | Buffer, line: number, ...texts: readonly string[]): Promise<void> => {
    for (const origin of ['file', 'pipe'] as const) {
      const source = await bench.source(origin, Buffer.from(text));
      await expectError(bench.split([source], TABLE), 'jobFile', `${source.name}, line ${line} `, ...texts);
    }
  };

  it('are read from every kind of input, with their lines', async () => {
    const bytes = Buffer.from('\ufefflr,seed\r\n0.10,1\r\n\r\n"two\r\nlines",2\r\n1e-4,');
    for (const origin of ORIGINS) {
      const { parts, facts } = await bench.split([await bench.source(origin, bytes)], TABLE);
      expect(parts).to.deep.equal([
        { n: 0, kind: 'row', input: 0, at: 2, params: { lr: '0.10', seed: '1' } },
        { n: 1, kind: 'row', input: 0, at: 4, params: { lr: 'two\r\nlines', seed: '2' } },
        { n: 2, kind: 'row', input: 0, at: 6, params: { lr: '1e-4', seed: '' } },
      ]);
      expect(facts.map(({ records, bytes: read }) => [records, read])).to.deep.equal([[3, bytes.length]]);
      expect(parts.map((part) => placeText(placeOf(part, TABLE) ?? expect.fail()))).to.include('line 4');
    }
  });

  it('are numbered through all inputs, each with its own header', async () => {
    const inputs = [
      await bench.source('file', Buffer.from('a,b\n1,2\n')),
      await bench.source('store', Buffer.from('b;a\n3;4'), 1),
    ];
    const { parts } = await bench.split(inputs, TABLE);
    expect(parts.map((part) => [part.n, partParams(part)])).to.deep.equal([
      [0, { a: '1', b: '2' }],
      [1, { b: '3', a: '4' }],
    ]);
  });

  for (const [what, text, split, rows] of [
    [
      'tabs, also of empty values',
      'a\tb\n\t\n1,0\t 2\n',
      TABLE,
      [
        [2, { a: '', b: '' }],
        [3, { a: '1,0', b: ' 2' }],
      ],
    ],
    ['semicolons', '"a";b\n1,5;2\n', TABLE, [[2, { a: '1,5', b: '2' }]]],
    ['bars', 'a|b\n1|"2|""3"""\n', TABLE, [[2, { a: '1', b: '2|"3"' }]]],
    ['a delimiter that is given', 'a b\n1 2\n', { ...TABLE, delimiter: ' ' }, [[2, { a: '1', b: '2' }]]],
    ['quotes without meaning', 'a,b\n",x\n', { ...TABLE, quote: '' }, [[2, { a: '"', b: 'x' }]]],
    [
      'one column',
      '\n\na\n1\n \n',
      TABLE,
      [
        [4, { a: '1' }],
        [5, { a: ' ' }],
      ],
    ],
    [
      'an empty value in quotes',
      'a\n""\n\n"x"',
      TABLE,
      [
        [2, { a: '' }],
        [4, { a: 'x' }],
      ],
    ],
    [
      'names that objects have',
      'constructor,__proto__\n1,2\n',
      TABLE,
      [
        [
          2,
          Object.fromEntries([
            ['constructor', '1'],
            ['__proto__', '2'],
          ]),
        ],
      ],
    ],
    ['only a header', 'a,b\n', TABLE, []],
    ['nothing', '', TABLE, []],
  ] as const)
    it(`are read with ${what}`, async () => {
      const found = await rowsOf(text, split);
      expect(found.map(([at, params]) => [at, Object.entries(params)])).to.deep.equal(
        rows.map(([at, params]) => [at, Object.entries(params)]),
      );
    });

  it('of JSON Lines keep numbers as they are written, and text in any order of the columns', async () => {
    const lines = [
      ' {"lr": 0.10, "n":12345678901234567890,"ok":true}',
      '',
      '{"ok" : "a\\u00fc\\":,{}", "n":-1E+5 , "lr":"" } ',
    ];
    expect(await rowsOf(`${lines.join('\n')}\r\n`)).to.deep.equal([
      [1, { lr: '0.10', n: '12345678901234567890', ok: 'true' }],
      [3, { ok: 'aü":,{}', n: '-1E+5', lr: '' }],
    ]);
  });

  for (const [what, text, line, ...texts] of [
    ['too few values', 'a,b\n1,2\n3\n', 3, '1 value', '2 columns (a, b)'],
    ['too many values', 'a\n\n1,2\n', 3, '2 values', '1 column (a)'],
    ['a line of spaces', 'a,b\n  \n', 2, '1 value'],
    ['a column twice', 'a,b,a\n', 1, 'column a twice'],
    ['columns that differ in case only', 'lr,LR\n1,2\n', 1, 'lr and LR', 'BATCHCTL_PARAM_LR'],
    ['a name with a space', 'a, b\n1,2\n', 1, 'column 2 " b"', "can't be a parameter"],
    ['no header', '\n0.1,3\n', 2, 'column 1 "0.1"'],
    ['a column without a name', 'a,\n1,2\n', 1, 'column 2 ""'],
    ['bytes that are no UTF-8', Buffer.from([0x61, 10, 0xff, 10]), 2, 'not UTF-8'],
    ['a row over 64 KiB', `a\n1\n${'x'.repeat(65_600)}\n`, 3, '65536 bytes'],
    ['a list', '{"a":1}\n{"a":[2]}', 2, 'a list as a'],
    ['a map', '{"a":{"b":1}}', 1, 'a map as a'],
    ['null', '{"a":null}', 1, 'null as a'],
    ['a column twice in JSON', '{"a":1,"a":2}', 1, 'column a twice'],
    ['another column', '{"a":1}\n{"a":1,"b":2}', 2, 'has "b"', 'first row has a'],
    ['a column that lacks', '{"a":1,"b":2}\n\n{"a":1}', 3, 'lacks b'],
    ['text after the rows', '{"a":1}\nend\n', 2, 'is not JSON'],
    ['another JSON value', '{"a":1}\n[1]\n', 2, 'not a JSON object'],
    ['no columns', '{}', 1, 'no column'],
    ['a NUL', '{"a":"\\u0000"}', 1, 'NUL in a'],
    ['half a character', '{"a":"\\ud800x"}', 1, 'half a character'],
  ] as const)
    it(`are refused for ${what}`, () => refused(text, line, ...texts));

  it('are refused for quotes that are not closed, by the line where one opens', async () => {
    const source = await bench.source('file', Buffer.from('a,b\n1,2\n3,"4\n5,6\n'));
    await expectError(bench.split([source], TABLE), 'jobFile', 'line 3', 'never closed');
  });

  it('are refused for a NUL of a CSV, also behind the first bytes that are looked at', async () => {
    const text = `a,b\n${'1,2\n'.repeat(50_000)}1,\0\n`;
    await expectError(
      bench.split([await bench.source('file', Buffer.from(text))], TABLE),
      'jobFile',
      'line 50002',
      'NUL in b',
    );
  });

  it('are as many as a job may have', async () => {
    const source = await bench.source('file', Buffer.from('a\n1\n2\n3\n'));
    await expectError(bench.split([source], TABLE, { maxTasks: 2 }), 'refused', 'maxTasks (2)');
  });

  const value = fc
    .array(fc.constantFrom('a', '0', '1.50', ' ', ',', ';', '\t', '"', '\n', '\r\n', '{', '}', ':', 'ü', '🙂', '\\'), {
      maxLength: 6,
    })
    .map((tokens) => tokens.join(''));
  const quoted = (text: string, delimiter: string): string =>
    text === '' || /["\n\r]/.test(text) || text.includes(delimiter) ? `"${text.replaceAll('"', '""')}"` : text;

  it('are the ones that were written, whatever the values, the format and the chunks', async () => {
    const written = fc.record({
      columns: fc.uniqueArray(fc.constantFrom('lr', 'seed', 'x1', '_a', 'name'), { minLength: 1, maxLength: 4 }),
      values: fc.array(fc.array(value, { minLength: 4, maxLength: 4 }), { maxLength: 8 }),
      format: fc.constantFrom(',', ';', '\t', '|', 'jsonl'),
      end: fc.constantFrom('\n', '\r\n'),
      last: fc.boolean(),
      chunk: fc.integer({ min: 1, max: 40 }),
    });
    await fc.assert(
      fc.asyncProperty(written, async ({ columns, values, format: given, end, last, chunk }) => {
        // A single column's header shows no delimiter.
        const format = columns.length === 1 && given !== 'jsonl' ? ',' : given;
        const maps = values.map((row) => Object.fromEntries(columns.map((name, at) => [name, row[at] ?? ''])));
        const lines =
          format === 'jsonl'
            ? maps.map((map) => JSON.stringify(map))
            : [columns, ...maps.map((map) => Object.values(map))].map((row) =>
                row.map((each) => quoted(each, format)).join(format),
              );
        const bytes = Buffer.from(lines.join(end) + (last ? end : ''));
        const chunks = async function* (): AsyncGenerator<Buffer> {
          for (let from = 0; from < bytes.length; from += chunk) yield bytes.subarray(from, from + chunk);
        };
        const rows: TableRow[] = [];
        for await (const batch of tableRows('a', TABLE, chunks(), () => {})) rows.push(...batch);
        expect(rows.map(({ params }) => params)).to.deep.equal(maps);
      }),
      { numRuns: 300 },
    );
  });
});
