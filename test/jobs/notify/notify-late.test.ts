// Protects: people are notified once, and only when it is certain, that a job will miss its deadline.
import { expect } from 'chai';
import type { Sighting } from '../../../src/jobs/keeper-mark.ts';
import type { NoticeSender } from '../../../src/jobs/notify/notice-sender.ts';
import type { JobView } from '../../../src/model/view.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { worker } from '../../contracts/ledger-events.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { forEachTest } from '../../support/fixture.ts';
import { countsOf } from '../../support/step-counts.ts';
import { withMethods } from '../../support/with-methods.ts';
import { openPlace, putJob } from '../published-job.ts';
import { FakeReceivers, notifyingPlatform, observe, openSender } from './notices.ts';

const HOUR = 3_600_000;
/** Seconds. Longer than the minute between two looks, so that two looks are needed. */
const LEASE = 90;
/** Seconds per task with which the job misses its deadline, and with which it ends well before. */
const [TOO_SLOW, FAST] = [60, 1];

describe('notifying people that a job will miss its deadline', () => {
  const place = forEachTest(openPlace);
  const receivers = forEachTest(() => new FakeReceivers());
  const clock = forEachTest(() => new FakeClock());
  /** Seconds per task according to the counters: one worker has done ten of a hundred tasks. */
  let seconds: number;
  let platform: Platform;
  let view: JobView;

  beforeEach(async () => {
    const ledger = withMethods(await place.platform.ledger(), {
      counts: async () => [countsOf('price', { running: 1, done: 10, seconds: 10 * seconds })],
      workers: async () => [worker({ slots: 1 })],
    });
    const own = { ...place.platform, leaseSeconds: LEASE, ledger: async () => ledger };
    platform = notifyingPlatform(own, clock, receivers, [{ on: ['late'], to: 'sns:a' }]);
    const job = await putJob(platform, [{ name: 'a' }], { parts: 100 });
    view = { ...job, finishBy: new Date(clock.now() + HOUR).toISOString() };
  });

  const senderOf = (late: ReadonlyMap<string, Sighting> = new Map()): NoticeSender =>
    openSender(platform, { checksCounters: true, onTrouble: (error) => expect.fail(error.message), late }).sender;
  /** Looks once with each task duration, a minute apart. Returns the number of notices after each look. */
  const look = async (sender: NoticeSender, ...durations: readonly number[]): Promise<readonly number[]> => {
    const notices: number[] = [];
    for (const duration of durations) {
      seconds = duration;
      await observe(sender, view);
      notices.push(receivers.received.length);
      clock.pass(61);
    }
    return notices;
  };

  it('happens once, after the projection was late for a whole lease', async () => {
    expect(await look(senderOf(), TOO_SLOW, TOO_SLOW, TOO_SLOW, TOO_SLOW)).to.deep.equal([0, 0, 1, 1]);
    expect(receivers.received[0]?.id).to.match(/[.]late$/);
  });

  it('waits for another whole lease if the projection recovered in between', async () => {
    const notices = await look(senderOf(), TOO_SLOW, FAST, TOO_SLOW, TOO_SLOW, TOO_SLOW);
    expect(notices).to.deep.equal([0, 0, 0, 0, 1]);
  });

  it('continues from what an earlier process saw, until the job has recovered', async () => {
    const { job } = view.record;
    const late = new Map([[job, { is: view.finishBy ?? '', since: clock.monotonic() - LEASE * 1_000 }]]);
    expect(await look(senderOf(late), FAST, TOO_SLOW, TOO_SLOW)).to.deep.equal([0, 0, 0]);
    const sender = senderOf(late);
    expect([...sender.late().keys()], 'the next process knows it too').to.deep.equal([job]);
    expect(await look(sender, TOO_SLOW)).to.deep.equal([1]);
    clock.pass(HOUR / 1_000);
    expect(senderOf(late).late().size, 'a job whose deadline has passed is forgotten').to.equal(0);
  });
});
