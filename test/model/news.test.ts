// Protects: people are notified of each event of a job once, at the right moment, and failed notices are retried.
import { expect } from 'chai';
import fc from 'fast-check';
import { foldJournal } from '../../src/model/fold.ts';
import type { EntryKind } from '../../src/model/journal.ts';
import { eventsOf, lateEvent, missedEvent, NO_START_MS, noStartAt, noStartEvent } from '../../src/model/news.ts';
import { noticeMove } from '../../src/model/notify.ts';
import type { JobView } from '../../src/model/view.ts';
import { closeOf, entryOf, retryOf, SENT, viewOf } from './job-of.ts';

const MINUTE = 60_000;
const WHEN = '2026-11-30T06:00:00.000Z';
const at = Date.parse(WHEN);

function journaled(view: JobView, ...entries: readonly EntryKind[]): JobView {
  return foldJournal(
    view,
    entries.map((kind) => entryOf(kind, { when: WHEN })),
  );
}

const pause = (reason: string, detail?: string): EntryKind => ({
  what: 'pause',
  now: false,
  reason,
  ...(detail !== undefined && { detail }),
});
const kinds = (view: JobView, now = at): readonly string[] => eventsOf(view, now).map(({ kind }) => kind);

describe('notifications about a job', () => {
  const job = viewOf([]);
  const id = job.record.job;

  it("don't exist before it ends, or a guard pauses it", () => {
    expect(kinds(journaled(job, SENT, pause('person'), { what: 'resume' }))).to.deep.equal([]);
  });

  for (const [entries, expected] of [
    [[closeOf('succeeded')], ['succeeded']],
    [[closeOf('failed')], ['failed']],
    [[{ what: 'cancel' }, closeOf('cancelled')], ['failed']],
    [[pause('halt')], ['paused']],
    [[pause('deployment', 'all of 20')], ['paused']],
    [[pause('secret', 'API_KEY')], ['paused']],
    [[pause('budget', '$ 10')], ['budget']],
    [
      [closeOf('failed'), closeOf('succeeded')],
      ['failed', 'succeeded'],
    ],
    [
      [pause('halt'), { what: 'resume' }, pause('halt'), { what: 'resume' }, closeOf('succeeded')],
      ['paused', 'paused', 'succeeded'],
    ],
  ] as readonly (readonly [readonly EntryKind[], readonly string[]])[]) {
    it(`${entries.map((entry) => JSON.stringify(entry)).join(' ')}: ${expected.join(', ')}`, () => {
      expect(kinds(journaled(job, ...entries))).to.deep.equal(expected);
    });
  }

  it('have one id for each event, the same for all readers of the journal', () => {
    const view = journaled(job, closeOf('failed'), closeOf('succeeded'));
    expect(eventsOf(view, at).map((event) => event.id)).to.deep.equal([`${id}.0.failed`, `${id}.1.succeeded`]);
    expect(eventsOf(view, at + MINUTE)).to.deep.equal(eventsOf(view, at));
  });

  it('have another id for the end of a job after a retry', () => {
    const view = journaled(job, closeOf('failed'), retryOf(1, { price: '0' }), closeOf('failed', 1));
    expect(new Set(eventsOf(view, at).map((event) => event.id)).size).to.equal(2);
  });

  it('describe each event in a sentence', () => {
    const [failed] = eventsOf(journaled(job, closeOf('failed')), at);
    expect(failed?.text).to.equal(`job ${id} failed (failures)`);
    const [paused] = eventsOf(journaled(job, pause('deployment', 'all of 20')), at);
    expect(paused?.text).to.equal(`job ${id} is paused (deployment): all of 20`);
    expect(eventsOf(journaled(job, closeOf('cancelled')), at)[0]?.text).to.equal(`job ${id} was cancelled`);
  });

  describe('the event late', () => {
    const due = journaled(job, { what: 'adjust', finishBy: WHEN });
    it('comes once the deadline has passed and the job is still open', () => {
      expect(kinds(due, at)).to.deep.equal([]);
      expect(kinds(due, at + 1)).to.deep.equal(['late']);
      expect(eventsOf(due, at + 1)[0]).to.include({ id: `${id}.20261130T060000Z.late`, at: WHEN });
    });
    it('comes when the job closes after its deadline, and not if it closed in time', () => {
      const early = { ...due, finishBy: '2026-11-30T05:00:00.000Z' };
      expect(kinds(journaled(early, closeOf('succeeded')), at)).to.deep.equal(['succeeded', 'late']);
      expect(kinds(journaled(due, closeOf('succeeded')), at + MINUTE)).to.deep.equal(['succeeded']);
    });
    it('never comes for a job that was cancelled, or has no deadline', () => {
      expect(kinds(journaled(due, { what: 'cancel' }), at + 1)).to.deep.equal([]);
      expect(lateEvent(job, null)).to.equal(null);
    });
    it('is one event whether projected or true; another deadline is another event', () => {
      const projected = lateEvent(due, '2026-11-30T07:00:00.000Z');
      expect(projected?.id).to.equal(eventsOf(due, at + 1)[0]?.id);
      expect(projected?.text).to.include('07:00');
      const later = journaled(due, { what: 'adjust', finishBy: '2026-11-30T08:00:00.000Z' });
      expect(lateEvent(later, null)?.id).not.to.equal(projected?.id);
    });
  });

  describe('the event no-start', () => {
    it('counts from the start time of a job that may run', () => {
      expect(noStartAt(job)).to.equal(Date.parse(job.record.createdAt) + NO_START_MS);
      const delayed: JobView = { ...job, record: { ...job.record, notBefore: WHEN } };
      expect(noStartAt(delayed)).to.equal(at + NO_START_MS);
      expect(noStartEvent(delayed)).to.include({ id: `${id}.no-start`, at: WHEN });
      for (const entry of [
        pause('person'),
        { what: 'cancel' },
        closeOf('failed'),
        { what: 'stop', cause: 'c' },
      ] as const)
        expect(noStartAt(journaled(delayed, entry)), entry.what).to.equal(null);
    });
    it('counts anew from a resume, because nothing could run during the pause', () => {
      const old = { ...job.record, createdAt: new Date(at - 600 * MINUTE).toISOString() };
      const resumed = journaled({ ...job, record: old }, pause('person'), { what: 'resume' });
      expect(noStartAt(resumed)).to.equal(at + NO_START_MS);
      const delayed = { ...resumed, notBefore: new Date(at + MINUTE).toISOString() };
      expect(noStartAt(delayed)).to.equal(at + MINUTE + NO_START_MS);
    });
    it('belongs to the schedule if it is about a period', () => {
      const event = missedEvent('nightly', '2026-11-30T06:00', at, 'it did not fire');
      expect(event).to.include({ id: 'nightly@2026-11-30T06:00.no-start', kind: 'no-start', at: WHEN });
    });
  });
});

describe("the time of a notice's next try", () => {
  const seen = (tries: readonly number[], sent = false) => ({ tries, sent });

  it('is at once, then after a minute, two, four, and up to an hour, and never after a day', () => {
    let tries: readonly number[] = [];
    let now = 0;
    const waits: number[] = [];
    for (;;) {
      const move = noticeMove(seen(tries), 0, now);
      if (move.move === 'givenUp') break;
      if (move.move === 'wait') {
        waits.push((move.until - now) / MINUTE);
        now = move.until;
      } else tries = [...tries, now];
    }
    expect(waits.slice(0, 8)).to.deep.equal([1, 2, 4, 8, 16, 32, 60, 60]);
    expect(tries).to.have.length(29);
    expect(now).to.be.within(24 * 60 * MINUTE, 25 * 60 * MINUTE);
  });

  it('never comes once it was sent, however late', () => {
    fc.assert(
      fc.property(fc.array(fc.nat()), fc.nat(), (tries, now) => {
        const inOrder = tries.sort((a, b) => a - b);
        expect(noticeMove(seen(inOrder, true), 0.5, now).move).to.equal('none');
      }),
    );
  });

  it('is never within a minute of the last try, whatever the jitter', () => {
    fc.assert(
      fc.property(fc.nat(10), fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(59_999), (count, spread, since) => {
        const tries = Array.from({ length: count + 1 }, (_, n) => n);
        expect(noticeMove(seen(tries), spread, count + since).move).to.equal('wait');
      }),
    );
  });
});
