// Protects: results of a successful job are delivered once per close, and a failed delivery is retried and reported.
import { expect } from 'chai';
import type { DeliveryStatus } from '../../src/model/answers/status.ts';
import { deliveryOf, isDeliveryDue, nextTry, shouldRecordFailure } from '../../src/model/delivery.ts';
import type { EntryKind } from '../../src/model/journal.ts';
import type { JobView } from '../../src/model/view.ts';
import { closeOf, retryOf, SENT, viewOf } from './job-of.ts';

const TO = 's3://acme-reports/claims/';
const WHEN = Date.parse('2026-11-30T06:00:00.000Z');
const CLOSE = closeOf('succeeded');
const delivered = (after: number): EntryKind => ({ what: 'delivered', after, to: TO, outputs: 1, bytes: 7 });
const undelivered = (after: number): EntryKind => ({
  what: 'undelivered',
  after,
  to: TO,
  kind: 'credentials',
  message: 'denied',
  hint: null,
});
const retry = retryOf(1, { price: '0' });

function viewAfter(...entries: readonly EntryKind[]): JobView {
  const view = viewOf(entries);
  return { ...view, record: { ...view.record, deliverTo: { place: TO, host: null } } };
}

describe('the delivery of a job', () => {
  const cases: readonly (readonly [string, readonly EntryKind[], DeliveryStatus['state']])[] = [
    ['waits while the job runs', [SENT], 'waiting'],
    ['is due once it succeeded', [SENT, CLOSE], 'due'],
    ['does not exist for a job that failed', [SENT, closeOf('failed')], 'none'],
    ['does not exist for a cancelled job', [SENT, { what: 'cancel' }], 'none'],
    ['is done', [SENT, CLOSE, delivered(1)], 'delivered'],
    ['stays done when the job is pruned', [SENT, CLOSE, delivered(1), { what: 'prune' }], 'delivered'],
    ['does not exist if the job was pruned before it', [SENT, CLOSE, { what: 'prune' }], 'none'],
    ['fails', [SENT, CLOSE, undelivered(1)], 'failing'],
    ['is done after a failure', [SENT, CLOSE, undelivered(1), delivered(1)], 'delivered'],
    ['stays done whatever a slower duplicate reports', [SENT, CLOSE, delivered(1), undelivered(1)], 'delivered'],
    ['waits again after a retry', [SENT, CLOSE, delivered(1), retry], 'waiting'],
    ['is due anew after that', [SENT, CLOSE, delivered(1), retry, closeOf('succeeded', 1)], 'due'],
    ['is due anew after a later output closed it again', [closeOf('failed'), CLOSE], 'due'],
    ['ignores a delivery of an earlier close', [CLOSE, retry, closeOf('succeeded', 1), delivered(0)], 'due'],
    ['is given up after eight tries', [CLOSE, ...Array.from({ length: 8 }, () => undelivered(0))], 'givenUp'],
  ];
  for (const [name, entries, state] of cases) {
    it(name, () => {
      const view = viewAfter(...entries);
      expect(deliveryOf(view)).to.include({ to: TO, host: null, state });
      expect(isDeliveryDue(view)).to.equal(['due', 'failing', 'givenUp'].includes(state));
    });
  }

  it('hides the failure of a slower duplicate once it is done', () => {
    expect(deliveryOf(viewAfter(CLOSE, delivered(0), undelivered(0)))?.failed).to.equal(null);
  });

  it('is null for a job that delivers nothing', () => {
    expect(deliveryOf(viewOf([CLOSE]))).to.equal(null);
    expect(isDeliveryDue(viewOf([CLOSE]))).to.equal(false);
  });

  it('is retried after a minute, then after twice as long each time, at most an hour, eight times in all', () => {
    const waits = [0, 1, 2, 3, 7, 8].map((tries) => {
      const view = viewAfter(CLOSE, ...Array.from({ length: tries }, () => undelivered(0)));
      const next = nextTry(view.delivery ?? { failed: null });
      return next === null || next === 0 ? next : (next - WHEN) / 60_000;
    });
    expect(waits).to.deep.equal([0, 1, 2, 4, 60, null]);
  });

  it('records a new failure at once, a repeated one only after a while, and none after the last try', () => {
    const once = viewAfter(CLOSE, undelivered(0)).delivery ?? { failed: null };
    expect(shouldRecordFailure({ failed: null }, 'denied', WHEN)).to.equal(true);
    expect(shouldRecordFailure(once, 'full', WHEN)).to.equal(true);
    expect(shouldRecordFailure(once, 'denied', WHEN + 1_000)).to.equal(false);
    expect(shouldRecordFailure(once, 'denied', WHEN + 60_000)).to.equal(true);
    const often = viewAfter(CLOSE, ...Array.from({ length: 8 }, () => undelivered(0))).delivery ?? { failed: null };
    expect(shouldRecordFailure(often, 'denied', WHEN + 86_400_000)).to.equal(false);
  });
});
