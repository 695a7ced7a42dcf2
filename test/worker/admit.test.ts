// Protects: a worker runs a delivered task, unless it was decided, given up or moved before, or has no attempt left.
import { expect } from 'chai';
import { putInterruption } from '../../src/jobs/interruptions.ts';
import type { EntryKind } from '../../src/model/journal.ts';
import { begunKey, failedKey, tryKey } from '../../src/model/keys.ts';
import type { TaskMessage } from '../../src/model/message.ts';
import type { JobView } from '../../src/model/view.ts';
import { admit } from '../../src/worker/admit.ts';
import { JobCache } from '../../src/worker/job-cache.ts';
import { openPlace, publishSmall } from '../jobs/published-job.ts';
import { submitJob } from '../jobs/submitted-job.ts';
import { addEntry } from '../support/claims-job.ts';
import { forEachTest } from '../support/fixture.ts';
import { wrapStore } from '../support/wrap-store.ts';
import { deliveryOf } from './worker-context.ts';

const YAML = `
name: claims
input: { split: { by: range, from: 1, to: 4 } }
steps:
  - { name: price, run: [cat], interruptions: 1, fallback: steady }
  - { name: convert, run: [cat] }
`;

describe('admitting a delivery', () => {
  const place = forEachTest(openPlace);
  let view: JobView;
  let jobs: JobCache;
  beforeEach(async () => {
    view = await submitJob(place, YAML, {});
    // The worker's view of the journal stays as it is now, unless it has a reason to read it again.
    jobs = new JobCache(place.platform.store, 1e9);
    await jobs.get(view.record.job);
  });

  const add = async (kind: EntryKind): Promise<void> => {
    view = await addEntry(place.platform, view, kind);
  };

  const messageOf = (fields: Partial<TaskMessage>): TaskMessage => ({
    job: view.record.job,
    step: 'price',
    task: 0,
    round: 0,
    ...fields,
  });

  /** The verdict on a delivery: `3` if the task is to run as its third attempt. */
  async function verdictOn({
    receiveCount = 1,
    group = 'default',
    now = Date.now(),
    ...message
  }: Partial<TaskMessage> & {
    readonly receiveCount?: number;
    readonly group?: string;
    readonly now?: number;
  } = {}): Promise<unknown> {
    const delivery = deliveryOf(messageOf(message), { receiveCount });
    const verdict = await admit(place.platform.store, jobs, delivery, { group, now });
    if (verdict.kind === 'admitted') return verdict.number;
    const { kind, ...more } = verdict.outcome;
    return { [kind]: 'why' in more ? more.why : 'failure' in more ? more.failure.reason : 'to' in more ? more.to : '' };
  }

  /** Stores a failed attempt. Ids are in no order. */
  const storeTry = (number: number, reason = `n${number}`, round = 0): Promise<unknown> =>
    place.platform.store.put(
      tryKey(view.record.job, 'price', 0, round, `${9 - number}x`),
      JSON.stringify({ format: 1, number, reason, exitCode: 1, error: null, worker: 'w' }),
    );

  it("buries one of a task or a step that doesn't exist", async () => {
    expect(await verdictOn({ task: 3 })).to.equal(1);
    for (const bad of [{ task: 4 }, { step: 'none' }])
      expect(await verdictOn(bad), JSON.stringify(bad)).to.deep.equal({ poison: '' });
  });

  it('returns one of a job that is not in the store, for longer each time, and far fewer times in 14 days than the 1,000 of a queue', async () => {
    const job = 'none-20261130-0600-abcde';
    const delayOf = async (receiveCount: number): Promise<number> => {
      const delivery = deliveryOf(messageOf({ job }), { receiveCount });
      const verdict = await admit(place.platform.store, jobs, delivery, { group: 'default', now: Date.now() });
      if (verdict.kind === 'admitted' || verdict.outcome.kind !== 'declined') throw new Error('it was not returned');
      expect(verdict.outcome).to.include({ why: 'elsewhere', job });
      return verdict.outcome.delay;
    };
    expect(await Promise.all([1, 2, 3, 10, 11, 900].map(delayOf))).to.deep.equal([5, 10, 20, 2_560, 3_600, 3_600]);
    let deliveries = 0;
    for (let seconds = 0; seconds < 14 * 86_400; seconds += await delayOf(deliveries)) deliveries += 1;
    expect(deliveries).to.be.below(400);
  });

  it('numbers the attempt after the failed ones of its round; a task without attempts left fails with the reason of the last', async () => {
    await storeTry(2);
    await storeTry(1);
    await storeTry(1, 'other', 1);
    expect(await verdictOn({ receiveCount: 2 })).to.equal(3);
    await storeTry(3);
    expect(await verdictOn({ receiveCount: 2 })).to.deep.equal({ failed: 'n3' });
  });

  it('counts failed attempts of a second message too, once the journal says that there may be one', async () => {
    await storeTry(1);
    await add({ what: 'resend', tasks: { price: '0' }, after: view.next });
    await jobs.refresh(view);
    expect(await verdictOn()).to.equal(2);
  });

  it('fails a task that seems to kill its workers: five of its attempts ended without an outcome', async () => {
    const putMark = (n: number): Promise<unknown> =>
      place.platform.store.put(begunKey(view.record.job, 'price', 0, 0, `b${n}`), '');
    for (const n of [1, 2, 3, 4]) await putMark(n);
    expect(await verdictOn({ receiveCount: 25 })).to.equal(1);
    await putMark(5);
    expect(await verdictOn({ receiveCount: 26 })).to.deep.equal({ failed: 'kills-workers' });
  });

  it('does not run a task that is already decided', async () => {
    await storeTry(1);
    const key = failedKey(view.record.job, 'price', 0, 0);
    await place.platform.store.put(key, JSON.stringify({ format: 1, number: 3, reason: 'exit', attempt: 'a' }));
    expect(await verdictOn({ receiveCount: 2 })).to.deep.equal({ failedBefore: '' });
    await publishSmall({ platform: place.platform, view }, 'price', 0, 'late');
    expect(await verdictOn({ receiveCount: 2 }), 'an output outranks it').to.deep.equal({ twin: '' });
    await add({ what: 'kill', mode: 'fail', tasks: { price: '1' } });
    await jobs.refresh(view);
    expect(await verdictOn({ task: 1 })).to.deep.equal({ failed: 'killed' });
  });

  it('makes no request to the store at the first delivery, unless its sender or the journal knows of another message', async () => {
    let requests = 0;
    const { store } = place.platform;
    const countedStore = wrapStore(store, {
      head: (key) => {
        requests += 1;
        return store.head(key);
      },
      read: (key, options) => {
        requests += 1;
        return store.read(key, options);
      },
      list: (prefix, options) => {
        requests += 1;
        return store.list(prefix, options);
      },
    });
    const requestsFor = async (message: Partial<TaskMessage>, receiveCount = 1): Promise<number> => {
      requests = 0;
      const delivery = deliveryOf(messageOf(message), { receiveCount });
      await admit(countedStore, jobs, delivery, { group: 'default', now: Date.now() });
      return requests;
    };
    expect(await requestsFor({})).to.equal(0);
    expect(await requestsFor({ again: true })).to.be.greaterThan(0);
    expect(await requestsFor({}, 2)).to.be.greaterThan(0);
    await publishSmall({ platform: place.platform, view }, 'price', 0, 'done');
    expect(await verdictOn({ again: true })).to.deep.equal({ twin: '' });
    await add({ what: 'resend', tasks: { price: '0' }, after: view.next });
    await jobs.refresh(view);
    expect(await verdictOn()).to.deep.equal({ twin: '' });
  });

  it('drops a message of another round than the one that requests the task', async () => {
    await add({ what: 'retry', round: 1, tasks: { price: '0' }, canaries: null, overrides: {} });
    expect(await verdictOn({ round: 0 }), "by a worker that doesn't know of a retry").to.equal(1);
    expect(await verdictOn({ round: 1 }), 'which makes it read the journal').to.equal(1);
    for (const old of [{ round: 0 }, { round: 2 }, { task: 1, round: 1 }])
      expect(await verdictOn(old), JSON.stringify(old)).to.deep.equal({ dropped: 'stale' });
    expect(await verdictOn({ task: 1, round: 0 })).to.equal(1);
  });

  it('drops a message of a chain whose earlier task was skipped, although an attempt has published that task', async () => {
    await add({ what: 'skip', tasks: { price: '0' }, reason: 'x' });
    await jobs.refresh(view);
    await publishSmall({ platform: place.platform, view }, 'price', 0, 'x');
    expect(await verdictOn({ step: 'convert' })).to.deep.equal({ dropped: 'skipped' });
    expect(await verdictOn({ step: 'convert', task: 1 })).to.equal(1);
  });

  it('drops a message while its job is paused or its task skipped, and runs it as soon as the journal ends that', async () => {
    await add({ what: 'pause', now: false, reason: 'x' });
    await jobs.refresh(view);
    expect(await verdictOn()).to.deep.equal({ dropped: 'paused' });
    await add({ what: 'resume' });
    expect(await verdictOn()).to.equal(1);
    await add({ what: 'skip', tasks: { price: '0' }, reason: 'x' });
    await jobs.refresh(view);
    expect(await verdictOn()).to.deep.equal({ dropped: 'skipped' });
    await add({ what: 'unskip', tasks: { price: '0' } });
    expect(await verdictOn()).to.equal(1);
  });

  it('hands a task that spot interrupted too often to the fallback group, and runs it there', async () => {
    const mark = { format: 1, number: 1, worker: 'w', startedAt: '', endedAt: '' } as const;
    await putInterruption(place.platform.store, { job: view.record.job, step: 'price', task: 0, round: 0 }, 'a', mark);
    expect(await verdictOn({ receiveCount: 2 })).to.deep.equal({ handedOver: 'steady' });
    expect(await verdictOn({ receiveCount: 2, group: 'steady' })).to.equal(1);
  });

  it('releases a message that comes before the start time of its job until then, at most for the 15 minutes of a queue', async () => {
    const due = Date.parse('2026-12-01T00:00:00Z');
    const later = await submitJob(place, YAML, {}, new Date(due).toISOString());
    const delayAt = async (now: number): Promise<unknown> => {
      const delivery = deliveryOf(messageOf({ job: later.record.job }));
      const verdict = await admit(place.platform.store, jobs, delivery, { group: 'default', now });
      return verdict.kind === 'admitted' ? null : 'delay' in verdict.outcome && verdict.outcome.delay;
    };
    expect(await Promise.all([due - 3_600_000, due - 60_000, due].map(delayAt))).to.deep.equal([900, 60, null]);
  });
});
