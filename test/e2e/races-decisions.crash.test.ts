// Protects: pause, resume, halt and onFailure take effect while workers run, and lose or repeat no task.
import { expect } from 'chai';
import { pause, resume } from '../../src/jobs/change/lifecycle.ts';
import { requireView } from '../../src/jobs/journal.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { CHAINS, CHAINS_OUTPUTS } from '../support/crash-jobs.ts';
import { expectExit, jsonOf } from '../support/expect-exit.ts';
import { forEachTest } from '../support/fixture.ts';
import { startWorkerInProcess } from '../support/inside-worker.ts';
import { factsOf, SUCCEEDED } from '../support/job-facts.ts';
import { rangeJob } from '../support/range-job.ts';
import { until } from '../support/until.ts';
import { Workspace } from '../support/workspace.ts';
import { submitJob } from './submit-job.ts';

describe('decisions that race workers', () => {
  const workspace = forEachTest(() => new Workspace(undefined, 6));
  let platform: Platform;

  beforeEach(async () => {
    platform = await workspace.platform();
  });

  /** `count` short tasks of one step, each of which writes to the file `ran`. */
  const shortTasks = (count: number, rest: object = {}, command = 'sleep 0.03; cat'): object => ({
    ...rangeJob('short', count, {
      name: 'only',
      attempts: 20,
      permanent: [65],
      run: `echo $BATCHCTL_TASK >> ${workspace.path('ran')}; ${command}`,
    }),
    ...rest,
  });

  it('pausing and resuming repeatedly loses no task and completes none twice', async () => {
    // Tasks after the 24th run wait for the last decision, so that the job is never closed before it.
    const [ran, go] = [workspace.path('ran'), workspace.path('go')];
    const command = `[ $(wc -l <${ran}) -lt 25 ] || until [ -e ${go} ]; do sleep 0.02; done; cat`;
    const job = await submitJob(workspace, shortTasks(30, {}, command));
    const worker = startWorkerInProcess(workspace, await workspace.platform('w-old-view'), {
      slots: 2,
      untilEmpty: false,
    });
    for (let times = 1; times <= 6; times += 1) {
      await until('a few more ran', () => workspace.lines('ran').length >= times * 3);
      await pause(platform, await requireView(platform.store, job), { now: times % 2 === 0 });
      await resume(platform, await requireView(platform.store, job));
    }
    workspace.write('go', '');
    await until('the job is closed', async () => (await requireView(platform.store, job)).closed);
    await worker.drain();
    // Duplicates may still be in the queue.
    expectExit(await workspace.work());
    const facts = await factsOf(platform, job);
    expect(facts).to.deep.include({ ...SUCCEEDED, dead: [], counted: { only: 30 } });
    expect(Object.keys(facts.outputs.only ?? {})).to.have.length(30);
    expect(facts.journal.filter((what) => what === 'close')).to.have.length(1);
  });

  it('an idle worker that saw the job before obeys a pause when it is sent more tasks', async () => {
    const job = await submitJob(workspace, shortTasks(2, { maxRunning: 1 }, `test -e ${workspace.path('go')} && cat`));
    const worker = startWorkerInProcess(workspace, await workspace.platform('w-idle'), { slots: 2, untilEmpty: false });
    await until('an attempt failed', () => workspace.lines('ran').length > 0);
    await pause(platform, await requireView(platform.store, job), { now: true });
    // Retries come due while the job is paused. They are dropped, not run.
    await until('nothing is queued', async () => (await factsOf(platform, job)).queued === 0);
    workspace.write('go', '');
    const ran = workspace.lines('ran').length;
    await resume(platform, await requireView(platform.store, job));
    await until('the job is closed', async () => (await requireView(platform.store, job)).closed);
    await worker.drain();
    expect(await factsOf(platform, job)).to.deep.include({ ...SUCCEEDED, dead: [], counted: { only: 2 } });
    expect(workspace.lines('ran').length - ran).to.equal(2);
  });

  it('re-sends messages that vanish from the queue, and completes the job', async () => {
    const job = await submitJob(workspace, CHAINS);
    const queue = await platform.queue('default');
    const purged = await queue.purge({ match: (body) => /"task":[13]/.test(body) });
    expect(purged).to.equal(2);
    expectExit(await workspace.work());
    const facts = await factsOf(platform, job);
    expect(facts).to.deep.include({ ...SUCCEEDED, dead: [], outputs: CHAINS_OUTPUTS });
    expect(facts.journal).to.deep.equal(['sent', 'resend', 'close']);
  });

  it('a task that fails before a gather fails the job with exit 5, and the gather never opens', async () => {
    workspace.write('job.json', {
      ...CHAINS,
      steps: CHAINS.steps.map((step) =>
        step.name === 'twice' ? { ...step, attempts: 1, run: 'read n && [ $n != 3 ] && echo $n' } : step,
      ),
    });
    const { job } = jsonOf(await workspace.run(['run', 'job.json', '--json']), 5);
    const facts = await factsOf(platform, job);
    expect(facts).to.deep.include({
      state: 'failed',
      ledgerState: 'failed',
      reason: 'failures',
      queued: 0,
      openMarks: 0,
    });
    expect(facts.outputs.total).to.deep.equal({});
    expect(facts.dead).to.have.length(1);
  });

  it('onFailure: stop gives up undecided tasks and fails the job', async () => {
    const job = await submitJob(
      workspace,
      shortTasks(40, { onFailure: 'stop' }, '[ $BATCHCTL_TASK != 1 ] || exit 65; sleep 0.3'),
    );
    expectExit(await workspace.work({}, '--slots', '1'));
    const facts = await factsOf(platform, job);
    expect(facts).to.deep.include({ state: 'failed', ledgerState: 'failed', queued: 0, openMarks: 0 });
    expect(facts.journal).to.deep.equal(['sent', 'stop', 'close']);
    expect(Object.keys(facts.outputs.only ?? {}).length).to.be.lessThan(39);
  });

  it('halt pauses a job with too many failures, and run exits with 7', async () => {
    workspace.write('job.json', {
      ...shortTasks(60, { halt: '20%', tolerate: 60 }),
      steps: [{ name: 'only', attempts: 1, run: '[ $((BATCHCTL_TASK % 2)) = 0 ]' }],
    });
    expectExit(await workspace.run(['run', 'job.json', '--json', '--slots', '1']), 7);
    const job = (await (await platform.ledger()).jobs({}))[0]?.job ?? '';
    const view = await requireView(platform.store, job);
    expect(view.paused).to.deep.include({ reason: 'halt' });
    expect(jsonOf(await workspace.run(['status', job, '--json']))).to.include({ state: 'paused', reason: 'halt' });
  });
});
