// Protects: missing tasks are sent again after two leases, by one of many watchers, and less often each time.
import { expect } from 'chai';
import { requireView } from '../../../src/jobs/journal.ts';
import { look } from '../../../src/jobs/watch/look.ts';
import { linkedGroups, resendMissing, type WatchedJob } from '../../../src/jobs/watch/resend-missing.ts';
import type { QueueCounts } from '../../../src/model/backlog.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { viewOf } from '../../model/job-of.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { forEachTest } from '../../support/fixture.ts';
import { rangeJob } from '../../support/range-job.ts';
import { countMessages } from '../../support/stored.ts';
import { until } from '../../support/until.ts';
import { withMethods } from '../../support/with-methods.ts';
import { openPlace } from '../published-job.ts';
import { submitJob } from '../submitted-job.ts';

const LEASE_MS = 15_000;
const ONE = { name: 'one', run: ['cat'] };
/** A job with a step in each group; of those with two, the second is the fallback. */
const specOf = (...groups: readonly (readonly [group: string, fallback?: string])[]) => {
  const steps = groups.map(([group, fallback], n) => ({
    ...ONE,
    name: `step-${n}`,
    group,
    ...(fallback !== undefined && { interruptions: 3, fallback }),
  }));
  return viewOf([], JSON.stringify(rangeJob<object>('claims', 1, ...steps))).record.spec;
};

describe('re-sending missing tasks', () => {
  const place = forEachTest(openPlace);
  const clock = forEachTest(() => new FakeClock());
  let platform: Platform;
  let job: string;

  beforeEach(async () => {
    platform = { ...place.platform, clock };
    job = (await submitJob(place, JSON.stringify(rangeJob('claims', 5, ONE)), {})).record.job;
    await (await platform.queue('default')).purge({});
  });

  /** The job as a watcher knows it that has seen it stand still for some milliseconds. */
  async function standing(ms: number): Promise<WatchedJob> {
    const view = await requireView(platform.store, job);
    return { view, stood: { is: 'same', since: clock.monotonic() - ms, look: await look(platform, view) } };
  }
  const resend = async (watched: WatchedJob, by = platform, others: readonly WatchedJob[] = []) => {
    await resendMissing(by, [watched, ...others], {
      leaseMs: LEASE_MS,
      onTrouble: (_, error) => expect.fail(String(error)),
    });
    return countMessages(await platform.queue('default'));
  };

  it('takes two leases, and twice as long after each time', async () => {
    for (const leases of [2, 4, 8]) {
      expect(await resend(await standing(leases * LEASE_MS - 1)), `almost ${leases} leases`).to.equal(0);
      const watched = await standing(leases * LEASE_MS);
      expect(await resend(watched), `${leases} leases`).to.equal(5);
      expect(watched.view.resends).to.equal(Math.log2(leases));
      await (await platform.queue('default')).purge({});
    }
  });

  it('is not done while the queue holds as many messages as are missing', async () => {
    const queue = await platform.queue('default');
    await queue.send(Array.from({ length: 5 }, (_, n) => ({ body: `other ${n}`, tenant: 'other' })));
    expect(await resend(await standing(2 * LEASE_MS))).to.equal(5);
    await queue.purge({ match: (body) => body === 'other 0' });
    expect(await resend(await standing(2 * LEASE_MS))).to.equal(9);
  });

  it('counts only what other jobs miss in the same queues', async () => {
    const far = JSON.stringify(rangeJob('far', 9, { ...ONE, group: 'gpu' }));
    const view = await submitJob(place, far, {});
    const other = { view, stood: { is: '', since: clock.monotonic(), look: await look(platform, view) } };
    const messages = Array.from({ length: 5 }, (_, n) => ({ body: `other ${n}`, tenant: 'other' }));
    await (await platform.queue('default')).send(messages);
    expect(await resend(await standing(2 * LEASE_MS), platform, [other])).to.equal(5);
  });

  it('records the job in the ledger first, because its sender may have died before', async () => {
    const order: string[] = [];
    const ledger = withMethods(await platform.ledger(), { recordJob: async () => void order.push('record') });
    const send = async () => void order.push('send');
    const queue = async (name: string) => withMethods(await platform.queue(name), { send });
    await resend(await standing(2 * LEASE_MS), { ...platform, ledger: async () => ledger, queue });
    expect(order).to.deep.equal(['record', 'send']);
  });

  it('is done once by watchers that see the same at the same moment', async () => {
    let reading = 0;
    const readCounts = async (): Promise<QueueCounts> => {
      reading += 1;
      await until('both read the counts', () => reading === 2);
      return { visible: 0, leased: 0, delayed: 0 };
    };
    const racing = {
      ...platform,
      queue: async (name: string) => withMethods(await platform.queue(name), { readCounts }),
    };
    const watched = [await standing(2 * LEASE_MS), await standing(2 * LEASE_MS)];
    await Promise.all(watched.map((each) => resend(each, racing)));
    expect(await countMessages(await platform.queue('default'))).to.equal(5);
    for (const { view } of watched) expect(view.resends).to.equal(1);
  });

  it('looks into every queue that may have the tasks: a fallback links two groups, in both directions', () => {
    const specs = [specOf(['a', 'b']), specOf(['c', 'b'], ['d'])];
    for (const group of ['a', 'b', 'c']) expect([...linkedGroups(group, specs)].sort()).to.deep.equal(['a', 'b', 'c']);
    expect(linkedGroups('d', specs)).to.deep.equal(['d']);
    expect(linkedGroups('e', specs)).to.deep.equal(['e']);
  });
});
