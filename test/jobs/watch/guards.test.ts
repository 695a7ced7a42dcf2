// Protects: the guards of a job count what concerns its present round and program, and decide by its present journal.
import { expect } from 'chai';
import { readEntries } from '../../../src/jobs/journal.ts';
import { guardDeployment, guardFailures } from '../../../src/jobs/watch/guards.ts';
import { failedKey, failedPrefix, outKey, taskOfFailed, taskOfTry, tryKey } from '../../../src/model/keys.ts';
import type { JobView } from '../../../src/model/view.ts';
import type { ObjectEntry } from '../../../src/ports/object-store.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { doneEvents, event, worker } from '../../contracts/ledger-events.ts';
import { addEntry } from '../../support/claims-job.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { forEachTest } from '../../support/fixture.ts';
import { recordRequests } from '../../support/record-requests.ts';
import { wrapStore } from '../../support/wrap-store.ts';
import { openPlace } from '../published-job.ts';
import { submitJob } from '../submitted-job.ts';

const job = (tasks: number, more = ''): string => `
name: guarded
input: { split: { by: range, from: 1, to: ${tasks} } }
steps:
  - { name: price, run: [cat] }
${more}
`;
/** By the guard's clock and by the store: after every journal entry. */
const NOW = Date.now() + 3_600_000;
const FIRST = { index: 0, round: 0 } as const;
/** No two of them are one cause. */
const ERRORS = ['no such table', 'out of range', 'refused'];
const PERSON = { what: 'pause', now: false, reason: 'person' } as const;

interface Failing {
  readonly from?: number;
  readonly round?: number;
  /** Failed attempts of each task before its last. */
  readonly retries?: number;
  readonly worker?: (task: number) => string;
  readonly error?: (task: number) => string;
  readonly reason?: (task: number) => string;
  /** Entries of the journal that its worker had read. */
  readonly entries?: number;
}

describe('the guards of a job', () => {
  const place = forEachTest(openPlace);

  /** Tasks `from` to below `to` failed for good, after a second each: by default on two workers in turn, each for itself. */
  async function fail(view: JobView, to: number, failing: Failing = {}): Promise<void> {
    const { from = 0, round = 0, retries = 0, entries = 1 } = failing;
    const {
      worker = (task) => `w-${task % 2}`,
      error = (task) => ERRORS[task % 3] ?? '',
      reason = () => 'exit',
    } = failing;
    const { store, ledger } = place.platform;
    const id = view.record.job;
    const [startedAt, endedAt] = [NOW - 1_000, NOW];
    const times = { startedAt: new Date(startedAt).toISOString(), endedAt: new Date(endedAt).toISOString() };
    for (let task = from; task < to; task += 1) {
      const said = { worker: worker(task), error: error(task), reason: reason(task), exitCode: 1 };
      const body = JSON.stringify({
        format: 1,
        number: 1,
        attempt: `a${task}`,
        ...said,
        ...times,
        cause: 'c',
        entries,
      });
      for (let n = 0; n < retries; n += 1) await store.put(tryKey(id, 'price', task, round, `t${n}`), body);
      await store.put(failedKey(id, 'price', task, round), body);
      await (await ledger()).record([event('failed', task, { job: id, round, ...said, startedAt, endedAt })]);
    }
  }

  /** The platform as the guard sees it: task n + 1 failed `apart` seconds after task n. */
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

  const guard = (view: JobView, round = 0, apart = 1): Promise<JobView> =>
    guardDeployment(observed(apart).platform, view, { ...FIRST, round });

  const heartbeat = async (name: string, state: 'idle' | 'gone' = 'idle'): Promise<void> =>
    (await place.platform.ledger()).heartbeat(worker({ worker: name, group: 'default', state, seenAt: NOW }));

  const entriesOf = async ({ record }: JobView): Promise<readonly string[]> =>
    (await readEntries(place.platform.store, record.job)).map(({ what }) => what);

  describe('against failures', () => {
    it('read no counters of a job that neither stops nor halts', async () => {
      const view = await submitJob(place, job(3), {});
      const platform = { ...place.platform, ledger: () => Promise.reject(new Error('the ledger was read')) };
      expect(await guardFailures(platform, view)).to.equal(view);
    });

    it('stop a job once, however many watchers see the failure', async () => {
      const view = await submitJob(place, job(30, 'onFailure: stop\nhalt: 5%'), {});
      await fail(view, 25);
      for (const _ of [1, 2]) expect((await guardFailures(place.platform, view)).stopped).to.include('failed for good');
      // A job that gave up the rest has nothing to pause.
      expect(await entriesOf(view)).to.deep.equal(['sent', 'stop']);
    });

    it('leave a job alone that has closed, or that a person has paused, since they looked', async () => {
      const halting = await submitJob(place, job(30, 'halt: 5%'), {});
      await fail(halting, 25);
      await addEntry(place.platform, halting, PERSON);
      expect((await guardFailures(place.platform, halting)).paused?.reason).to.equal('person');
      const closing = await submitJob(place, job(30, 'onFailure: stop\nhalt: 5%'), {});
      await fail(closing, 25);
      await addEntry(place.platform, closing, { what: 'close', state: 'failed', reason: 'failures', round: 0 });
      expect(await guardFailures(place.platform, closing)).to.include({ stopped: null, paused: null });
    });
  });

  describe('against a bad program', () => {
    it('read the newest forty failures, of which five must be on another worker than the most', async () => {
      const view = await submitJob(place, job(60), {});
      await fail(view, 40, { worker: (task) => (task < 10 ? 'w-1' : 'w-0') });
      expect((await guard(view)).paused?.reason).to.equal('deployment');
    });

    it('read one failure a task beyond them, until there are twenty tasks', async () => {
      const view = await submitJob(place, job(60), {});
      await fail(view, 25, { retries: 4 });
      const { platform, requests } = observed();
      expect((await guardDeployment(platform, view, FIRST)).paused).not.to.equal(null);
      // Five failures a task: forty are those of eight tasks.
      expect(requests.filter((request) => /^read .*\/(tries|failed)\//.test(request))).to.have.length(40 + 12);
    });

    it('request nothing for a job that is paused, and pause none that a person has paused or a failure has stopped', async () => {
      const view = await submitJob(place, job(60), {});
      await fail(view, 30);
      const paused = await addEntry(place.platform, view, PERSON);
      expect((await guard(view)).paused?.reason).to.equal('person');
      const { platform, requests } = observed();
      await guardDeployment(platform, paused, FIRST);
      expect(requests).to.deep.equal([]);
      const other = await submitJob(place, job(60), {});
      await fail(other, 30);
      await addEntry(place.platform, other, { what: 'stop', cause: 'x' });
      expect((await guard(other)).paused).to.equal(null);
    });

    it('count only failures, outputs and running attempts of the round', async () => {
      const submitted = await submitJob(place, job(200), {});
      const id = submitted.record.job;
      await fail(submitted, 25);
      // A hundred others were done in the first round.
      for (let task = 100; task < 200; task += 1) await place.platform.store.put(outKey(id, 'price', task), 'x');
      await (await place.platform.ledger()).record(doneEvents(100, { job: id }, 100));
      const tasks = { price: '0-49' };
      const retry = { what: 'retry', round: 1, tasks, canaries: null, overrides: {} } as const;
      const view = await addEntry(place.platform, submitted, retry);
      await fail(view, 15, { round: 1 });
      expect((await guard(view, 1)).paused, 'fifteen of the round').to.equal(null);
      await fail(view, 30, { from: 15, round: 1 });
      // Attempts of the round before, which run for longer than those that failed.
      const old = { job: id, worker: 'w-9', startedAt: NOW - 60_000 };
      const ledger = await place.platform.ledger();
      await ledger.record([40, 41, 42].map((task) => event('running', task, { ...old, attempt: `r${task}` })));
      expect((await guard(view, 1)).paused?.detail).to.match(/^30 tasks of price failed on 2 workers, and none succ/);
    });

    it('count no task twice that a person killed', async () => {
      const view = await submitJob(place, job(60), {});
      await fail(view, 50, { error: () => 'x', reason: (task) => (task % 2 === 0 ? 'exit' : 'killed') });
      expect((await guard(view, 0, 0)).paused?.detail).to.match(/^20 tasks of price failed alike on 1 worker,/);
    });

    it('count as healthy only live workers on which none of the tasks failed', async () => {
      const view = await submitJob(place, job(60), {});
      await fail(view, 25, { error: () => 'no such table' });
      for (const name of ['w-0', 'w-1']) await heartbeat(name);
      await heartbeat('w-left', 'gone');
      expect((await guard(view, 0, 0)).paused?.reason).to.equal('deployment');
    });

    it('begin to count again when a person resumes the job', async () => {
      const submitted = await submitJob(place, job(200), {});
      const { store } = place.platform;
      for (let task = 100; task < 110; task += 1) await store.put(outKey(submitted.record.job, 'price', task), 'x');
      await fail(submitted, 30);
      const tripped = { step: 'price', round: 0, done: 10 };
      await addEntry(place.platform, submitted, { what: 'pause', now: false, reason: 'deployment', tripped });
      const resumed = await addEntry(place.platform, submitted, { what: 'resume' });
      expect(resumed.resumedAt).to.equal(2);
      // Their worker had not read the entry of the resume when they began.
      await fail(resumed, 60, { from: 30, entries: 2 });
      expect((await guard(resumed)).paused).to.equal(null);
      await fail(resumed, 90, { from: 60, entries: 3 });
      expect((await guard(resumed)).paused?.detail).to.match(/tasks of price failed on 2 workers, and none succeeded/);
    });

    it('read no failure that is older than the resume', async () => {
      const view = await submitJob(place, job(60), {});
      await fail(view, 30, { entries: 99 });
      const paused = await addEntry(place.platform, view, PERSON);
      const resumed = await addEntry(place.platform, paused, { what: 'resume' });
      const { store, requests } = recordRequests(place.platform.store);
      expect((await guardDeployment({ ...place.platform, store }, resumed, FIRST)).paused).to.equal(null);
      const read = requests.filter((request) => request.startsWith(`read ${failedPrefix(view.record.job, 'price')}`));
      expect(read).to.deep.equal([]);
    });
  });
});
