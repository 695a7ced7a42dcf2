// Protects: an unavailable store or ledger costs a job time, but no attempt and no output.
import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { CHAINS, CHAINS_OUTPUTS, CHAINS_RAN } from '../support/crash-jobs.ts';
import { expectExit } from '../support/expect-exit.ts';
import { forEachTest } from '../support/fixture.ts';
import { startWorkerInProcess } from '../support/inside-worker.ts';
import { factsOf, SUCCEEDED } from '../support/job-facts.ts';
import { rejection } from '../support/rejection.ts';
import { Workspace } from '../support/workspace.ts';
import { wrapStore } from '../support/wrap-store.ts';
import { submitJob } from './submit-job.ts';

const unavailable = (what: string): BatchctlError => new BatchctlError('unavailable', `${what} is unavailable`);

describe('unavailable services', () => {
  const workspace = forEachTest(() => new Workspace(undefined, 6));
  let platform: Platform;
  let job: string;

  beforeEach(async () => {
    platform = await workspace.platform('w-faulty');
    const steps = CHAINS.steps.map((step) => ({ ...step, run: step.run.replaceAll('$HOME', workspace.dir) }));
    job = await submitJob(workspace, { ...CHAINS, steps });
  });
  afterEach(() => {
    delete process.env.BATCHCTL_TEST_PATIENCE_SECONDS;
  });

  it('occasional publishing errors of the store cost time, but no attempt', async () => {
    let refusals = 0;
    const store = wrapStore(platform.store, {
      uploadFile: async (path, key, options) => {
        if (key.includes('/out/') && refusals < 2) {
          refusals += 1;
          throw unavailable('the store');
        }
        return platform.store.uploadFile(path, key, options);
      },
    });
    await startWorkerInProcess(workspace, { ...platform, store }, { slots: 1, untilEmpty: true }).done;
    expect(refusals).to.equal(2);
    const facts = await factsOf(platform, job);
    expect(facts).to.deep.include({ ...SUCCEEDED, dead: [], outputs: CHAINS_OUTPUTS });
    const ledger = await platform.ledger();
    expect((await ledger.counts(job)).map(({ retried }) => retried)).to.deep.equal([0, 0, 0]);
  });

  it('a worker leaves, and returns its tasks, if the store keeps refusing', async () => {
    process.env.BATCHCTL_TEST_PATIENCE_SECONDS = '1';
    const store = wrapStore(platform.store, { uploadFile: () => Promise.reject(unavailable('the store')) });
    const { done } = startWorkerInProcess(workspace, { ...platform, store }, { slots: 2, untilEmpty: true });
    expect(await rejection(done)).to.deep.include({ kind: 'unavailable' });
    const { leased, dead } = await (await platform.queue('default')).backlog();
    expect({ leased, dead }).to.deep.equal({ leased: 0, dead: 0 });
    expectExit(await workspace.work());
    expect(await factsOf(platform, job)).to.deep.include({ ...SUCCEEDED, dead: [], outputs: CHAINS_OUTPUTS });
  });

  it('a worker completes the job without the ledger, and runs nothing twice', async () => {
    const real = await platform.ledger();
    const ledger = new Proxy(real, {
      get: (target, name) => {
        if (name === 'record') return () => Promise.reject(unavailable('the ledger'));
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    await startWorkerInProcess(workspace, { ...platform, ledger: async () => ledger }, { slots: 2, untilEmpty: true })
      .done;
    expect((await (await platform.queue('default')).backlog()).leased).to.equal(0);
    expectExit(await workspace.work());
    const facts = await factsOf(platform, job);
    expect(facts).to.deep.include({ ...SUCCEEDED, dead: [], counted: { twice: 4, more: 4, total: 1 } });
    expect([...workspace.lines('ran')].sort()).to.deep.equal(CHAINS_RAN);
  });
});
