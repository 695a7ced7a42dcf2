// Protects: a worker runs what a delivery asks for, unless the task was decided, given up, used up or moved before.
import { expect } from 'chai';
import { putInterruption } from '../../src/jobs/interruptions.ts';
import type { EntryKind } from '../../src/model/journal.ts';
import { begunKey, failedKey, tryKey } from '../../src/model/keys.ts';
import { encodeMessage, type TaskMessage } from '../../src/model/message.ts';
import type { JobView } from '../../src/model/view.ts';
import { admit } from '../../src/worker/admit.ts';
import { JobCache } from '../../src/worker/job-cache.ts';
import { openPlace, publishSmall } from '../jobs/published-job.ts';
import { submitJob } from '../jobs/submitted-job.ts';
import { addEntry, delivered } from '../support/claims-job.ts';
import { forEachTest } from '../support/fixture.ts';
import { wrapStore } from '../support/wrap-store.ts';

const YAML = `
name: claims
input: { split: { by: range, from: 1, to: 4 } }
steps:
  - { name: price, run: [cat], interruptions: 1, fallback: steady }
`;

describe('a delivery', () => {
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

  /** The verdict on a delivery: `3` if the task is to run as its third attempt. */
  async function verdictOn({
    receiveCount = 1,
    group = 'default',
    now = Date.now(),
    ...asked
  }: Partial<TaskMessage> & {
    readonly receiveCount?: number;
    readonly group?: string;
    readonly now?: number;
  } = {}): Promise<unknown> {
    const body = encodeMessage({ job: view.record.job, step: 'price', task: 0, round: 0, ...asked });
    const verdict = await admit(place.platform.store, jobs, { ...delivered(body), receiveCount }, { group, now });
    if (verdict.kind === 'admitted') return verdict.number;
    const { kind, ...more } = verdict.outcome;
    return { [kind]: 'why' in more ? more.why : 'failure' in more ? more.failure.reason : 'to' in more ? more.to : '' };
  }

  /** A failed attempt; ids are in no order. */
  const failed = (number: number, reason = `n${number}`, round = 0): Promise<unknown> =>
    place.platform.store.put(
      tryKey(view.record.job, 'price', 0, round, `${9 - number}x`),
      JSON.stringify({ format: 1, number, reason, exitCode: 1, error: null, worker: 'w' }),
    );

  it("of a task, a step or a job that doesn't exist is buried", async () => {
    expect(await verdictOn({ task: 3 })).to.equal(1);
    for (const bad of [{ task: 4 }, { step: 'none' }, { job: 'none-20261130-0600-abcde' }])
      expect(await verdictOn(bad), JSON.stringify(bad)).to.deep.equal({ poison: '' });
  });

  it('starts the attempt after the failed ones of its round; when all are used up, the last one gives the reason', async () => {
    await failed(2);
    await failed(1);
    await failed(1, 'other', 1);
    expect(await verdictOn({ receiveCount: 2 })).to.equal(3);
    await failed(3);
    expect(await verdictOn({ receiveCount: 2 })).to.deep.equal({ failed: 'n3' });
  });

  it('counts failed attempts of a second message too, once the journal says that there may be one', async () => {
    await failed(1);
    await add({ what: 'resend', tasks: { price: '0' }, after: view.next });
    await jobs.refresh(view);
    expect(await verdictOn()).to.equal(2);
  });

  it('whose attempts ended five times without an outcome is failed for killing its workers', async () => {
    const begun = (n: number): Promise<unknown> =>
      place.platform.store.put(begunKey(view.record.job, 'price', 0, 0, `b${n}`), '');
    for (const n of [1, 2, 3, 4]) await begun(n);
    expect(await verdictOn({ receiveCount: 25 })).to.equal(1);
    await begun(5);
    expect(await verdictOn({ receiveCount: 26 })).to.deep.equal({ failed: 'kills-workers' });
  });

  it('of a task that is already decided is not run', async () => {
    await failed(1);
    const key = failedKey(view.record.job, 'price', 0, 0);
    await place.platform.store.put(key, JSON.stringify({ format: 1, number: 3, reason: 'exit', attempt: 'a' }));
    expect(await verdictOn({ receiveCount: 2 })).to.deep.equal({ failedBefore: '' });
    await publishSmall({ platform: place.platform, view }, 'price', 0, 'late');
    expect(await verdictOn({ receiveCount: 2 }), 'an output outranks it').to.deep.equal({ twin: '' });
    await add({ what: 'kill', mode: 'fail', tasks: { price: '1' } });
    await jobs.refresh(view);
    expect(await verdictOn({ task: 1 })).to.deep.equal({ failed: 'killed' });
  });

  it('asks the store for nothing at its first delivery, unless its sender or the journal knows of another message', async () => {
    let asked = 0;
    const counted = wrapStore(place.platform.store, {
      head: (key) => {
        asked += 1;
        return place.platform.store.head(key);
      },
      read: (key, options) => {
        asked += 1;
        return place.platform.store.read(key, options);
      },
      list: (prefix, options) => {
        asked += 1;
        return place.platform.store.list(prefix, options);
      },
    });
    const askedBy = async (message: Partial<TaskMessage>, receiveCount = 1): Promise<number> => {
      const body = encodeMessage({ job: view.record.job, step: 'price', task: 0, round: 0, ...message });
      asked = 0;
      await admit(counted, jobs, { ...delivered(body), receiveCount }, { group: 'default', now: Date.now() });
      return asked;
    };
    expect(await askedBy({})).to.equal(0);
    expect(await askedBy({ again: true })).to.be.greaterThan(0);
    expect(await askedBy({}, 2)).to.be.greaterThan(0);
    await publishSmall({ platform: place.platform, view }, 'price', 0, 'done');
    expect(await verdictOn({ again: true })).to.deep.equal({ twin: '' });
    await add({ what: 'resend', tasks: { price: '0' }, after: view.next });
    await jobs.refresh(view);
    expect(await verdictOn()).to.deep.equal({ twin: '' });
  });

  it('of another round than the one that requests the task is dropped', async () => {
    await add({ what: 'retry', round: 1, tasks: { price: '0' }, canaries: null, overrides: {} });
    expect(await verdictOn({ round: 0 }), "by a worker that doesn't know of a retry").to.equal(1);
    expect(await verdictOn({ round: 1 }), 'which makes it read the journal').to.equal(1);
    for (const old of [{ round: 0 }, { round: 2 }, { task: 1, round: 1 }])
      expect(await verdictOn(old), JSON.stringify(old)).to.deep.equal({ dropped: 'stale' });
    expect(await verdictOn({ task: 1, round: 0 })).to.equal(1);
  });

  it('is dropped while its job is paused, and run as soon as the journal says otherwise', async () => {
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

  it('of a task that spot interrupted too often goes to the fallback group, and runs there', async () => {
    const mark = { format: 1, number: 1, worker: 'w', startedAt: '', endedAt: '' } as const;
    await putInterruption(place.platform.store, { job: view.record.job, step: 'price', task: 0, round: 0 }, 'a', mark);
    expect(await verdictOn({ receiveCount: 2 })).to.deep.equal({ handedOver: 'steady' });
    expect(await verdictOn({ receiveCount: 2, group: 'steady' })).to.equal(1);
  });

  it('of a job before its start time is released until then, for at most 15 minutes, the longest delay of a queue', async () => {
    const due = Date.parse('2026-12-01T00:00:00Z');
    const later = await submitJob(place, YAML, {}, new Date(due).toISOString());
    const delayAt = async (now: number): Promise<unknown> => {
      const body = encodeMessage({ job: later.record.job, step: 'price', task: 0, round: 0 });
      const verdict = await admit(place.platform.store, jobs, delivered(body), { group: 'default', now });
      return verdict.kind === 'admitted' ? null : 'delay' in verdict.outcome && verdict.outcome.delay;
    };
    expect(await Promise.all([due - 3_600_000, due - 60_000, due].map(delayAt))).to.deep.equal([900, 60, null]);
  });
});
