// Protects: a program that fails everywhere pauses its job early; a few bad inputs or one bad worker do not.
import { expect } from 'chai';
import { exitOf } from '../../src/cli/report-error.ts';
import { requireView } from '../../src/jobs/journal.ts';
import { triesPrefix } from '../../src/model/keys.ts';
import { expectExit, jsonLinesOf, jsonOf } from '../support/expect-exit.ts';
import { forEachTest } from '../support/fixture.ts';
import { type InProcessWorker, runWorkerInProcess, startWorkerInProcess } from '../support/inside-worker.ts';
import { describeDirectly, describeEachWay } from '../support/manager/each-way.ts';
import { rangeJob } from '../support/range-job.ts';
import { rejection } from '../support/rejection.ts';
import { entryKinds, keysBelow } from '../support/stored.ts';
import { until } from '../support/until.ts';
import { Workspace } from '../support/workspace.ts';
import { submitJob } from './submit-job.ts';

/** Tasks that note their start and wait for the file `go`, so that every worker has some when the first fails. */
function jobOf(workspace: Workspace, tasks: number, command: string, attempts: number) {
  const wait = `until [ -e ${workspace.path('go')} ]; do sleep 0.05; done`;
  const run = `echo one >>${workspace.path('begun')}; ${wait}; ${command}`;
  return { ...rangeJob('breaks', tasks, { name: 'only', run, attempts }), tolerate: tasks };
}

/**
 * A failure takes half a second, so two slots make four a second. A worker watches them for three seconds and more before
 * it pauses the job: usually after 36, on a busy machine after up to 82.
 */
const BROKEN = 'sleep 0.5; echo "cannot find module rates $BATCHCTL_TASK" >&2; exit 1';
/** Two causes: tasks that fail alike are paused for sooner. */
const BROKEN_TWICE = BROKEN.replace('exit 1', 'exit $((1 + BATCHCTL_TASK % 2))');
/** Far more tasks than fail before a pause, however busy the machine is. */
const TASKS = 300;

/** Waits until each slot of both workers has a task (`slots` in all), then lets the tasks continue. */
async function releaseTasks(workspace: Workspace, slots: number): Promise<void> {
  await until('both workers have tasks', () => workspace.lines('begun').length === slots);
  workspace.write('go', '');
}

/** Starts two workers in this process, with this many slots each. Once every slot has a task, lets the tasks continue. */
async function startTwoWorkers(workspace: Workspace, slots = 1): Promise<readonly InProcessWorker[]> {
  const platforms = await Promise.all([1, 2].map((n) => workspace.platform(`${workspace.worker}-${n}`)));
  const workers = platforms.map((platform) => startWorkerInProcess(workspace, platform, { slots, untilEmpty: false }));
  await releaseTasks(workspace, 2 * slots);
  return workers;
}

/** Lets the workers finish their tasks and leave; rejects if one fails. */
const drain = (workers: readonly InProcessWorker[]): Promise<unknown> => Promise.all(workers.map((one) => one.drain()));

describeEachWay('circuit breakers', (make) => {
  const workspace = forEachTest(make);

  it('pauses a job early if its program fails everywhere, and a fixed program completes it', async () => {
    const id = await submitJob(workspace, jobOf(workspace, TASKS, BROKEN, 2));
    const watching = workspace.run(['watch', id]);
    const workers = await startTwoWorkers(workspace);
    const watched = expectExit(await watching, 7);
    expect(watched.stderr).to.include(`next: batchctl failures ${id}`);
    const status = jsonOf(await workspace.run(['status', id, '--json']));
    expect(status).to.include({ state: 'paused', reason: 'deployment' });
    expect(status.detail).to.match(
      /^\d\d+ tasks of only failed alike on 2 workers, and none succeeded; the last error: cannot find/,
    );
    expect(status.steps[0].failed, 'few have failed for good').to.be.below(45);
    expect((await workspace.run(['status', id])).stdout).to.include(status.detail);
    const [cause] = jsonOf(await workspace.run(['why', id, '--json']), 11).causes;
    expect(cause.code).to.equal('badDeployment');
    expect(cause.evidence[0]).to.equal(status.detail);
    expect(cause.fix).to.include(`batchctl resume ${id} --with JOBFILE`);
    workspace.write('fixed.json', jobOf(workspace, TASKS, 'cat', 2));
    expectExit(await workspace.run(['resume', id, '--with', 'fixed.json', '--yes']));
    expectExit(await workspace.run(['wait', id]));
    await drain(workers);
  });

  it('pauses a job that was resumed without a fix once more after as many failures, and not again', async () => {
    const id = await submitJob(
      workspace,
      jobOf(workspace, TASKS, `[ -e ${workspace.path('fast')} ] || ${BROKEN_TWICE}`, 1),
    );
    const workers = await startTwoWorkers(workspace);
    expectExit(await workspace.run(['wait', id]), 7);
    const platform = await workspace.platform();
    const failed = async () => (await (await platform.ledger()).counts(id))[0]?.failed ?? 0;
    const first = await failed();
    expectExit(await workspace.run(['resume', id]));
    expectExit(await workspace.run(['wait', id]), 7);
    const second = await failed();
    expect(second, 'not at once').to.be.at.least(first + 20);
    expectExit(await workspace.run(['resume', id]));
    // More than before either pause.
    const more = Math.max(first, second - first) + 20;
    await until('many more have failed', async () => (await failed()) >= second + more);
    workspace.write('fast', '');
    // The job file tolerates any number of failures.
    expectExit(await workspace.run(['wait', id]));
    const entries = await entryKinds(platform.store, id);
    expect(entries.filter((what) => what === 'pause')).to.have.length(2);
    await drain(workers);
  });

  it('keeps the pause if the worker that paused the job is killed right after', async () => {
    const id = await submitJob(workspace, jobOf(workspace, TASKS, BROKEN, 2));
    const workers = [1, 2].map(() => workspace.start(['worker', '--slots', '1']));
    await releaseTasks(workspace, 2);
    const platform = await workspace.platform();
    await until('the job is paused', async () => (await requireView(platform.store, id)).paused !== null);
    for (const { child } of workers) child.kill('SIGKILL');
    await Promise.all(workers.map(({ ended }) => ended));
    workspace.write('fixed.json', jobOf(workspace, TASKS, 'cat', 2));
    expectExit(await workspace.run(['resume', id, '--with', 'fixed.json', '--yes']));
    expectExit(await workspace.work());
    expectExit(await workspace.run(['wait', id]));
  });

  it('marks a task that used up its attempts on two workers as bad input everywhere', async () => {
    workspace.write('go', '');
    const id = await submitJob(workspace, jobOf(workspace, 2, '[ $BATCHCTL_TASK = 1 ]', 2));
    const platform = await workspace.platform(`${workspace.worker}-1`);
    const error = await rejection(runWorkerInProcess(platform, 1, { maxFailures: 1, untilEmpty: true }));
    expect(exitOf(error), error.message).to.equal(7);
    expect(await keysBelow(platform.store, triesPrefix(id, 'only')), 'the bad one has failed once').to.have.length(1);
    expectExit(await workspace.work({}, '--slots', '1'));
    const [cause] = jsonLinesOf(await workspace.run(['failures', id, '--json']));
    expect(cause).to.include({ count: 1, tasks: '0', badInput: 1 });
    const attempts = jsonLinesOf(await workspace.run(['tasks', id, '--task', 'only/0', '--json']));
    expect(attempts.map(({ badInput }) => badInput)).to.deep.equal([undefined, true]);
    const { stderr } = await workspace.run(['tasks', id, '--task', 'only/0']);
    expect(stderr).to.include('bad input: it used up its attempts on at least two workers');
    const report = jsonOf(await workspace.run(['report', id, '--json']));
    expect(report.causes[0]).to.include({ forGood: 1, badInput: 1 });
  });

  it('does not mark a task as bad input if it failed on only one worker', async () => {
    workspace.write('go', '');
    const id = await submitJob(workspace, jobOf(workspace, 2, '[ $BATCHCTL_TASK = 1 ]', 2));
    expectExit(await workspace.work({}, '--slots', '1'));
    const [cause] = jsonLinesOf(await workspace.run(['failures', id, '--json']));
    expect(cause).to.include({ count: 1, badInput: 0 });
  });
});

describeDirectly('circuit breakers that must stay closed', () => {
  const workspace = forEachTest(() => new Workspace());

  it('does not pause a job for bad inputs while others succeed, nor because of one worker', async () => {
    const bad = 'sleep 0.25; [ $((BATCHCTL_TASK % 3)) = 0 ]';
    const id = await submitJob(workspace, jobOf(workspace, 75, bad, 1));
    const workers = await startTwoWorkers(workspace);
    expectExit(await workspace.run(['wait', id]));
    await drain(workers);
    // Two workers would have paused it after about 40.
    const alone = await submitJob(workspace, jobOf(workspace, 50, BROKEN_TWICE, 1));
    expectExit(await workspace.work());
    const { store } = await workspace.platform();
    for (const each of [id, alone]) expect(await entryKinds(store, each)).to.deep.equal(['sent', 'close']);
  });

  it('does not pause a job if bad inputs of two kinds come first and fail at once while the good ones take long', async () => {
    const run = 'if [ $BATCHCTL_TASK -lt 25 ]; then exit $((1 + BATCHCTL_TASK % 2)); else sleep 5; fi';
    const id = await submitJob(workspace, jobOf(workspace, 33, run, 3));
    const workers = await startTwoWorkers(workspace, 2);
    expectExit(await workspace.run(['wait', id]));
    expect(await entryKinds((await workspace.platform()).store, id)).to.not.include('pause');
    await drain(workers);
  });
});
