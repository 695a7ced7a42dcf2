// Protects: when a submission that slept for a day meets a process that discards it, only one of the two continues.
import { expect } from 'chai';
import { readJob, requireView } from '../../../src/jobs/journal.ts';
import { discardAbandoned } from '../../../src/jobs/prune/discard.ts';
import { pruneLeftovers } from '../../../src/jobs/prune/leftovers.ts';
import { choosePrunable } from '../../../src/jobs/prune/prune.ts';
import { parseJobFile } from '../../../src/jobs/spec/job-file.ts';
import { prepare } from '../../../src/jobs/submit/prepare.ts';
import { type SubmitOptions, type SubmitResult, submit } from '../../../src/jobs/submit/submit.ts';
import { JobWatcher } from '../../../src/jobs/watch/job-watcher.ts';
import { jobPrefix, OPEN_PREFIX, runClaimKey } from '../../../src/model/keys.ts';
import { stateOf } from '../../../src/model/view.ts';
import type { ObjectStore } from '../../../src/ports/object-store.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { keysBelow } from '../../support/stored.ts';
import { agedStore, beforeFirstPut, wrapStore } from '../../support/wrap-store.ts';
import { openPlace } from '../published-job.ts';
import { publishAll, work } from '../submitted-job.ts';

const YAML = `
name: claims
input: { split: { by: range, from: 1, to: 3 } }
steps:
  - { name: price, run: [cat] }
`;
const DAYS = 2 * 24 * 3_600_000;

/** Suspends a process before a write: `reached` resolves there, and the process continues after `go`. */
class Suspended {
  readonly reached: Promise<void>;
  readonly #gone: Promise<void>;
  #tell: () => void = () => undefined;
  go: () => void = () => undefined;

  constructor() {
    this.reached = new Promise((resolve) => {
      this.#tell = resolve;
    });
    this.#gone = new Promise((resolve) => {
      this.go = resolve;
    });
  }

  async here(): Promise<void> {
    this.#tell();
    await this.#gone;
  }
}

describe('a submission that slept for a day, and a process that discards it', () => {
  const place = forEachTest(openPlace);
  /** The same store, two days later. */
  let later: Platform;
  beforeEach(() => {
    later = { ...place.platform, store: agedStore(place.platform.store, DAYS) };
  });

  async function submitBy(
    platform: Platform,
    runKey: string | null,
    mode: SubmitOptions['mode'] = 'new',
  ): Promise<SubmitResult> {
    const request = {
      ...{ spec: parseJobFile(YAML, { file: 'job.yaml' }), directory: place.directory, inputs: [] },
      ...{ inputDirectory: place.directory, stdin: null, params: {}, labels: {}, period: null },
      ...{ runKey, expectInputs: null, allowEmpty: false },
    };
    return submit(platform, await prepare(request, platform.store), { mode });
  }

  /** A submitter that is suspended before the first put of a key that matches `at`. */
  function sleeper(at: RegExp): { readonly platform: Platform; readonly asleep: Suspended } {
    const asleep = new Suspended();
    const store = beforeFirstPut(
      place.platform.store,
      (key) => at.test(key),
      () => asleep.here(),
    );
    return { platform: { ...place.platform, store }, asleep };
  }

  /** A cleaner that is suspended before its decision or, if `decided`, between its decision and what follows. */
  function cleaner(decided: boolean): { readonly platform: Platform; readonly asleep: Suspended } {
    const { store } = later;
    const asleep = new Suspended();
    let passed = false;
    const pass = async (): Promise<void> => {
      if (passed) return;
      passed = true;
      await asleep.here();
    };
    const put: ObjectStore['put'] = async (key, body, options) => {
      if (!decided && /^(jobs|runs)\//.test(key)) await pass();
      return store.put(key, body, options);
    };
    const remove: ObjectStore['delete'] = async (keys) => {
      if (keys.some((key) => /^(jobs|open)\//.test(key))) await pass();
      return store.delete(keys);
    };
    return { platform: { ...later, store: wrapStore(store, { put, delete: remove }) }, asleep };
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

  async function jobIdOf(): Promise<string> {
    const [first] = await keys('jobs/');
    return first?.split('/')[1] ?? '';
  }

  async function refused(submission: Promise<SubmitResult>, job: string): Promise<void> {
    const error = await failsWith('refused', submission);
    expect(error.message).to.include(`${job} was discarded`);
  }

  async function expectWhole({ view, created }: SubmitResult): Promise<void> {
    expect(created).to.equal(true);
    expect(stateOf(await publishAll(place.platform, view))).to.equal('succeeded');
  }

  const POINTS = [
    { runKey: 'month-end', before: 'job.json', at: /\/job\.json$/ },
    { runKey: 'month-end', before: 'its claim', at: /^runs\// },
    { runKey: null, before: 'job.json', at: /\/job\.json$/ },
    { runKey: 'month-end', before: 'its mark', at: /^open\// },
  ] as const;
  const named = (runKey: string | null): string => (runKey === null ? 'no run key' : 'a run key');

  for (const { runKey, before, at } of POINTS) {
    for (const [who, clean] of Object.entries(CLEANERS)) {
      // Only prune removes a submission without a mark.
      if (before === 'its mark' && who !== 'prune') continue;
      it(`${named(runKey)}, asleep before ${before}, discarded by ${who}: learns so when it wakes, and may submit again`, async () => {
        const { platform, asleep } = sleeper(at);
        const submission = submitBy(platform, runKey);
        await asleep.reached;
        const job = await jobIdOf();
        await clean(later);
        const fence = before === 'its claim' ? [] : [`${jobPrefix(job)}job.json`];
        expect(await keys('jobs/', OPEN_PREFIX)).to.deep.equal(fence);
        expect(await readJob(place.platform.store, job)).to.equal(null);
        asleep.go();
        await refused(submission, job);
        expect(await keys('jobs/', OPEN_PREFIX)).to.deep.equal(fence);
        await clean(later);
        expect(await keys('jobs/', OPEN_PREFIX)).to.deep.equal(fence);
        await expectWhole(await submitBy(place.platform, runKey));
      });
    }
  }

  for (const { runKey, before, at } of POINTS) {
    it(`${named(runKey)}, awake again before ${before}, as a prune is about to discard it: is committed and stays whole`, async () => {
      const submitter = sleeper(at);
      const submission = submitBy(submitter.platform, runKey);
      await submitter.asleep.reached;
      const slow = cleaner(false);
      const cleaning = CLEANERS.prune(slow.platform);
      await slow.asleep.reached;
      submitter.asleep.go();
      const submitted = await submission;
      slow.asleep.go();
      await cleaning;
      expect(await keys(OPEN_PREFIX)).to.have.length(1);
      await expectWhole(submitted);
    });
  }

  it('the next process removes what a cleaner leaves that died after its decision', async () => {
    for (const at of [/\/job\.json$/, /^runs\//]) {
      const { platform, asleep } = sleeper(at);
      const submission = submitBy(platform, 'month-end');
      await asleep.reached;
      const job = (await keys(OPEN_PREFIX))[0]?.slice(OPEN_PREFIX.length, -2) ?? '';
      const dying = cleaner(true);
      void CLEANERS['a watcher'](dying.platform);
      await dying.asleep.reached;
      expect(await keys(`${jobPrefix(job)}parts/`)).not.to.deep.equal([]);
      asleep.go();
      await refused(submission, job);
      await CLEANERS['a watcher'](later);
      expect((await keys(jobPrefix(job), OPEN_PREFIX)).filter((key) => !key.endsWith('/job.json'))).to.deep.equal([]);
      dying.asleep.go();
    }
    await expectWhole(await submitBy(place.platform, 'month-end'));
  });

  it('another submission with the key skips the number of one that was discarded meanwhile', async () => {
    const first = sleeper(/^runs\//);
    const dead = submitBy(first.platform, 'month-end');
    await first.asleep.reached;
    const job = await jobIdOf();
    const second = sleeper(/^runs\//);
    const alive = submitBy(second.platform, 'month-end');
    await second.asleep.reached;
    await discardAbandoned(later, job);
    second.asleep.go();
    const { view, created } = await alive;
    expect(created).to.equal(true);
    expect(await keys('runs/')).to.deep.equal([runClaimKey('month-end', 0), runClaimKey('month-end', 1)]);
    first.asleep.go();
    await refused(dead, job);
    const { job: standing } = view.record;
    expect((await requireView(place.platform.store, standing)).record.job).to.equal(standing);
    expect(await submitBy(place.platform, 'month-end')).to.deep.include({ created: false });
    await expectWhole(await submitBy(place.platform, 'month-end', 'again'));
    expect(await keys('runs/')).to.have.length(3);
  });

  it("a worker doesn't discard a dead submission, because it may put neither a job nor a run key", async () => {
    const { platform, asleep } = sleeper(/^runs\//);
    const submission = submitBy(platform, 'month-end');
    await asleep.reached;
    const before = await keys('jobs/', OPEN_PREFIX);
    await work(later);
    expect(await keys('jobs/', OPEN_PREFIX)).to.deep.equal(before);
    asleep.go();
    await expectWhole(await submission);
  });

  it('a watcher that read a job just before its commit leaves its open mark in place', async () => {
    const { view } = await submitBy(place.platform, 'month-end');
    await discardAbandoned(place.platform, view.record.job);
    expect(await keys(OPEN_PREFIX)).to.have.length(1);
  });
});
