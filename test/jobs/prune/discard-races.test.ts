// Protects: a submission that was suspended for a day continues, or is discarded by another process, but never both.
import { expect } from 'chai';
import { discardAbandoned } from '../../../src/jobs/discard.ts';
import { readJob } from '../../../src/jobs/journal.ts';
import { pruneLeftovers } from '../../../src/jobs/prune/leftovers.ts';
import { choosePrunable } from '../../../src/jobs/prune/prune.ts';
import { parseJobFile } from '../../../src/jobs/spec/job-file.ts';
import type { SubmitOptions, SubmitResult } from '../../../src/jobs/submit/options.ts';
import { prepare } from '../../../src/jobs/submit/prepare.ts';
import { submit } from '../../../src/jobs/submit/submit.ts';
import { JobWatcher } from '../../../src/jobs/watch/job-watcher.ts';
import { Gate } from '../../../src/lib/wait.ts';
import { jobPrefix, OPEN_PREFIX, runClaimKey } from '../../../src/model/keys.ts';
import { stateOf } from '../../../src/model/view.ts';
import type { ObjectStore } from '../../../src/ports/object-store.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { forEachTest } from '../../support/fixture.ts';
import { rangeJob } from '../../support/range-job.ts';
import { failsWith } from '../../support/rejection.ts';
import { keysBelow } from '../../support/stored.ts';
import { submissionRequest } from '../../support/submission-request.ts';
import { agedStore, beforeFirstPut, wrapStore } from '../../support/wrap-store.ts';
import { openPlace } from '../published-job.ts';
import { publishAll, work } from '../submitted-job.ts';
import { DAY } from './finished-job.ts';

/** Suspends a process before a write: `reached` resolves there, and the process continues after `resume`. */
class Suspension {
  readonly #start = new Gate();
  readonly #end = new Gate();
  readonly reached = this.#start.next();
  readonly #resumed = this.#end.next();

  suspend(): Promise<void> {
    this.#start.open();
    return this.#resumed;
  }

  resume(): void {
    this.#end.open();
  }
}

interface SuspendedProcess {
  readonly platform: Platform;
  readonly suspension: Suspension;
}

describe('a submission that was suspended for a day, and a process that discards it', () => {
  const place = forEachTest(openPlace);
  /** The same store, two days later. */
  let later: Platform;
  beforeEach(() => {
    later = { ...place.platform, store: agedStore(place.platform.store, 2 * DAY) };
  });

  async function submitBy(
    platform: Platform,
    runKey: string | null,
    mode: SubmitOptions['mode'] = 'new',
  ): Promise<SubmitResult> {
    const yaml = JSON.stringify(rangeJob('claims', 3, { name: 'price', run: ['cat'] }));
    const request = submissionRequest(parseJobFile(yaml, { file: 'job.yaml' }), place.directory, { runKey });
    return submit(platform, await prepare(request, platform.store), { mode });
  }

  /** A submitter that is suspended before the first put of a key that matches `at`. */
  function suspendedSubmitter(at: RegExp): SuspendedProcess {
    const suspension = new Suspension();
    const store = beforeFirstPut(
      place.platform.store,
      (key) => at.test(key),
      () => suspension.suspend(),
    );
    return { platform: { ...place.platform, store }, suspension };
  }

  /** A cleaner that is suspended before its decision or, if `decided`, between its decision and the first deletion. */
  function suspendedCleaner(decided: boolean): SuspendedProcess {
    const { store } = later;
    const suspension = new Suspension();
    const put: ObjectStore['put'] = async (key, body, options) => {
      if (!decided && /^(jobs|runs)\//.test(key)) await suspension.suspend();
      return store.put(key, body, options);
    };
    const remove: ObjectStore['delete'] = async (keys) => {
      if (keys.some((key) => /^(jobs|open)\//.test(key))) await suspension.suspend();
      return store.delete(keys);
    };
    return { platform: { ...later, store: wrapStore(store, { put, delete: remove }) }, suspension };
  }

  const CLEANERS = {
    'a watcher': async (platform: Platform): Promise<void> => {
      await new JobWatcher(platform, 15, (_, error) => expect.fail(String(error)), { raises: false }).round();
    },
    prune: async (platform: Platform): Promise<void> => {
      await pruneLeftovers(platform, await choosePrunable(platform, 0), 0, {});
    },
  };

  const keys = (...prefixes: readonly string[]) => keysBelow(place.platform.store, ...prefixes);

  const firstJob = async (): Promise<string> => (await keys('jobs/'))[0]?.split('/')[1] ?? '';

  async function expectRefused(submission: Promise<SubmitResult>, job: string): Promise<void> {
    expect((await failsWith('refused', submission)).message).to.include(`${job} was discarded`);
  }

  async function expectSuccess({ view, created }: SubmitResult): Promise<void> {
    expect(created).to.equal(true);
    expect(stateOf(await publishAll(place.platform, view))).to.equal('succeeded');
  }

  const POINTS = [
    { runKey: 'month-end', before: 'job.json', at: /\/job\.json$/ },
    { runKey: 'month-end', before: 'its claim', at: /^runs\// },
    { runKey: null, before: 'job.json', at: /\/job\.json$/ },
    { runKey: 'month-end', before: 'its mark', at: /^open\// },
  ] as const;
  const caseOf = (runKey: string | null, before: string): string =>
    `with ${runKey === null ? 'no run key' : 'a run key'}, suspended before ${before}`;

  for (const { runKey, before, at } of POINTS) {
    for (const [name, clean] of Object.entries(CLEANERS)) {
      // Only prune removes a submission without a mark.
      if (before === 'its mark' && name !== 'prune') continue;
      it(`${caseOf(runKey, before)}, discarded by ${name}: it is refused, and can be submitted again`, async () => {
        const { platform, suspension } = suspendedSubmitter(at);
        const submission = submitBy(platform, runKey);
        await suspension.reached;
        const job = await firstJob();
        await clean(later);
        const fence = before === 'its claim' ? [] : [`${jobPrefix(job)}job.json`];
        expect(await keys('jobs/', OPEN_PREFIX)).to.deep.equal(fence);
        expect(await readJob(place.platform.store, job)).to.equal(null);
        suspension.resume();
        await expectRefused(submission, job);
        expect(await keys('jobs/', OPEN_PREFIX)).to.deep.equal(fence);
        await clean(later);
        expect(await keys('jobs/', OPEN_PREFIX)).to.deep.equal(fence);
        await expectSuccess(await submitBy(place.platform, runKey));
      });
    }
  }

  for (const { runKey, before, at } of POINTS) {
    it(`${caseOf(runKey, before)}, resumed before a prune decides to discard it: it is committed and kept`, async () => {
      const submitter = suspendedSubmitter(at);
      const submission = submitBy(submitter.platform, runKey);
      await submitter.suspension.reached;
      const cleaner = suspendedCleaner(false);
      const cleaning = CLEANERS.prune(cleaner.platform);
      await cleaner.suspension.reached;
      submitter.suspension.resume();
      const submitted = await submission;
      cleaner.suspension.resume();
      await cleaning;
      expect(await keys(OPEN_PREFIX)).to.have.length(1);
      await expectSuccess(submitted);
    });
  }

  it('the next process removes what a cleaner left that died after its decision', async () => {
    for (const at of [/\/job\.json$/, /^runs\//]) {
      const { platform, suspension } = suspendedSubmitter(at);
      const submission = submitBy(platform, 'month-end');
      await suspension.reached;
      const job = (await keys(OPEN_PREFIX))[0]?.slice(OPEN_PREFIX.length, -2) ?? '';
      const dying = suspendedCleaner(true);
      const cleaning = CLEANERS['a watcher'](dying.platform);
      await dying.suspension.reached;
      expect(await keys(`${jobPrefix(job)}parts/`)).not.to.deep.equal([]);
      suspension.resume();
      await expectRefused(submission, job);
      await CLEANERS['a watcher'](later);
      expect((await keys(jobPrefix(job), OPEN_PREFIX)).filter((key) => !key.endsWith('/job.json'))).to.deep.equal([]);
      dying.suspension.resume();
      await cleaning;
    }
    await expectSuccess(await submitBy(place.platform, 'month-end'));
  });

  it('another submission with the key skips the number of one that was discarded meanwhile', async () => {
    const first = suspendedSubmitter(/^runs\//);
    const discarded = submitBy(first.platform, 'month-end');
    await first.suspension.reached;
    const job = await firstJob();
    const second = suspendedSubmitter(/^runs\//);
    const submission = submitBy(second.platform, 'month-end');
    await second.suspension.reached;
    await discardAbandoned(later, job);
    second.suspension.resume();
    const { view, created } = await submission;
    expect(created).to.equal(true);
    expect(await keys('runs/')).to.deep.equal([runClaimKey('month-end', 0), runClaimKey('month-end', 1)]);
    first.suspension.resume();
    await expectRefused(discarded, job);
    expect(await readJob(place.platform.store, view.record.job)).to.deep.include({ job: view.record.job });
    expect(await submitBy(place.platform, 'month-end')).to.deep.include({ created: false });
    await expectSuccess(await submitBy(place.platform, 'month-end', 'again'));
    expect(await keys('runs/')).to.have.length(3);
  });

  it("a worker doesn't discard a suspended submission, because it may put neither a job nor a run key", async () => {
    const { platform, suspension } = suspendedSubmitter(/^runs\//);
    const submission = submitBy(platform, 'month-end');
    await suspension.reached;
    const before = await keys('jobs/', OPEN_PREFIX);
    await work(later);
    expect(await keys('jobs/', OPEN_PREFIX)).to.deep.equal(before);
    suspension.resume();
    await expectSuccess(await submission);
  });

  it('a watcher that read a job just before its commit keeps its open mark', async () => {
    const { view } = await submitBy(place.platform, 'month-end');
    await discardAbandoned(place.platform, view.record.job);
    expect(await keys(OPEN_PREFIX)).to.have.length(1);
  });
});
