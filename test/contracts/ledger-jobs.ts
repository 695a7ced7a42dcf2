import { expect } from 'chai';
import type { LedgerJob } from '../../src/model/ledger/records.ts';
import type { JobFilter } from '../../src/ports/ledger.ts';
import { event, job, T0 } from './ledger-events.ts';
import type { LedgerFixture } from './ledger-place.ts';

/** The laws of jobs in a ledger. */
export function ledgerJobsContract({ ledger }: LedgerFixture): void {
  const stateAfter = async (...records: Partial<LedgerJob>[]): Promise<string | undefined> => {
    for (const record of records) await ledger.recordJob(job(record));
    return (await ledger.job('claims-1'))?.state;
  };

  describe('jobs', () => {
    it('returns a job as it was recorded, and null for an unknown one', async () => {
      const recorded = job({
        runKey: 'month-end-2026-11',
        reason: 'budget',
        state: 'paused',
        labels: { team: 'finance', 'a"b': '' },
      });
      await ledger.recordJob(recorded);
      await ledger.recordJob(recorded);
      expect(await ledger.job('claims-1')).to.deep.equal(recorded);
      expect(await ledger.job('claims')).to.equal(null);
    });

    it('follows a job from submitted to closed, through pauses', async () => {
      expect(await stateAfter({ state: 'submitted' })).to.equal('submitted');
      expect(await stateAfter({ state: 'paused' }, { state: 'running' })).to.equal('running');
      expect(await stateAfter({ state: 'submitted' })).to.equal('running');
      expect(await stateAfter({ state: 'failed', closedAt: T0 + 5 })).to.equal('failed');
    });

    it('does not reopen a closed job for an open state of the same round or an older one', async () => {
      const closed = { state: 'failed', round: 1, closedAt: T0 + 5 } as const;
      expect(await stateAfter(closed, { state: 'running', round: 1 }, { state: 'paused', round: 0 })).to.equal(
        'failed',
      );
      expect(await stateAfter({ state: 'succeeded', round: 0, closedAt: T0 + 9 })).to.equal('failed');
    });

    it('accepts a higher round, and a second close of the same round that is no older', async () => {
      expect(
        await stateAfter({ state: 'failed', closedAt: T0 + 5 }, { state: 'succeeded', closedAt: T0 + 6 }),
      ).to.equal('succeeded');
      expect(await stateAfter({ state: 'failed', closedAt: T0 + 5 })).to.equal('succeeded');
      expect(await stateAfter({ state: 'running', round: 1 })).to.equal('running');
      expect(await ledger.job('claims-1')).to.include({ round: 1, closedAt: null });
    });

    it('lists jobs newest first, and applies each filter', async () => {
      const finance = { team: 'finance', kind: 'month' };
      await ledger.recordJob(job({ job: 'a-1', createdAt: T0 + 1, labels: finance, state: 'paused' }));
      await ledger.recordJob(job({ job: 'b-1', createdAt: T0 + 3, labels: { team: 'finance' }, name: 'video' }));
      const art = { team: 'art', kind: 'month' };
      await ledger.recordJob(job({ job: 'a_2', createdAt: T0 + 2, createdBy: 'bob@desk', labels: art }));
      const listed = async (filter: JobFilter): Promise<string> =>
        (await ledger.jobs(filter)).map((each) => each.job).join(' ');
      expect(await listed({})).to.equal('b-1 a_2 a-1');
      expect(await listed({ limit: 2 })).to.equal('b-1 a_2');
      expect(await listed({ states: ['paused', 'failed'] })).to.equal('a-1');
      expect(await listed({ states: [] })).to.equal('');
      expect(await listed({ name: 'claims' })).to.equal('a_2 a-1');
      expect(await listed({ createdBy: 'bob@desk' })).to.equal('a_2');
      expect(await listed({ since: T0 + 2 })).to.equal('b-1 a_2');
      expect(await listed({ prefix: 'a_' })).to.equal('a_2');
      expect(await listed({ prefix: 'A' })).to.equal('');
      expect(await listed({ labels: { team: 'finance' } })).to.equal('b-1 a-1');
      expect(await listed({ labels: finance, states: ['paused'], limit: 1 })).to.equal('a-1');
      expect(await listed({ labels: { team: "x' or 1=1 --" } })).to.equal('');
    });

    it('lists jobs in pages, also those of one instant, and none after an unknown job', async () => {
      const recorded = Array.from({ length: 9 }, (_, n) => ({ job: `p-${n}`, createdAt: T0 + Math.floor(n / 3) }));
      for (const each of recorded)
        await ledger.recordJob(job({ ...each, name: each.job === 'p-4' ? 'other' : 'claims' }));
      const all = (await ledger.jobs({})).map((each) => each.job);
      for (const limit of [1, 2, 4]) {
        const found: string[] = [];
        for (let last: string | undefined; ; last = found.at(-1)) {
          const page = await ledger.jobs({ limit, ...(last !== undefined && { after: last }) });
          found.push(...page.map((each) => each.job));
          if (page.length < limit) break;
        }
        expect(found, String(limit)).to.deep.equal(all);
      }
      expect((await ledger.jobs({ name: 'other', after: all[1] ?? '' })).map((each) => each.job)).to.deep.equal([
        'p-4',
      ]);
      expect(await ledger.jobs({ after: 'p-9' })).to.deep.equal([]);
    });

    it('forgets tasks and attempts but neither the job nor its totals, and late events bring nothing back', async () => {
      await ledger.recordJob(job());
      await ledger.recordJob(job({ job: 'claims-2' }));
      const done = event('done', 1, { bytesIn: 4 });
      await ledger.record([done, event('done', 1, { job: 'claims-2' })]);
      const counts = await ledger.counts('claims-1');
      await ledger.forget('claims-1');
      await ledger.forget('claims-1');
      await ledger.record([done, event('running', 2)]);
      await ledger.recordJob(job());
      expect(await ledger.tasks('claims-1', { limit: 9 })).to.deep.equal([]);
      expect(await ledger.attempts('claims-1', 'price', 1)).to.deep.equal([]);
      expect(await ledger.job('claims-1')).to.deep.equal({ ...job(), pruned: true });
      expect(await ledger.counts('claims-1')).to.deep.equal(counts);
      expect(await ledger.tasks('claims-2', { limit: 9 })).to.have.length(1);
    });
  });
}
