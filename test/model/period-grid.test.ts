// Protects: the grid of runs shows each run in its period, and a run that never came as a hole.
import { expect } from 'chai';
import fc from 'fast-check';
import {
  fillGrid,
  type GridBand,
  type GridCell,
  type GridRun,
  type GridSchedule,
  periodOf,
  planGrid,
} from '../../src/model/period-grid.ts';

const NOW = Date.parse('2026-11-28T08:00:00Z');
const at = (text: string): number => Date.parse(text.length === 10 ? `${text}T06:00:00Z` : text);

/** `ran('claims-2026-11', 'failed')`: a run that closed an hour after its submission, unless it is open. */
function ran(runKey: string | null, state: GridRun['state'], changed: Partial<GridRun> = {}): GridRun {
  const createdAt = changed.createdAt ?? at('2026-11-28');
  const isOpen = state === 'running' || state === 'submitted' || state === 'paused';
  return {
    ...{ job: `${runKey ?? 'loose'}-1`, name: 'claims', runKey, state, reason: null, createdAt },
    closedAt: isOpen ? null : createdAt + 3_600_000,
    ...changed,
  };
}

function gridOf(
  runs: readonly GridRun[],
  schedules: readonly GridSchedule[] = [],
  deadlines: Readonly<Record<string, string>> = {},
  zone = 'UTC',
): readonly GridBand[] {
  return fillGrid(planGrid({ runs, schedules, now: NOW, zone }), new Map(Object.entries(deadlines)));
}

/** `claims 2026-11:failed 2026-10:succeeded` for each row. */
const said = (bands: readonly GridBand[]): readonly string[] =>
  bands.flatMap(({ columns, rows }) =>
    rows.map(({ name, schedule, cells }) => {
      const shown = cells.flatMap((cell, index) => (cell === null ? [] : [`${columns[index]}:${textOf(cell)}`]));
      return [name, ...(schedule === null ? [] : [`(${schedule})`]), ...shown].join(' ');
    }),
  );

function textOf({ state, late, states }: GridCell): string {
  const runs = Object.values(states).reduce((sum, count) => sum + count, 0);
  return `${state}${late ? '+late' : ''}${runs > 1 ? `*${runs}` : ''}`;
}

describe('the grid of periods and jobs', () => {
  it('finds the period that a run key names', () => {
    const texts = (key: string) => {
      const found = periodOf(key);
      return found === null ? null : `${found.unit} ${found.text}`;
    };
    expect(texts('claims-2026-11')).to.equal('month 2026-11');
    expect(texts('claims@2026-11')).to.equal('month 2026-11');
    expect(texts('nightly@2026-11-28T06:00')).to.equal('day 2026-11-28T06:00');
    expect(texts('nightly-20261128')).to.equal('day 20261128');
    expect(texts('claims-2026-11-eu')).to.equal('month 2026-11');
    expect(texts('levy-2026-Q4')).to.equal('quarter 2026-Q4');
    expect(texts('stock-2026-W48')).to.equal('week 2026-W48');
    for (const key of ['second-look', 'v2026', 'batch-12026-11', 'x-2026-13', 'claims-2026-11-281'])
      expect(texts(key), key).to.equal(null);
  });

  it('shows jobs of the same kind of period together, the newest period first', () => {
    const bands = gridOf([
      ran('claims-2026-11', 'failed'),
      ran('claims-2026-10', 'succeeded', { createdAt: at('2026-11-01') }),
      ran('nightly-2026-11-27', 'succeeded', { name: 'nightly' }),
      ran('levy-2026-Q4', 'running', { name: 'levy' }),
      ran('stock-2026-W47', 'succeeded', { name: 'stock' }),
    ]);
    expect(bands.map(({ unit, columns }) => `${unit} ${columns[0]} ${columns.length}`)).to.deep.equal([
      ...['day 2026-11-28 14', 'week 2026-W48 12', 'month 2026-11 12', 'quarter 2026-Q4 8'],
    ]);
    expect(said(bands)).to.deep.equal([
      'nightly 2026-11-27:succeeded',
      'stock 2026-W47:succeeded',
      'claims 2026-11:failed 2026-10:succeeded',
      'levy 2026-Q4:running',
    ]);
  });

  it('counts a run key that ran again as its last run, and shows the worst of several runs', () => {
    const early = { createdAt: at('2026-11-20') };
    const runs = [
      ran('claims-2026-11', 'failed', { ...early, job: 'first' }),
      ran('claims-2026-11', 'succeeded', { job: 'again' }),
      ran('eu-2026-10', 'succeeded'),
      ran('us-2026-10', 'failed'),
      ran('uk-2026-10', 'running'),
    ];
    expect(said(gridOf(runs))).to.deep.equal(['claims 2026-11:succeeded 2026-10:failed*3']);
    const [band] = gridOf(runs);
    expect(band?.rows[0]?.cells[0]).to.include({ job: 'again', period: '2026-11' });
    expect(band?.rows[0]?.cells[1]?.states).to.deep.equal({ succeeded: 1, failed: 1, running: 1 });
  });

  it('shows a run of a schedule that never came, but not one that somebody ran by hand', () => {
    const hole = (period: string, state: 'due' | 'missed' | 'paused' | 'coming') => ({
      period,
      state,
      at: at('2026-11-28'),
    });
    const schedule: GridSchedule = {
      ...{ schedule: 'claims', name: 'claims', periods: ['2026-12', '2026-11', '2026-10', '2026-09'] },
      gaps: [hole('2026-11', 'due'), hole('2026-10', 'missed'), hole('2026-09', 'missed'), hole('2026-12', 'coming')],
    };
    expect(said(gridOf([ran('claims-2026-09', 'succeeded')], [schedule]))).to.deep.equal([
      'claims 2026-11:due 2026-10:missed 2026-09:succeeded',
    ]);
  });

  it('gives a schedule whose name is not the job’s a row of its own', () => {
    const periods = ['2026-11-28T06:00', '2026-11-27T06:00', '2026-11-26T06:00'];
    const of = (schedule: string): GridSchedule => ({ schedule, name: 'load', periods, gaps: [] });
    const runs = [
      ran('eu@2026-11-28T06:00', 'succeeded', { name: 'load' }),
      ran('us@2026-11-28T06:00', 'failed', { name: 'load' }),
      ran('gone@2026-11-28T06:00', 'succeeded', { name: 'load' }),
    ];
    expect(said(gridOf(runs, [of('eu'), of('us')]))).to.deep.equal([
      'load 2026-11-28:succeeded',
      'load (eu) 2026-11-28:succeeded',
      'load (us) 2026-11-28:failed',
    ]);
  });

  it('puts a pattern that fires once a month into the months, whatever its times', () => {
    const periods = ['2026-11-01T06:00', '2026-10-01T06:00', '2026-09-01T06:00'];
    const schedule: GridSchedule = { schedule: 'claims', name: 'claims', periods, gaps: [] };
    expect(said(gridOf([ran('claims@2026-11-01T06:00', 'succeeded')], [schedule]))).to.deep.equal([
      'claims 2026-11:succeeded',
    ]);
  });

  it('says which runs closed after their deadline, also among several', () => {
    const runs = [ran('claims-2026-11', 'succeeded'), ran('eu-2026-10', 'succeeded'), ran('us-2026-10', 'succeeded')];
    const [early, late] = ['2026-11-28T07:30:00Z', '2026-11-28T06:30:00Z'];
    const deadlines = { 'claims-2026-11-1': early, 'us-2026-10-1': late };
    expect(said(gridOf(runs, [], deadlines))).to.deep.equal(['claims 2026-11:succeeded 2026-10:succeeded+late*2']);
  });

  it('puts a run without a period into the day of its submission where its reader is', () => {
    const runs = [ran(null, 'succeeded', { createdAt: at('2026-11-27T23:30:00Z') })];
    expect(said(gridOf(runs))).to.deep.equal(['claims 2026-11-27:succeeded']);
    expect(said(gridOf(runs, [], {}, 'Europe/Berlin'))).to.deep.equal(['claims 2026-11-28:succeeded']);
  });

  it('has a column for a period that was run before its time, and none for older ones than it shows', () => {
    expect(said(gridOf([ran('claims-2026-12', 'succeeded')]))).to.deep.equal(['claims 2026-12:succeeded']);
    expect(gridOf([ran('claims-2024-12', 'failed')])).to.deep.equal([]);
    expect(said(gridOf([ran('claims-2099-12', 'succeeded'), ran('claims-2026-11', 'failed')]))).to.deep.equal([
      'claims 2026-11:failed',
    ]);
  });

  it('stays bounded, and leaves out what least needs a person', () => {
    const runs = Array.from({ length: 90 }, (_, n) =>
      ran('x-2026-11', n === 77 ? 'failed' : 'succeeded', { name: `job-${n}`, job: `job-${n}` }),
    );
    const [band] = gridOf(runs);
    expect([band?.rows.length, band?.left]).to.deep.equal([60, 30]);
    expect(band?.rows.filter(({ cells }) => cells[0]?.state === 'failed').map(({ name }) => name)).to.deep.equal([
      'job-77',
    ]);
  });

  it('shows every run of the last days in exactly one cell', () => {
    const days = fc.integer({ min: 0, max: 13 }).map((back) => NOW - back * 86_400_000);
    const run = fc.record({ createdAt: days, name: fc.constantFrom('a', 'b', 'c'), keyed: fc.boolean() });
    fc.assert(
      fc.property(fc.array(run, { maxLength: 40 }), (all) => {
        const runs = all.map(({ createdAt, name, keyed }, n) => {
          const key = keyed ? `${name}${n}x-${new Date(createdAt).toISOString().slice(0, 10)}` : null;
          return ran(key, 'succeeded', { createdAt, name, job: `j-${n}` });
        });
        const counts = gridOf(runs).flatMap(({ rows }) =>
          rows.flatMap(({ cells }) => cells.flatMap((cell) => Object.values(cell?.states ?? {}))),
        );
        expect(counts.reduce((sum, count) => sum + count, 0)).to.equal(all.length);
      }),
    );
  });
});
