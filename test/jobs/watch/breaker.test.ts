// Protects: a job whose program fails everywhere is paused before it burns through all its tasks.
import { expect } from 'chai';
import { append, refreshView, requireView } from '../../../src/jobs/journal.ts';
import { guardDeployment, guardFailures } from '../../../src/jobs/watch/guards.ts';
import { JobWatcher } from '../../../src/jobs/watch/job-watcher.ts';
import { failedKey, failedPrefix, taskOfFailed, taskOfTry, triesPrefix, tryKey } from '../../../src/model/keys.ts';
import type { AttemptEvent } from '../../../src/model/ledger/records.ts';
import type { JobView } from '../../../src/model/view.ts';
import type { ObjectEntry } from '../../../src/ports/object-store.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { event, worker } from '../../contracts/ledger-events.ts';
import { addEntry } from '../../support/claims-job.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { forEachTest } from '../../support/fixture.ts';
import { recordRequests } from '../../support/record-requests.ts';
import { wrapStore } from '../../support/wrap-store.ts';
import { openPlace } from '../published-job.ts';
import { submitJob } from '../submitted-job.ts';

const job = (tasks: number): string => `
name: breaks
input: { split: { by: range, from: 1, to: ${tasks} } }
steps:
  - { name: price, run: [cat] }
`;
const FIRST_ROUND = { index: 0, round: 0 } as const;
/** By the guard's clock and by the store: after every journal entry. */
const NOW = Date.now() + 3_600_000;

const running = ({ record }: JobView, task: number, startedAt: number): AttemptEvent =>
  event('running', task, { job: record.job, attempt: `r${task}`, worker: 'w-9', startedAt });

/** Errors and reasons are taken in turn. */
interface Failures {
  readonly retries: number;
  readonly say: readonly string[];
  readonly from?: number;
  readonly reasons?: readonly string[];
}

describe('the guard against a program that fails everywhere', () => {
  const place = forEachTest(openPlace);

  async function submitWithFailures(
    yaml: string,
    failed: number,
    retries = 0,
    say = ['x', 'y'],
    reasons = ['exit'],
  ): Promise<JobView> {
    const view = await submitJob(place, yaml, {});
    await failTasks(view, failed, { retries, say, reasons });
    return view;
  }

  /** The first tasks failed for good, after a second each, on two workers in turn, with these errors in turn. */
  async function failTasks(
    { record }: JobView,
    tasks: number,
    { retries, say, from = 0, reasons = ['exit'] }: Failures,
  ): Promise<void> {
    const { store, ledger } = place.platform;
    const { job } = record;
    const [startedAt, endedAt] = [NOW - 1_000, NOW];
    const times = { startedAt: new Date(startedAt).toISOString(), endedAt: new Date(endedAt).toISOString() };
    for (let task = from; task < tasks; task += 1) {
      const error = say[task % say.length] ?? '';
      const reason = reasons[task % reasons.length] ?? '';
      const failure = { attempt: `a${task}`, worker: `w-${task % 2}`, reason, exitCode: 1, error };
      const body = JSON.stringify({
        format: 1,
        number: 1,
        ...failure,
        ...times,
        cause: 'c',
        entries: from === 0 ? 1 : 99,
      });
      for (let n = 0; n < retries; n += 1) await store.put(tryKey(job, 'price', task, 0, `t${n}`), body);
      await store.put(failedKey(job, 'price', task, 0), body);
      await (await ledger()).record([event('failed', task, { job, ...failure, startedAt, endedAt })]);
    }
  }

  /** The platform as the guard sees it: task n + 1 failed `apart` seconds after task n. `requests`: those to its store. */
  function observed(apart = 1): { readonly platform: Platform; readonly requests: readonly string[] } {
    const { platform } = place;
    async function* listApart(prefix: string): AsyncIterable<ObjectEntry> {
      for await (const entry of platform.store.list(prefix)) {
        const { task = 0 } = taskOfFailed(entry.key) ?? taskOfTry(entry.key) ?? {};
        yield { ...entry, modified: NOW + apart * 1_000 * task };
      }
    }
    const { store, requests } = recordRequests(wrapStore(platform.store, { list: listApart }));
    return { platform: { ...platform, store, clock: new FakeClock(NOW) }, requests };
  }
  const guard = async (view: JobView): Promise<JobView> => guardDeployment(observed().platform, view, FIRST_ROUND);

  it('pauses a job that has more to run, and lets a job close whose tasks have all ended', async () => {
    for (const [tasks, paused] of [
      [30, true],
      [25, false],
    ] as const) {
      const view = await submitWithFailures(job(tasks), 25);
      expect((await guard(view)).paused !== null, `of ${tasks} tasks`).to.equal(paused);
      const glanced = await new JobWatcher(place.platform, 15).glance(view.record.job, true);
      expect(glanced?.view.closed?.state ?? null).to.equal(paused ? null : 'failed');
    }
  });

  it('pauses a job at once whose first tasks all fail alike, and for that cause only once a round', async () => {
    const same = { retries: 0, say: ['no such table'] };
    const view = await submitWithFailures(job(200), 25, 0, same.say);
    const paused = await guardDeployment(observed(0).platform, view, FIRST_ROUND);
    expect(paused.paused).to.include({
      reason: 'deployment',
      detail: '25 tasks of price failed alike on 2 workers, and none succeeded; the last error: no such table',
    });
    const resumed = await addEntry(place.platform, paused, { what: 'resume' });
    await failTasks(resumed, 60, { ...same, from: 30 });
    expect((await guardDeployment(observed(0).platform, resumed, FIRST_ROUND)).paused).to.equal(null);
  });

  it('says that an input has changed only if all of the failures were for that', async () => {
    for (const [reasons, reason] of [
      [['changed'], 'changed'],
      [['changed', 'exit'], 'deployment'],
    ] as const) {
      const view = await submitWithFailures(job(30), 25, 0, ['a.csv is gone', 'x'], [...reasons]);
      expect((await guard(view)).paused?.reason, reasons.join()).to.equal(reason);
    }
  });

  it("doesn't pause for tasks whose attempts a person killed, which says nothing about the program", async () => {
    for (const say of [['killed by ann'], ['x', 'y']]) {
      const view = await submitWithFailures(job(60), 25, 0, say, ['killed']);
      expect((await guardDeployment(observed(0).platform, view, FIRST_ROUND)).paused, say.join()).to.equal(null);
    }
  });

  it("doesn't pause for tasks that fail alike while another worker may be healthy", async () => {
    const view = await submitWithFailures(job(200), 25, 0, ['no such table']);
    const healthy = worker({ worker: 'w-healthy', group: 'other,default', seenAt: NOW });
    await (await place.platform.ledger()).heartbeat(healthy);
    expect((await guardDeployment(observed(0).platform, view, FIRST_ROUND)).paused).to.equal(null);
  });

  it('pauses a job whose newest failures are retries of few tasks', async () => {
    const after = await guard(await submitWithFailures(job(30), 25, 4));
    expect(after.paused?.detail).to.match(/^25 tasks of price failed on 2 workers/);
  });

  it("doesn't pause while some attempts run twice as long as the failed ones did", async () => {
    for (const [age, paused] of [
      [5_000, false],
      [500, true],
    ] as const) {
      const view = await submitWithFailures(job(60), 30);
      const ledger = await place.platform.ledger();
      await ledger.record([40, 41, 42].map((task) => running(view, task, NOW - age)));
      expect((await guard(view)).paused !== null, `${age} ms`).to.equal(paused);
    }
  });

  it('ignores a job with "halt: never", and requests nothing for it', async () => {
    const view = await submitWithFailures(`${job(60)}halt: never\n`, 40);
    const { platform, requests } = observed();
    expect((await guardDeployment(platform, view, FIRST_ROUND)).paused).to.equal(null);
    expect((await guardFailures(platform, view)).paused).to.equal(null);
    expect(requests).to.deep.equal([]);
  });

  it('lists published outputs, of which there may be a million, only when the failures point to the program', async () => {
    const view = await submitWithFailures(job(60), 40);
    // They failed at once, so for two seconds it is unknown whether other attempts survive.
    const { platform, requests } = observed(0);
    expect((await guardDeployment(platform, view, FIRST_ROUND)).paused).to.equal(null);
    expect(requests.filter((request) => !request.startsWith('read '))).to.deep.equal([
      `list ${triesPrefix(view.record.job, 'price')}`,
      `list ${failedPrefix(view.record.job, 'price')}`,
    ]);
  });

  it('requests nothing once a person has resumed the round twice', async () => {
    let view = await submitWithFailures(job(60), 40);
    const tripped = { step: 'price', round: 0, done: 0 };
    for (const _ of [1, 2]) {
      view = await addEntry(place.platform, view, { what: 'pause', now: false, reason: 'deployment', tripped });
      view = await addEntry(place.platform, view, { what: 'resume' });
    }
    const { platform, requests } = observed();
    expect((await guardDeployment(platform, view, FIRST_ROUND)).paused).to.equal(null);
    expect(requests).to.deep.equal([]);
  });

  it('ignores failures from before a resume, because the program may have been fixed since', async () => {
    const view = await submitWithFailures(job(60), 40);
    const { platform } = observed();
    const resume = async (): Promise<JobView> => {
      const paused = await addEntry(place.platform, view, { what: 'pause', now: false, reason: 'x' });
      return addEntry(place.platform, paused, { what: 'resume' });
    };
    // A resume during the listing of failures.
    let resumed: JobView | null = null;
    const store = wrapStore(platform.store, {
      list: async function* (prefix) {
        if (prefix === failedPrefix(view.record.job, 'price')) resumed ??= await resume();
        yield* platform.store.list(prefix);
      },
    });
    const during = await guardDeployment({ ...platform, store }, view, FIRST_ROUND);
    expect([resumed === null, during.paused]).to.deep.equal([false, null]);
    const after = await guardDeployment(platform, await refreshView(platform.store, view), FIRST_ROUND);
    expect([after.resumedAt === null, after.paused]).to.deep.equal([false, null]);
  });

  it('lets the next watcher update the ledger when it is killed right after its journal entry', async () => {
    const { platform } = place;
    const view = await submitJob(place, job(30), {});
    const ledger = await platform.ledger();
    await append(platform, view, () => ({ what: 'pause', now: false, reason: 'deployment' }));
    expect((await ledger.job(view.record.job))?.state).to.equal('running');
    await new JobWatcher(platform, 15).round();
    expect(await ledger.job(view.record.job)).to.include({ state: 'paused', reason: 'deployment' });
    await append(platform, await requireView(platform.store, view.record.job), () => ({ what: 'resume' }));
    await new JobWatcher(platform, 15).round();
    expect(await ledger.job(view.record.job)).to.include({ state: 'running', reason: null });
    expect((await refreshView(platform.store, view)).closed).to.equal(null);
  });

  it('records in the ledger that a job reached its halt limit', async () => {
    const { platform } = place;
    const view = await submitWithFailures(`${job(60)}halt: 5%\n`, 20);
    expect((await guardFailures(platform, view)).paused?.reason).to.equal('halt');
    expect(await (await platform.ledger()).job(view.record.job)).to.include({ state: 'paused', reason: 'halt' });
  });

  it('pauses at exactly the halt limit, and below twenty ended tasks of the listing never', async () => {
    const { platform } = place;
    const few = await submitWithFailures(`${job(60)}halt: 100%\n`, 20);
    const last = failedKey(few.record.job, 'price', 19, 0);
    const body = (await platform.store.read(last)) ?? '';
    // The ledger counts twenty, the store has nineteen.
    await platform.store.delete([last]);
    expect((await guardFailures(platform, few)).paused).to.equal(null);
    await platform.store.put(last, body);
    expect((await guardFailures(platform, few)).paused?.reason).to.equal('halt');
  });
});
