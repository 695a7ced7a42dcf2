// Protects: people are notified once, and only when it is certain, that a job will miss its deadline.
import { expect } from 'chai';
import { NoticeSender } from '../../../src/jobs/notify/notice-sender.ts';
import type { Sighting } from '../../../src/jobs/watch/keeper-mark.ts';
import type { JobView } from '../../../src/model/view.ts';
import type { Notice, Receiver } from '../../../src/ports/notifier.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { forEachTest } from '../../support/fixture.ts';
import { openPlace, putJob } from '../published-job.ts';

const HOUR = 3_600_000;
/** Longer than the minute between two looks, so that a single further look is not yet a lease. */
const LEASE = 90;
const [PAST_IT, WELL_BEFORE] = [60, 1];

describe('notifying people that a job will miss its deadline', () => {
  const place = forEachTest(openPlace);
  let told: string[];
  let ahead: number;
  /** Seconds per task according to the counters: one worker has done ten of a hundred tasks. */
  let seconds: number;
  let platform: Platform;
  let view: JobView;

  beforeEach(async () => {
    [told, ahead, seconds] = [[], 0, PAST_IT];
    const ledger = await place.platform.ledger();
    const counts = {
      ...{ step: 'price', running: 1, done: 10, failed: 0, retried: 0, interrupted: 0, bytesIn: 0, bytesOut: 0 },
      ...{ counters: {}, movedAt: null, exact: false },
    };
    const worker = {
      ...{ worker: 'w-1', host: 'here', pid: 1, group: 'default', slots: 1, version: '1', state: 'running' as const },
      ...{ startedAt: 0, seenAt: 0, running: 1, done: 10, failed: 0 },
    };
    platform = {
      ...place.platform,
      leaseSeconds: LEASE,
      clock: { now: () => Date.now() + ahead, monotonic: () => performance.now() + ahead },
      ledger: async () =>
        Object.assign(Object.create(ledger), {
          counts: async () => [{ ...counts, seconds: counts.done * seconds }],
          workers: async () => [worker],
        }),
      notices: {
        notifier: { send: async (_: Receiver, { id }: Notice) => void told.push(id) },
        profile: [{ on: ['late'], to: 'sns:a' }],
      },
    };
    const job = await putJob(platform, [{ name: 'a' }], { parts: 100 });
    view = { ...job, finishBy: new Date(Date.now() + HOUR).toISOString() };
  });

  const senderOf = (late: ReadonlyMap<string, Sighting> = new Map()): NoticeSender =>
    new NoticeSender(platform, { checksCounters: true, onTrouble: (error) => expect.fail(error.message), late });
  /**
   * Looks once for each given task duration, slightly more than a minute apart. Returns the number of notifications
   * after each look.
   */
  const looks = async (sender: NoticeSender, ...each: readonly number[]): Promise<readonly number[]> => {
    const after: number[] = [];
    for (const now of each) {
      seconds = now;
      sender.observe(view);
      await sender.idle();
      after.push(told.length);
      ahead += 61_000;
    }
    return after;
  };

  it('happens once, after the projection was late for a whole lease', async () => {
    expect(await looks(senderOf(), PAST_IT, PAST_IT, PAST_IT, PAST_IT)).to.deep.equal([0, 0, 1, 1]);
    expect(told[0]).to.match(/[.]late$/);
  });

  it('waits for another whole lease if the projection recovered in between', async () => {
    const after = await looks(senderOf(), PAST_IT, WELL_BEFORE, PAST_IT, PAST_IT, PAST_IT);
    expect(after).to.deep.equal([0, 0, 0, 0, 1]);
  });

  it('continues from what an earlier process saw, until the job has recovered', async () => {
    const { job } = view.record;
    const late = new Map([[job, { is: view.finishBy ?? '', since: performance.now() - LEASE * 1_000 }]]);
    expect(await looks(senderOf(late), WELL_BEFORE, PAST_IT, PAST_IT)).to.deep.equal([0, 0, 0]);
    const sender = senderOf(late);
    expect([...sender.late().keys()], 'the next process knows it too').to.deep.equal([job]);
    expect(await looks(sender, PAST_IT)).to.deep.equal([1]);
    ahead = HOUR + 1_000;
    expect(senderOf(late).late().size, 'a job whose deadline has passed is forgotten').to.equal(0);
  });
});
