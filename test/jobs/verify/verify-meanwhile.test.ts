// Protects: verify reports no alteration because a job was retried, skipped or pruned while it read.
import { join } from 'node:path';
import { expect } from 'chai';
import { retry } from '../../../src/jobs/change/retry.ts';
import { skip } from '../../../src/jobs/change/skip.ts';
import { requireView } from '../../../src/jobs/journal.ts';
import { choosePrunable, prune } from '../../../src/jobs/prune/prune.ts';
import { checkFile } from '../../../src/jobs/verify/check/check-file.ts';
import { EvidenceFile } from '../../../src/jobs/verify/evidence-log.ts';
import { proofLine, standingProof, storeProof } from '../../../src/jobs/verify/proof.ts';
import { verifyJob } from '../../../src/jobs/verify/verify-job.ts';
import { look } from '../../../src/jobs/watch/look.ts';
import { outPrefix } from '../../../src/model/keys.ts';
import type { JobView } from '../../../src/model/view.ts';
import type { ObjectStore } from '../../../src/ports/object-store.ts';
import { failForGood } from '../../support/claims-job.ts';
import { forEachTest } from '../../support/fixture.ts';
import { wrapStore } from '../../support/wrap-store.ts';
import { openPlace, publishSmall } from '../published-job.ts';
import { submitJob } from '../submitted-job.ts';

const YAML = `
name: claims
input: { split: { by: range, from: 1, to: 3 } }
steps:
  - { name: price, run: [cat] }
  - { name: convert, run: [cat] }
tolerate: 1
`;
const FAILED = { step: 0, name: 'price', task: 1 };

describe('verifying a job about which something is decided meanwhile', () => {
  const place = forEachTest(openPlace);
  const now = (job: string) => requireView(place.platform.store, job);

  async function publishChain(job: string, task: number): Promise<void> {
    const of = { platform: place.platform, view: await now(job) };
    await publishSmall(of, 'price', task, 'a');
    await publishSmall(of, 'convert', task, 'b');
  }

  const close = async (job: string) => look(place.platform, await now(job));
  const prove = async (job: string) =>
    storeProof(place.platform, await verifyJob(place.platform, await now(job), { deep: true }));

  /** A job of which one task failed; closed and proven, or not closed yet. */
  async function submitted(closed: boolean): Promise<JobView> {
    const { record } = await submitJob(place, YAML, {});
    for (const task of [0, 2]) await publishChain(record.job, task);
    await failForGood(place.platform, record.job, 'price', 1);
    if (closed) {
      await close(record.job);
      await prove(record.job);
    }
    return now(record.job);
  }

  type Interloper = (job: string) => Promise<unknown>;
  const askAgain = async (job: string) => retry(place.platform, await now(job), { tasks: [FAILED] });
  const interlopers: Readonly<Record<string, Interloper>> = {
    'the retry of its failed task': askAgain,
    'a retry that succeeds, and its proof': async (job) => {
      await close(job);
      await askAgain(job);
      await publishChain(job, 1);
      await close(job);
      await prove(job);
    },
    'a skip, and its proof': async (job) => {
      const options = { tasks: [FAILED], reason: 'x' };
      await close(job);
      await skip(place.platform, await now(job), options);
      await prove(job);
    },
    'a prune': async (job) => {
      await close(job);
      await prove(job);
      await prune(place.platform, await choosePrunable(place.platform, -1), Number.MAX_SAFE_INTEGER, {});
    },
  };

  /** A store that calls `act` before its nth request. */
  function beforeRequest(store: ObjectStore, n: number, act: () => Promise<unknown>): ObjectStore {
    let requests = 0;
    const count = async (): Promise<void> => {
      requests += 1;
      if (requests === n) await act();
    };
    return wrapStore(store, {
      read: async (key, options) => {
        await count();
        return store.read(key, options);
      },
      head: async (key) => {
        await count();
        return store.head(key);
      },
      list: async function* (prefix, options) {
        await count();
        yield* store.list(prefix, options);
      },
      keys: async function* (prefix, options) {
        await count();
        yield* store.keys(prefix, options);
      },
    });
  }

  for (const [name, interloper] of Object.entries(interlopers)) {
    for (const state of ['closed', 'open'] as const) {
      it(`finds no alteration in ${state === 'open' ? 'an open' : 'a closed'} job, whichever request ${name} precedes`, async function () {
        this.timeout(60_000);
        let tried = 0;
        for (let acted = true; acted; tried += 1) {
          acted = false;
          const view = await submitted(state === 'closed');
          const { job } = view.record;
          const store = beforeRequest(place.platform.store, tried + 1, () => {
            acted = true;
            return interloper(job);
          });
          const { problems, verdict } = await verifyJob({ ...place.platform, store }, view);
          expect(problems, `before request ${tried + 1}`).to.deep.equal([]);
          expect(verdict).to.be.oneOf(['proven', 'unfinished']);
        }
        expect(tried).to.be.greaterThan(state === 'closed' ? 10 : 4);
      });
    }
  }

  it('writes the evidence of the whole second reading, and nothing of the first', async () => {
    const view = await submitted(true);
    const { job } = view.record;
    const store = wrapStore(place.platform.store, {
      keys: async function* (prefix, options) {
        if (prefix === outPrefix(job, 'price') && (await now(job)).round === 0)
          await interlopers['a retry that succeeds, and its proof']?.(job);
        yield* place.platform.store.keys(prefix, options);
      },
    });
    const path = join(place.directory, 'evidence.ndjson');
    const evidence = await EvidenceFile.create(path);
    const result = await verifyJob({ ...place.platform, store }, view, { evidence });
    expect(result.round).to.equal(1);
    evidence.line(await proofLine(place.platform, result, await storeProof(place.platform, result)));
    evidence.finish();
    const { mismatches, proof } = await checkFile(path);
    expect([mismatches, proof?.result.verdict]).to.deep.equal([[], 'proven']);
  });

  it('stores no proof of an older journal than the last: that one still stands', async () => {
    const view = await submitted(true);
    const { job } = view.record;
    const before = await verifyJob(place.platform, view, { deep: true });
    await askAgain(job);
    await publishChain(job, 1);
    await close(job);
    const stored = await prove(job);
    expect(await storeProof(place.platform, before)).to.equal(null);
    expect(await standingProof(place.platform, job, (await now(job)).next - 1)).to.deep.equal(stored?.proof);
  });
});
