// Protects: a job whose program fails everywhere is paused before it burns through all its tasks.
import { expect } from 'chai';
import { append, refreshView, requireView } from '../../../src/jobs/journal.ts';
import { guardDeployment, guardFailures } from '../../../src/jobs/watch/guards.ts';
import { JobWatcher } from '../../../src/jobs/watch/job-watcher.ts';
import {
  failedKey,
  failedPrefix,
  stepPrefix,
  taskOfFailed,
  taskOfTry,
  triesPrefix,
  tryKey,
} from '../../../src/model/keys.ts';
import type { JobView } from '../../../src/model/view.ts';
import type { AttemptEvent } from '../../../src/ports/ledger.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { addEntry } from '../../support/claims-job.ts';
import { forEachTest } from '../../support/fixture.ts';
import { wrapStore } from '../../support/wrap-store.ts';
import { openPlace, type Place } from '../published-job.ts';
import { submitJob } from '../submitted-job.ts';

const job = (tasks: number): string => `
name: breaks
input: { split: { by: range, from: 1, to: ${tasks} } }
steps:
  - { name: price, run: [cat] }
`;
const running = ({ record: { job } }: JobView, task: number, startedAt: number): AttemptEvent => ({
  ...{ job, step: 'price', task, round: 0, attempt: `r${task}`, number: 1, worker: 'w-9', slot: 0, outcome: 'running' },
  ...{ startedAt, endedAt: null, waitSeconds: null, exitCode: null, reason: null, error: null, cpuSeconds: null },
  ...{ peakMemory: null, bytesIn: null, bytesOut: null, counters: {} },
});
const AT = { index: 0, round: 0 } as const;

describe('the guard against a program that fails everywhere', () => {
  const place = forEachTest(openPlace);

  /** The first tasks fail for good, alternating between two workers. */
  async function failing({ platform }: Place, view: JobView, tasks: number, retries = 0): Promise<void> {
    const ledger = await platform.ledger();
    const [startedAt, endedAt] = [Date.now() - 1_000, Date.now()];
    const times = { startedAt: new Date(startedAt).toISOString(), endedAt: new Date(endedAt).toISOString() };
    for (let task = 0; task < tasks; task += 1) {
      const about = {
        attempt: `a${task}`,
        number: 1,
        worker: `w-${task % 2}`,
        reason: 'exit',
        exitCode: 1,
        error: 'x',
      };
      const body = { format: 1, ...about, ...times, cause: 'c', entries: 1 };
      for (let n = 0; n < retries; n += 1)
        await platform.store.put(tryKey(view.record.job, 'price', task, 0, `t${n}`), JSON.stringify(body));
      await platform.store.put(failedKey(view.record.job, 'price', task, 0), JSON.stringify(body));
      await ledger.record([{ ...running(view, task, startedAt), ...about, outcome: 'failed', endedAt }]);
    }
  }
  /** The platform with failures one second apart, and a count of the requests for the step's objects. */
  function slowed({ platform }: Place, view: JobView): { readonly platform: Platform; readonly asked: () => number } {
    let asked = 0;
    const store = new Proxy(platform.store, {
      get: (of, name) => {
        const value: unknown = Reflect.get(of, name);
        if (typeof value !== 'function') return value;
        if (name === 'list')
          return async function* (prefix: string) {
            for await (const entry of of.list(prefix)) {
              const { task = 0 } = taskOfFailed(entry.key) ?? taskOfTry(entry.key) ?? {};
              yield { ...entry, modified: entry.modified + 1_000 * task };
            }
          };
        return (...given: readonly unknown[]) => {
          if (String(given[0]).startsWith(stepPrefix(view.record.job, 'price'))) asked += 1;
          return value.apply(of, given);
        };
      },
    });
    return { platform: { ...platform, store }, asked: () => asked };
  }

  it('pauses a job that has more to run, and lets a job close whose tasks have all ended', async () => {
    for (const [tasks, paused] of [
      [30, true],
      [25, false],
    ] as const) {
      const view = await submitJob(place, job(tasks), {});
      await failing(place, view, 25);
      const after = await guardDeployment(slowed(place, view).platform, view, AT);
      expect(after.paused !== null, `of ${tasks} tasks`).to.equal(paused);
      const glanced = await new JobWatcher(place.platform, 15).glance(view.record.job, true);
      expect(glanced?.view.closed?.state ?? null).to.equal(paused ? null : 'failed');
    }
  });

  it('pauses a job whose newest failures are retries of few tasks', async () => {
    const view = await submitJob(place, job(30), {});
    await failing(place, view, 25, 4);
    const after = await guardDeployment(slowed(place, view).platform, view, AT);
    expect(after.paused?.detail).to.match(/^25 tasks of price failed on 2 workers/);
  });

  it("doesn't pause while some attempts run twice as long as the failed ones did", async () => {
    for (const [age, paused] of [
      [5_000, false],
      [500, true],
    ] as const) {
      const view = await submitJob(place, job(60), {});
      await failing(place, view, 30);
      const ledger = await place.platform.ledger();
      for (const task of [40, 41, 42]) await ledger.record([running(view, task, Date.now() - age)]);
      const after = await guardDeployment(slowed(place, view).platform, view, AT);
      expect(after.paused !== null, `${age} ms`).to.equal(paused);
    }
  });

  it('leaves a job with "halt: never" alone, and lists nothing for it', async () => {
    const view = await submitJob(place, `${job(60)}halt: never\n`, {});
    await failing(place, view, 40);
    const { platform, asked } = slowed(place, view);
    expect((await guardDeployment(platform, view, AT)).paused).to.equal(null);
    expect((await guardFailures(platform, view)).paused).to.equal(null);
    expect(asked()).to.equal(0);
  });

  it('lists published outputs, of which there may be a million, only when the failures point to the program', async () => {
    const view = await submitJob(place, job(60), {});
    await failing(place, view, 40);
    const listed: string[] = [];
    const store = new Proxy(place.platform.store, {
      get: (of, name) => {
        const value: unknown = Reflect.get(of, name);
        if (typeof value !== 'function') return value;
        return (...given: readonly unknown[]) => {
          if (name === 'list' || name === 'keys') listed.push(String(given[0]));
          return value.apply(of, given);
        };
      },
    });
    // They failed at once, so for two seconds it is unknown whether other attempts survive.
    expect((await guardDeployment({ ...place.platform, store }, view, AT)).paused).to.equal(null);
    expect(listed).to.deep.equal([triesPrefix(view.record.job, 'price'), failedPrefix(view.record.job, 'price')]);
  });

  it('lists nothing once a person has resumed the round twice', async () => {
    let view = await submitJob(place, job(60), {});
    await failing(place, view, 40);
    const tripped = { step: 'price', round: 0, done: 0 };
    for (const _ of [1, 2]) {
      view = await addEntry(place.platform, view, { what: 'pause', now: false, reason: 'deployment', tripped });
      view = await addEntry(place.platform, view, { what: 'resume' });
    }
    const { platform, asked } = slowed(place, view);
    expect((await guardDeployment(platform, view, AT)).paused).to.equal(null);
    expect(asked()).to.equal(0);
  });

  it('ignores failures from before a resume, because the program may have been fixed since', async () => {
    const view = await submitJob(place, job(60), {});
    await failing(place, view, 40);
    const { platform } = slowed(place, view);
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
    const during = await guardDeployment({ ...platform, store }, view, AT);
    expect([resumed === null, during.paused]).to.deep.equal([false, null]);
    const after = await guardDeployment(platform, await refreshView(platform.store, view), AT);
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
    const view = await submitJob(place, `${job(60)}halt: 5%\n`, {});
    await failing(place, view, 20);
    expect((await guardFailures(platform, view)).paused?.reason).to.equal('halt');
    expect(await (await platform.ledger()).job(view.record.job)).to.include({ state: 'paused', reason: 'halt' });
  });
});
