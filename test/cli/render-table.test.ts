// Protects: tables fit the terminal, are complete when piped, and use colour only where it is wanted.

import { expect } from 'chai';
import { splitGlobalFlags } from '../../src/cli/global-flags.ts';
import { type Column, renderTable, shrinkWidths } from '../../src/cli/render.ts';
import { displayWidth } from '../../src/cli/terminal-text.ts';
import { fakeIo } from './fake-io.ts';

interface Row {
  readonly task: string;
  readonly seconds: number;
  readonly error: string;
}

const ROWS: readonly Row[] = [
  { task: 'price/0', seconds: 1.5, error: 'no rate for\n"EU"' },
  { task: 'price/12', seconds: 120, error: '価格がありません '.repeat(12).trim() },
];
const COLUMNS: readonly Column<Row>[] = [
  { title: 'task', value: (row) => row.task },
  { title: 'seconds', value: (row) => String(row.seconds), align: 'right' },
  { title: 'error', value: (row) => row.error, tint: () => 'bad' },
];
const { flags } = splitGlobalFlags([]);

describe('a table', () => {
  it('has no rules, aligns numbers right, and has one line per row', async () => {
    const text = await renderTable({ io: fakeIo(), flags }, ROWS.slice(0, 1), COLUMNS);
    expect(text.split('\n')).to.deep.equal(['TASK     SECONDS  ERROR', 'price/0      1.5  no rate for "EU"']);
  });

  it('is complete when piped', async () => {
    const text = await renderTable({ io: fakeIo(), flags }, ROWS, COLUMNS);
    expect(text).to.include(ROWS[1]?.error).and.not.include('…');
  });

  for (const columns of [40, 60, 80]) {
    it(`fits a terminal of ${columns} columns, with wide characters`, async () => {
      const text = await renderTable({ io: fakeIo({ tty: true, columns }), flags }, ROWS, COLUMNS);
      for (const line of text.split('\n')) expect(displayWidth(line)).to.be.at.most(columns);
      expect(text).to.include('…').and.include('price/12').and.include('120');
    });
  }

  const JOB = { job: 'claims-of-the-month-20261130-0600-k3f9q', state: 'running', by: 'operator@a-long-host-name' };
  const JOB_COLUMNS: readonly Column<typeof JOB & { readonly key: string }>[] = [
    { title: 'job', value: ({ job }) => job, whole: true },
    { title: 'state', value: ({ state }) => state },
    { title: 'run key', value: ({ key }) => key, whole: true },
    { title: 'by', value: ({ by }) => by, rank: 1 },
  ];
  const jobTable = (columns: number, ...keys: readonly string[]) =>
    renderTable(
      { io: fakeIo({ tty: true, columns, env: { NO_COLOR: '1' } }), flags },
      keys.map((key) => ({ ...JOB, key })),
      JOB_COLUMNS,
    );

  it('leaves out a column instead of cutting a text that people copy, and cuts nothing if it fits', async () => {
    const narrow = await jobTable(70, 'month-end-2026-11');
    expect(narrow.split('\n')).to.deep.equal([
      'JOB                                      STATE    RUN KEY',
      `${JOB.job}  running  month-end-2026-11`,
    ]);
    expect(await jobTable(200, 'month-end-2026-11'))
      .to.include(JOB.by)
      .and.include('month-end-2026-11');
  });

  it('puts columns that do not fit on a second line, and does not cut them', async () => {
    const key = `month-end-2026-11-${'x'.repeat(30)}`;
    expect((await jobTable(80, key, '')).split('\n')).to.deep.equal([
      'JOB                                      STATE',
      '    RUN KEY',
      `${JOB.job}  running`,
      `    ${key}`,
      `${JOB.job}  running`,
    ]);
    expect(await jobTable(200, key)).to.match(new RegExp(`${key}  ${JOB.by}$`));
  });

  it('assumes 80 columns for a terminal of unknown width', async () => {
    const render = (columns: number) => renderTable({ io: fakeIo({ tty: true, columns }), flags }, ROWS, COLUMNS);
    expect(await render(0)).to.equal(await render(80));
  });

  it('is coloured only on a terminal, and not with NO_COLOR or --no-color', async () => {
    const rendered = (world: object, argv: readonly string[] = []): Promise<string> =>
      renderTable({ io: fakeIo(world), flags: splitGlobalFlags(argv).flags }, ROWS, COLUMNS);
    expect(await rendered({ tty: true })).to.include('\x1b[31m');
    for (const text of [
      await rendered({ tty: false }),
      await rendered({ tty: true, env: { NO_COLOR: '1' } }),
      await rendered({ tty: true }, ['--no-color']),
    ]) {
      expect(text).to.not.include('\x1b');
    }
  });

  it('takes width from the widest column first, and from none below its minimum', () => {
    expect(shrinkWidths([10, 30, 20], [8, 8, 8], 50)).to.deep.equal([10, 20, 20]);
    expect(shrinkWidths([10, 30, 20], [8, 8, 8], 5)).to.deep.equal([8, 8, 8]);
    expect(shrinkWidths([10, 30, 20], [8, 8, 8], 60)).to.deep.equal([10, 30, 20]);
  });
});
