// Protects: status counts each task once, and projects the end of a job from current work.
import { expect } from 'chai';
import { composeStatus, RecentRate } from '../../src/jobs/status.ts';
import type { StepCounts } from '../../src/model/ledger/records.ts';
import { worker } from '../contracts/ledger-events.ts';
import { viewOf } from '../model/job-of.ts';
import { countsOf } from '../support/step-counts.ts';

const now = Date.parse('2026-11-30T07:00:00.000Z');
const SENT = { what: 'sent' } as const;
const NONE = { waiting: 0, running: 0, done: 0, failed: 0, skipped: 0 };

/** Four tasks, then a gather. */
const GATHERED = `
name: claims
input: { from: a.csv, split: { by: file } }
steps: [{ name: price, run: [cat] }, { name: totals, gather: true, run: [cat] }]
`;

/** Counts that have just changed. */
const recentCounts = (step: string, counts: Partial<StepCounts>) => countsOf(step, { movedAt: now, ...counts });

describe('a status', () => {
  const price = (counts: Partial<StepCounts>, entries: Parameters<typeof viewOf>[0]) => {
    const [step] = composeStatus(viewOf([SENT, ...entries]), [recentCounts('price', counts)], [], now).steps;
    const { waiting, running, done, failed, skipped } = step ?? {};
    return { waiting, running, done, failed, skipped };
  };

  it('counts a failed task that was skipped only as skipped', () => {
    const skip = { what: 'skip', tasks: { price: '0,3' }, failed: { price: '0' }, reason: 'x' } as const;
    expect(price({ done: 2, failed: 1 }, [skip])).to.deep.equal({ ...NONE, done: 2, skipped: 2 });
    expect(price({ done: 1, failed: 2 }, [skip])).to.deep.equal({ ...NONE, done: 1, failed: 1, skipped: 2 });
  });

  it('counts a task that failed after it was skipped only as skipped, and hides no other failure', () => {
    const skip = { what: 'skip', tasks: { price: '3' }, failed: {}, reason: 'x' } as const;
    expect(price({ done: 3, failed: 1 }, [skip])).to.deep.equal({ ...NONE, done: 3, skipped: 1 });
    expect(price({ done: 1, failed: 2 }, [skip])).to.deep.equal({ ...NONE, done: 1, failed: 2, skipped: 1 });
  });

  it('counts outputs that came after the next step had opened without them', () => {
    const open = { what: 'open', step: 'totals', count: 2, leftOut: '0,3' } as const;
    const late = (done: number, entries: Parameters<typeof viewOf>[0] = [open]) =>
      composeStatus(viewOf([SENT, ...entries], GATHERED), [recentCounts('price', { done })], [], now).steps.map(
        (step) => step.late,
      );
    expect(late(1)).to.deep.equal([0, 0]);
    expect(late(2)).to.deep.equal([0, 0]);
    expect(late(3)).to.deep.equal([1, 0]);
    expect(late(4)).to.deep.equal([2, 0]);
    expect(late(4, [])).to.deep.equal([0, 0]);
  });

  it('is incomplete if the counts lack tasks without which the job could not have closed', () => {
    const close = (state: 'succeeded' | 'failed' | 'cancelled', reason: string | null = null) =>
      ({ what: 'close', state, reason, round: 0 }) as const;
    const prune = { what: 'prune' } as const;
    const stop = { what: 'stop', cause: 'price' } as const;
    const incomplete = (entries: Parameters<typeof viewOf>[0], ...done: readonly number[]): boolean => {
      const counts = done.map((of, index) => recentCounts(['price', 'totals'][index] ?? '', { done: of }));
      return composeStatus(viewOf([SENT, ...entries], GATHERED), counts, [], now).incomplete;
    };
    const failed = (done: number): boolean => {
      const counts = [recentCounts('price', { done, failed: 1 })];
      return composeStatus(viewOf([SENT, close('failed', 'failures')], GATHERED), counts, [], now).incomplete;
    };
    expect(incomplete([close('succeeded')], 4, 1)).to.equal(false);
    expect(incomplete([close('succeeded')], 4)).to.equal(true);
    expect(incomplete([close('succeeded')], 3, 1)).to.equal(true);
    expect(incomplete([close('succeeded')])).to.equal(true);
    expect(incomplete([close('failed', 'expect')], 4)).to.equal(true);
    // The gather of a job whose tasks failed never ran.
    expect(failed(3)).to.equal(false);
    expect(failed(2)).to.equal(true);
    for (const entries of [[], [close('succeeded'), prune], [stop, close('failed', 'stopped')], [close('cancelled')]]) {
      const cancelled = entries.length === 1 ? [{ what: 'cancel' } as const, ...entries] : entries;
      expect(incomplete(cancelled, 1), JSON.stringify(entries)).to.equal(false);
    }
  });

  it('is exact only for a closed job with exact counts', () => {
    const close = { what: 'close', state: 'succeeded', reason: null, round: 0 } as const;
    const exact = (entries: Parameters<typeof viewOf>[0], ...counts: readonly Partial<StepCounts>[]): boolean => {
      const steps = counts.map((count, index) => recentCounts(['price', 'convert'][index] ?? '', count));
      return composeStatus(viewOf([SENT, ...entries]), steps, [], now).exact;
    };
    expect(exact([close], { exact: true }, { exact: true })).to.equal(true);
    expect(exact([close], { exact: true }, { exact: false })).to.equal(false);
    expect(exact([close], { exact: false })).to.equal(false);
    expect(exact([close])).to.equal(false);
    expect(exact([], { exact: true })).to.equal(false);
    // Nothing was recorded for a step that never ran.
    expect(exact([close], { exact: true }, { exact: false, movedAt: null })).to.equal(true);
  });

  it('projects the end from what the current workers have done', () => {
    const view = viewOf([SENT, { what: 'adjust', finishBy: '2026-11-30T08:00:00.000Z' }]);
    const busy = worker({ done: 2, failed: 0, startedAt: now - 20_000, seenAt: now });
    // The job waited an hour for its worker, which says nothing about its pace.
    const status = composeStatus(view, [recentCounts('price', { done: 2 })], [busy], now);
    expect(status).to.include({ rate: 0.1, eta: 70, finishBy: '2026-11-30T08:00:00.000Z' });
    expect(status.projected).to.equal('2026-11-30T07:01:10.000Z');
    // Tasks that run are not done, and a worker's count is as old as its last heartbeat.
    const running = [recentCounts('price', { done: 2, running: 2 })];
    expect(composeStatus(view, running, [busy], now)).to.include({ rate: 0.1, eta: 70 });
    const seen = { ...busy, startedAt: now - 50_000, seenAt: now - 30_000 };
    expect(composeStatus(view, running, [seen], now)).to.include({ rate: 0.1, eta: 70 });
    const idle = composeStatus(view, [recentCounts('price', { done: 2 })], [], now);
    expect(idle).to.include({ rate: null, eta: null, projected: null });
  });

  it('has the rate of the last minute when it is followed', () => {
    const recent = new RecentRate();
    expect([recent.add(0, 0), recent.add(5_000, 50)]).to.deep.equal([null, null]);
    expect(recent.add(10_000, 100)).to.equal(10);
    for (let second = 11; second <= 100; second += 1) recent.add(second * 1_000, 100);
    expect(recent.add(101_000, 100)).to.equal(0);
  });
});
