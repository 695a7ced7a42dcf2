// Protects: the grid of runs shows each run in its period, and a gap for a run that never came.
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

/** `runOf('claims-2026-11', 'failed')`: a run that closed an hour after its submission, unless it is open. */
function runOf(runKey: string | null, state: GridRun['state'], fields: Partial<GridRun> = {}): GridRun {
  const createdAt = fields.createdAt ?? at('2026-11-28');
  const isOpen = state === 'running' || state === 'submitted' || state === 'paused';
  return {
    job: `${runKey ?? 'unkeyed'}-1`,
    name: 'claims',
    runKey,
    state,
    reason: null,
    createdAt,
    closedAt: isOpen ? null : createdAt + 3_600_000,
    ...fields,
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
const linesOf = (bands: readonly GridBand[]): readonly string[] =>
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
    const periodText = (key: string) => {
      const found = periodOf(key);
      return found === null ? null : `${found.unit} ${found.text}`;
    };
    expect(periodText('claims-2026-11')).to.equal('month 2026-11');
    expect(periodText('claims@2026-11')).to.equal('month 2026-11');
    expect(periodText('nightly@2026-11-28T06:00')).to.equal('day 2026-11-28T06:00');
    expect(periodText('nightly-20261128')).to.equal('day 20261128');
    expect(periodText('claims-2026-11-eu')).to.equal('month 2026-11');
    expect(periodText('levy-2026-Q4')).to.equal('quarter 2026-Q4');
    expect(periodText('stock-2026-W48')).to.equal('week 2026-W48');
    for (const key of ['second-look', 'v2026', 'batch-12026-11', 'x-2026-13', 'claims-2026-11-281'])
      expect(periodText(key), key).to.equal(null);
  });

  it('shows jobs of the same kind of period together, the newest period first', () => {
    const bands = gridOf([
      runOf('claims-2026-11', 'failed'),
      runOf('claims-2026-10', 'succeeded', { createdAt: at('2026-11-01') }),
      runOf('nightly-2026-11-27', 'succeeded', { name: 'nightly' }),
      runOf('levy-2026-Q4', 'running', { name: 'levy' }),
      runOf('stock-2026-W47', 'succeeded', { name: 'stock' }),
    ]);
    const columns = bands.map((band) => `${band.unit} ${band.columns[0]} ${band.columns.length}`);
    expect(columns.join(', ')).to.equal('day 2026-11-28 14, week 2026-W48 12, month 2026-11 12, quarter 2026-Q4 8');
    expect(linesOf(bands)).to.deep.equal([
      'nightly 2026-11-27:succeeded',
      'stock 2026-W47:succeeded',
      'claims 2026-11:failed 2026-10:succeeded',
      'levy 2026-Q4:running',
    ]);
  });

  it('shows a run key that ran again as its last run, and several runs as the worst of them', () => {
    const early = { createdAt: at('2026-11-20') };
    const runs = [
      runOf('claims-2026-11', 'failed', { ...early, job: 'first' }),
      runOf('claims-2026-11', 'succeeded', { job: 'again' }),
      runOf('eu-2026-10', 'succeeded'),
      runOf('us-2026-10', 'failed'),
      runOf('uk-2026-10', 'running'),
    ];
    expect(linesOf(gridOf(runs))).to.deep.equal(['claims 2026-11:succeeded 2026-10:failed*3']);
    const [band] = gridOf(runs);
    expect(band?.rows[0]?.cells[0]).to.include({ job: 'again', period: '2026-11' });
    expect(band?.rows[0]?.cells[1]?.states).to.deep.equal({ succeeded: 1, failed: 1, running: 1 });
  });

  it('shows a gap for a run of a schedule that never came, but not for one that a person started', () => {
    const gap = (period: string, state: 'due' | 'missed' | 'coming') => ({ period, state, at: at('2026-11-28') });
    const schedule: GridSchedule = {
      schedule: 'claims',
      name: 'claims',
      periods: ['2026-12', '2026-11', '2026-10', '2026-09'],
      gaps: [gap('2026-11', 'due'), gap('2026-10', 'missed'), gap('2026-09', 'missed'), gap('2026-12', 'coming')],
    };
    expect(linesOf(gridOf([runOf('claims-2026-09', 'succeeded')], [schedule]))).to.deep.equal([
      'claims 2026-11:due 2026-10:missed 2026-09:succeeded',
    ]);
  });

  it('gives a schedule whose name is not the job’s a row of its own', () => {
    const periods = ['2026-11-28T06:00', '2026-11-27T06:00', '2026-11-26T06:00'];
    const of = (schedule: string): GridSchedule => ({ schedule, name: 'load', periods, gaps: [] });
    const runs = [
      runOf('eu@2026-11-28T06:00', 'succeeded', { name: 'load' }),
      runOf('us@2026-11-28T06:00', 'failed', { name: 'load' }),
      runOf('gone@2026-11-28T06:00', 'succeeded', { name: 'load' }),
    ];
    expect(linesOf(gridOf(runs, [of('eu'), of('us')]))).to.deep.equal([
      'load 2026-11-28:succeeded',
      'load (eu) 2026-11-28:succeeded',
      'load (us) 2026-11-28:failed',
    ]);
  });

  it('puts a pattern that fires once a month into the months, whatever its times', () => {
    const periods = ['2026-11-01T06:00', '2026-10-01T06:00', '2026-09-01T06:00'];
    const schedule: GridSchedule = { schedule: 'claims', name: 'claims', periods, gaps: [] };
    expect(linesOf(gridOf([runOf('claims@2026-11-01T06:00', 'succeeded')], [schedule]))).to.deep.equal([
      'claims 2026-11:succeeded',
    ]);
  });

  it('says which runs closed after their deadline, also among several', () => {
    const runs = [
      runOf('claims-2026-11', 'succeeded'),
      runOf('eu-2026-10', 'succeeded'),
      runOf('us-2026-10', 'succeeded'),
    ];
    const [early, late] = ['2026-11-28T07:30:00Z', '2026-11-28T06:30:00Z'];
    const deadlines = { 'claims-2026-11-1': early, 'us-2026-10-1': late };
    expect(linesOf(gridOf(runs, [], deadlines))).to.deep.equal(['claims 2026-11:succeeded 2026-10:succeeded+late*2']);
  });

  it('puts a run without a period into the day of its submission, in the zone of the reader', () => {
    const runs = [runOf(null, 'succeeded', { createdAt: at('2026-11-27T23:30:00Z') })];
    expect(linesOf(gridOf(runs))).to.deep.equal(['claims 2026-11-27:succeeded']);
    expect(linesOf(gridOf(runs, [], {}, 'Europe/Berlin'))).to.deep.equal(['claims 2026-11-28:succeeded']);
  });

  it('has a column for a period that ran before its time, and none for periods that are too old to show', () => {
    expect(linesOf(gridOf([runOf('claims-2026-12', 'succeeded')]))).to.deep.equal(['claims 2026-12:succeeded']);
    expect(gridOf([runOf('claims-2024-12', 'failed')])).to.deep.equal([]);
    expect(linesOf(gridOf([runOf('claims-2099-12', 'succeeded'), runOf('claims-2026-11', 'failed')]))).to.deep.equal([
      'claims 2026-11:failed',
    ]);
  });

  it('has at most 60 rows, and leaves out runs that succeeded first', () => {
    const runs = Array.from({ length: 90 }, (_, n) =>
      runOf('x-2026-11', n === 77 ? 'failed' : 'succeeded', { name: `job-${n}`, job: `job-${n}` }),
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
          return runOf(key, 'succeeded', { createdAt, name, job: `j-${n}` });
        });
        const counts = gridOf(runs).flatMap(({ rows }) =>
          rows.flatMap(({ cells }) => cells.flatMap((cell) => Object.values(cell?.states ?? {}))),
        );
        expect(counts.reduce((sum, count) => sum + count, 0)).to.equal(all.length);
      }),
    );
  });
});
