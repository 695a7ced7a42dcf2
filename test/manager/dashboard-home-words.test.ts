// Protects: the dashboard's home lists each job that needs a person once, and describes each run as it is now.
import { expect } from 'chai';
import type { Periods } from '../../src/dashboard/api-routes.ts';
import { attentionOf, groupByJob } from '../../src/dashboard/words/attention.ts';
import { appearanceOf, columnWords } from '../../src/dashboard/words/periods.ts';
import type { GridCell, GridRow } from '../../src/model/period-grid.ts';
import { CALM_STEP, overviewOf, statusOf } from '../support/manager/dashboard-facts.ts';

const NOW = Date.parse('2026-11-30T04:00:00Z');

const cellOf = (changed: Partial<GridCell>): GridCell => ({
  state: 'succeeded',
  job: 'claims-1',
  period: '2026-11',
  reason: null,
  at: '2026-11-30T02:00:00Z',
  closedAt: null,
  finishBy: null,
  late: false,
  states: { [changed.state ?? 'succeeded']: 1 },
  ...changed,
});
const rowOf = (...cells: readonly (GridCell | null)[]): GridRow => ({ name: 'claims', schedule: null, cells });
const periodsOf = (...rows: readonly GridRow[]): Periods => ({
  bands: [{ unit: 'month', columns: ['2026-11', '2026-10'], rows, left: 0 }],
  more: false,
  troubles: [],
});

/** One text per group: its tone, its lines, and their links. */
const linesOf = (overview: ReturnType<typeof overviewOf>, periods: Periods | null = null): readonly string[] =>
  groupByJob(attentionOf(overview, 'UTC', NOW, periods)).map(({ tone, lines }) =>
    [
      tone,
      ...lines.map(({ text, links }) => [text, ...links.map(({ label, href }) => `${label}=${href}`)].join(' ')),
    ].join(' | '),
  );

describe("the words of the dashboard's home", () => {
  const failed = (job: string, runKey: string | null, reason = 'failures') =>
    statusOf({ job, runKey, reason, state: 'failed', closedAt: '2026-11-30T03:00:00Z', steps: [CALM_STEP] });

  it('say in one line that three runs of a job failed, with a link to each', () => {
    const jobs = [failed('claims-1', 'claims-2026-11'), failed('claims-2', 'claims-2026-10'), failed('claims-3', null)];
    expect(linesOf(overviewOf({ jobs }))).to.deep.equal([
      'bad | claims: 3 runs failed: tasks failed for good 2026-11=#/jobs/claims-1 2026-10=#/jobs/claims-2 claims-3=#/jobs/claims-3',
    ]);
    const different = [failed('claims-1', 'claims-2026-11'), failed('claims-2', 'claims-2026-10', 'expect')];
    expect(linesOf(overviewOf({ jobs: different }))[0]).to.match(/^bad \| claims: 2 runs failed 2026-11=/);
  });

  it('keep different troubles of one job together, and those of other jobs apart', () => {
    const late = statusOf({
      job: 'claims-9',
      finishBy: '2026-11-30T05:00:00Z',
      projected: '2026-11-30T05:30:00Z',
      steps: [CALM_STEP],
    });
    const other = statusOf({ job: 'tax-1', name: 'tax', state: 'paused', reason: 'budget', steps: [CALM_STEP] });
    const jobs = [other, failed('claims-1', 'claims-2026-11'), late];
    expect(linesOf(overviewOf({ jobs }))).to.deep.equal([
      'bad | claims-1: failed: tasks failed for good | claims-9: 30m late (projected 05:30, deadline 05:00)',
      'doubtful | tax-1: paused: it has reached its cost limit',
    ]);
  });

  it('name runs that a schedule missed, and a failure at the weekend', () => {
    const missing = (state: GridCell['state'], period: string, at: string) => cellOf({ state, period, at, job: null });
    const periods = periodsOf(
      rowOf(missing('missed', '2026-11', '2026-11-29T04:00:00Z'), missing('missed', '2026-10', '2026-10-30T04:00:00Z')),
      { ...rowOf(missing('due', '2026-11', '2026-11-30T01:00:00Z')), name: 'tax', schedule: 'levy' },
      { ...rowOf(missing('due', '2026-11', '2026-11-30T03:59:00Z')), name: 'just-due' },
      { ...rowOf(cellOf({ state: 'failed', job: 'fx-1', closedAt: '2026-11-28T08:00:00Z' })), name: 'fx' },
    );
    expect(linesOf(overviewOf(), periods)).to.deep.equal([
      'bad | claims: 2026-11 never ran; it was due 1d ago',
      'bad | fx-1: failed',
      'doubtful | levy: 2026-11 should have started 3h ago',
    ]);
  });

  it('do not name a failed run twice', () => {
    const periods = periodsOf(rowOf(cellOf({ state: 'failed', closedAt: '2026-11-30T03:00:00Z' })));
    expect(linesOf(overviewOf({ jobs: [failed('claims-1', 'claims-2026-11')] }), periods)).to.have.lengthOf(1);
  });

  it('do not name a failed run that a later run of its key has answered', () => {
    const first = { ...failed('claims-1', 'claims-2026-11'), createdAt: '2026-11-30T01:00:00Z' };
    const second = (state: 'running' | 'succeeded' | 'failed', runKey = 'claims-2026-11') =>
      statusOf({
        job: 'claims-2',
        name: 'claims',
        runKey,
        state,
        createdAt: '2026-11-30T02:00:00Z',
        steps: [CALM_STEP],
      });
    const periods = periodsOf(rowOf(cellOf({ state: 'failed', closedAt: '2026-11-30T03:00:00Z' })));
    const named = (later: ReturnType<typeof second>): boolean =>
      linesOf(overviewOf({ jobs: [first, later] }), periods).some((line) => line.includes('claims-1: failed'));
    expect([named(second('succeeded')), named(second('running'))]).to.deep.equal([false, false]);
    expect([named(second('succeeded', 'claims-2026-10')), named(second('failed', 'other'))]).to.deep.equal([
      true,
      true,
    ]);
    const earlier = { ...second('succeeded'), createdAt: '2026-11-30T00:00:00Z' };
    expect(named(earlier), 'an earlier run answers for nothing').to.equal(true);
  });

  it('describe each cell', () => {
    const textOf = (cell: GridCell, status?: ReturnType<typeof statusOf>) => {
      const { state, tone, late, text } = appearanceOf(rowOf(cell), cell, status, 'UTC', NOW);
      return `${state} ${tone} ${late ?? 'in time'}: ${text}`;
    };
    const ended = { closedAt: '2026-11-30T03:00:00Z', finishBy: '2026-11-30T02:20:00Z', late: true };
    expect(textOf(cellOf(ended))).to.equal(
      'succeeded good late: claims 2026-11 · succeeded · ended 2026-11-30 03:00 UTC (1h ago) · 40m late',
    );
    expect(textOf(cellOf({ state: 'failed', reason: 'expect', states: { failed: 1, succeeded: 2 } }))).to.equal(
      'failed bad in time: claims 2026-11 · failed: a control total does not hold · the worst of 3: 1 failed, 2 succeeded',
    );
    expect(textOf(cellOf({ state: 'missed', job: null }))).to.equal(
      'missed bad in time: claims 2026-11 · never ran: it was due 2h ago',
    );
    expect(textOf(cellOf({ state: 'coming', job: null, at: '2026-11-30T06:00:00Z' }))).to.equal(
      'coming open in time: claims 2026-11 · starts in 2h',
    );
    const open = statusOf({ finishBy: '2026-11-30T05:00:00Z', projected: '2026-11-30T05:30:00Z' });
    expect(textOf(cellOf({ state: 'submitted' }), open), 'the status is newer than the grid').to.equal(
      'running open late: claims 2026-11 · running · 30m late (projected 05:30, deadline 05:00)',
    );
  });

  it('head a column with the day, and name month and year where they change', () => {
    const days = ['2026-12-01', '2026-11-30', '2026-11-29'];
    const words = days.map((day, at) => columnWords('day', day, days[at - 1]));
    const texts = words.map(({ above, below, quiet }) => `${above} ${below}${quiet ? ' quiet' : ''}`.trim());
    expect(texts).to.deep.equal(['Dec 1', 'Nov 30', 'Su 29 quiet']);
    expect(words[2]?.whole).to.equal('Su 29 Nov 2026');
    expect(columnWords('month', '2026-12', '2027-01')).to.include({ above: '2026', below: 'Dec', whole: 'Dec 2026' });
    expect(columnWords('week', '2026-W48', '2026-W49')).to.include({ above: '', below: 'W48', whole: 'W48 2026' });
  });
});
