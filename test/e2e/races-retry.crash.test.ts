// Protects: a retry or resume that is killed, or meets old messages, still runs each requested task once.
import { expect } from 'chai';
import { resume } from '../../src/jobs/change/lifecycle.ts';
import { retry } from '../../src/jobs/change/retry.ts';
import { requireView } from '../../src/jobs/journal.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { expectExit, expectKilled } from '../support/expect-exit.ts';
import { forEachTest } from '../support/fixture.ts';
import { factsOf, SUCCEEDED } from '../support/job-facts.ts';
import { Workspace } from '../support/workspace.ts';
import { submitJob } from './submit-job.ts';

describe('retries under faults', () => {
  const workspace = forEachTest(() => new Workspace(undefined, 6));
  let platform: Platform;
  let job: string;

  /** A job of three tasks that all fail for good until a file `ok` exists, and a gather that counts lines. */
  beforeEach(async () => {
    platform = await workspace.platform();
    job = await submitJob(workspace, {
      name: 'again',
      input: { split: { by: 'range', from: 1, to: 3 } },
      steps: [
        { name: 'only', attempts: 1, run: `cd ${workspace.dir}; echo $BATCHCTL_TASK >> ran; [ -e ok ] && cat` },
        { name: 'total', gather: true, run: 'wc -l' },
      ],
    });
    expectExit(await workspace.work());
    expect((await factsOf(platform, job)).state).to.equal('failed');
  });

  const retryJob = async (canaries: number | null): Promise<void> => {
    const view = await requireView(platform.store, job);
    await retry(platform, view, { tasks: [], canaries, overrides: {}, dryRun: false });
  };

  const expectDone = async (journal: readonly string[]): Promise<void> => {
    const facts = await factsOf(platform, job);
    expect(facts).to.deep.include({ ...SUCCEEDED, counted: { only: 3, total: 1 } });
    expect(facts.outputs).to.deep.equal({ only: { 0: '1\n', 1: '2\n', 2: '3\n' }, total: { 0: '3\n' } });
    expect(facts.journal.filter((what) => what !== 'resend')).to.deep.equal(journal);
  };

  it('a failing canary holds the rest back; a successful one releases it', async () => {
    await retryJob(1);
    expectExit(await workspace.work());
    expect(await factsOf(platform, job)).to.deep.include({ state: 'failed', ledgerState: 'failed', queued: 0 });
    expect(workspace.lines('ran')).to.have.length(4);
    workspace.write('ok', '');
    await retryJob(1);
    expectExit(await workspace.work());
    await expectDone(['sent', 'close', 'retry', 'close', 'retry', 'retry-rest', 'close']);
    expect(workspace.lines('ran')).to.have.length(7);
  });

  it('a retry killed before its journal entry changes nothing, and can be repeated', async () => {
    workspace.write('ok', '');
    expectKilled(await workspace.run(['retry', job, '--yes'], { BATCHCTL_TEST_KILL: 'before-journal:1' }));
    expectExit(await workspace.work());
    expect((await factsOf(platform, job)).journal).to.deep.equal(['sent', 'close']);
    await retryJob(null);
    expectExit(await workspace.work());
    await expectDone(['sent', 'close', 'retry', 'close']);
  });

  it('a retry killed right after its journal entry is still carried out', async () => {
    workspace.write('ok', '');
    expectKilled(await workspace.run(['retry', job, '--yes'], { BATCHCTL_TEST_KILL: 'journal:1' }));
    expectExit(await workspace.work());
    await expectDone(['sent', 'close', 'retry', 'close']);
  });

  it('drops a late message from an earlier round without running it', async () => {
    const queue = await platform.queue('default');
    workspace.write('ok', '');
    await retryJob(null);
    await queue.send([{ body: JSON.stringify({ format: 1, job, step: 'only', task: 0, round: 0 }), tenant: job }]);
    expectExit(await workspace.work());
    await expectDone(['sent', 'close', 'retry', 'close']);
    expect(workspace.lines('ran')).to.have.length(6);
  });

  it('a resume killed right after its journal entry, and another one later, lose nothing', async () => {
    workspace.write('ok', '');
    await retryJob(null);
    expectExit(await workspace.run(['pause', job, '--yes']));
    // Drops what is queued, because the job is paused.
    await workspace.work();
    expectKilled(await workspace.run(['resume', job, '--yes'], { BATCHCTL_TEST_KILL: 'journal:1' }));
    await resume(platform, await requireView(platform.store, job));
    expectExit(await workspace.work());
    await expectDone(['sent', 'close', 'retry', 'pause', 'resume', 'close']);
  });
});
