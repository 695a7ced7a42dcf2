// Protects: a program that fails everywhere pauses its job early; a few bad inputs or one bad worker do not.
import { expect } from 'chai';
import { exitOf } from '../../src/cli/report-error.ts';
import { readEntries, requireView } from '../../src/jobs/journal.ts';
import { triesPrefix } from '../../src/model/keys.ts';
import { forEachTest } from '../support/fixture.ts';
import { type InsideWorker, startInside, workHere } from '../support/inside-worker.ts';
import { direct, eachWay } from '../support/manager/each-way.ts';
import { rejection } from '../support/rejection.ts';
import { until } from '../support/until.ts';
import { Workspace } from '../support/workspace.ts';

/** Tasks that note their start and wait for the file `go`, so that every worker has some when the first fails. */
function job(workspace: Workspace, tasks: number, run: string, step: Readonly<Record<string, unknown>> = {}) {
  const waits = `until [ -e ${workspace.path('go')} ]; do sleep 0.05; done`;
  return {
    name: 'breaks',
    input: { split: { by: 'range', from: 1, to: tasks } },
    tolerate: tasks,
    steps: [{ name: 'only', run: `echo one >>${workspace.path('begun')}; ${waits}; ${run}`, ...step }],
  };
}

/**
 * A failure takes half a second, so two slots make four a second. A worker watches them for three seconds and more before
 * it pauses the job: usually after 36, on a busy machine after up to 82.
 */
const BROKEN = 'sleep 0.5; echo "cannot find module rates $BATCHCTL_TASK" >&2; exit 1';
/** Enough for one pause of tasks that may fail twice: the newest 40 failures are those of 20 tasks and more. */
const SOME = 90;
const TWICE = { attempts: 2 };
/** Enough for two pauses of tasks that fail once. */
const MANY = 150;

/** Waits until each slot of both workers has a task (`slots` in all), then lets the tasks continue. */
async function go(workspace: Workspace, slots: number): Promise<void> {
  await until('both workers have tasks', () => workspace.lines('begun').length === slots);
  workspace.write('go', '');
}

/** Starts two workers in this process, with this many slots each. Once every slot has a task, lets the tasks continue. */
async function twoWorkers(workspace: Workspace, slots = 1): Promise<readonly InsideWorker[]> {
  const platforms = await Promise.all([1, 2].map((n) => workspace.platform(`${workspace.worker}-${n}`)));
  const workers = platforms.map((platform) => startInside(workspace, platform, { slots, untilEmpty: false }));
  await go(workspace, 2 * slots);
  return workers;
}

/** Lets the workers finish their tasks and leave; rejects if one fails. */
const drain = (workers: readonly InsideWorker[]): Promise<unknown> => Promise.all(workers.map((one) => one.drain()));

eachWay('circuit breakers', (make) => {
  const workspace = forEachTest(make);

  it('pauses a job early if its program fails everywhere, and a fixed program completes it', async () => {
    workspace.write('job.json', job(workspace, SOME, BROKEN, TWICE));
    const id = await workspace.submit();
    const watching = workspace.run(['watch', id]);
    const workers = await twoWorkers(workspace);
    const watched = await watching;
    expect(watched.code, watched.stderr).to.equal(7);
    expect(watched.stderr).to.include(`next: batchctl failures ${id}`);
    const status = JSON.parse((await workspace.run(['status', id, '--json'])).stdout);
    expect(status).to.include({ state: 'paused', reason: 'deployment' });
    expect(status.detail).to.match(
      /^\d\d+ tasks of only failed on 2 workers, and none succeeded; the last error: cannot find/,
    );
    expect(status.steps[0].failed, 'few have failed for good').to.be.below(SOME / 2);
    expect((await workspace.run(['status', id])).stdout).to.include(status.detail);
    const why = await workspace.run(['why', id, '--json']);
    expect(why.code).to.equal(11);
    const [cause] = JSON.parse(why.stdout).causes;
    expect(cause.code).to.equal('badDeployment');
    expect(cause.evidence[0]).to.equal(status.detail);
    expect(cause.mend).to.include(`batchctl resume ${id} --with JOBFILE`);
    workspace.write('fixed.json', { ...job(workspace, SOME, 'cat', TWICE) });
    const resumed = await workspace.run(['resume', id, '--with', 'fixed.json', '--yes']);
    expect(resumed.code, resumed.stderr).to.equal(0);
    expect((await workspace.run(['wait', id])).code).to.equal(0);
    await drain(workers);
  });

  it('pauses a job that was resumed without a fix once more after as many failures, and not again', async () => {
    workspace.write('job.json', job(workspace, MANY, BROKEN, { attempts: 1 }));
    const id = await workspace.submit();
    const workers = await twoWorkers(workspace);
    expect((await workspace.run(['wait', id])).code).to.equal(7);
    const platform = await workspace.platform();
    const failed = async () => (await (await platform.ledger()).counts(id))[0]?.failed ?? 0;
    const before = await failed();
    expect((await workspace.run(['resume', id])).code).to.equal(0);
    expect((await workspace.run(['wait', id])).code).to.equal(7);
    expect(await failed(), 'not at once').to.be.at.least(before + 20);
    expect((await workspace.run(['resume', id])).code).to.equal(0);
    // The job file tolerates any number of failures.
    expect((await workspace.run(['wait', id])).code).to.equal(0);
    const pauses = (await readEntries(platform.store, id)).filter(({ what }) => what === 'pause');
    expect(pauses).to.have.length(2);
    await drain(workers);
  });

  it('keeps the pause if the worker that paused the job is killed right after', async () => {
    workspace.write('job.json', job(workspace, SOME, BROKEN, TWICE));
    const id = await workspace.submit();
    const workers = [1, 2].map(() => workspace.start(['worker', '--slots', '1']));
    await go(workspace, 2);
    const platform = await workspace.platform();
    await until('the job is paused', async () => (await requireView(platform.store, id)).paused !== null);
    for (const { child } of workers) child.kill('SIGKILL');
    await Promise.all(workers.map(({ ended }) => ended));
    workspace.write('fixed.json', { ...job(workspace, SOME, 'cat', TWICE) });
    expect((await workspace.run(['resume', id, '--with', 'fixed.json', '--yes'])).code).to.equal(0);
    expect((await workspace.work()).code).to.equal(0);
    expect((await workspace.run(['wait', id])).code).to.equal(0);
  });

  it('marks a task that used up its attempts on two workers as bad input everywhere', async () => {
    workspace.write('go', '');
    workspace.write('job.json', job(workspace, 2, '[ $BATCHCTL_TASK = 1 ]', { attempts: 2 }));
    const id = await workspace.submit();
    const platform = await workspace.platform(`${workspace.worker}-1`);
    const gaveUp = await rejection(workHere(platform, 1, { maxFailures: 1, untilEmpty: true }));
    expect(exitOf(gaveUp), gaveUp.message).to.equal(7);
    let tries = 0;
    for await (const _ of platform.store.keys(triesPrefix(id, 'only'))) tries += 1;
    expect(tries, 'the bad one has failed once').to.equal(1);
    expect((await workspace.work({}, '--slots', '1')).code).to.equal(0);
    const [cause] = (await workspace.run(['failures', id, '--json'])).stdout.trim().split('\n');
    expect(JSON.parse(cause ?? '')).to.include({ count: 1, tasks: '0', badInput: 1 });
    const shown = await workspace.run(['tasks', id, '--task', 'only/0', '--json']);
    const attempts = shown.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(attempts.map(({ badInput }) => badInput)).to.deep.equal([undefined, true]);
    const said = await workspace.run(['tasks', id, '--task', 'only/0']);
    expect(said.stderr).to.include('bad input: it used up its attempts on at least two workers');
    const report = JSON.parse((await workspace.run(['report', id, '--json'])).stdout);
    expect(report.causes[0]).to.include({ forGood: 1, badInput: 1 });
  });

  it('does not mark a task as bad input if it failed on only one worker', async () => {
    workspace.write('go', '');
    workspace.write('job.json', job(workspace, 2, '[ $BATCHCTL_TASK = 1 ]', { attempts: 2 }));
    const id = await workspace.submit();
    expect((await workspace.work({}, '--slots', '1')).code).to.equal(0);
    const [cause] = (await workspace.run(['failures', id, '--json'])).stdout.trim().split('\n');
    expect(JSON.parse(cause ?? '')).to.include({ count: 1, badInput: 0 });
  });
});

direct('circuit breakers that must stay closed', () => {
  const workspace = forEachTest(() => new Workspace());

  it('does not pause a job for bad inputs while others succeed, nor because of one worker', async () => {
    const bad = 'sleep 0.25; [ $((BATCHCTL_TASK % 3)) = 0 ]';
    workspace.write('job.json', job(workspace, 75, bad, { attempts: 1 }));
    const id = await workspace.submit();
    const workers = await twoWorkers(workspace);
    expect((await workspace.run(['wait', id])).code).to.equal(0);
    await drain(workers);
    // Two workers would have paused it after about 40.
    workspace.write('job.json', job(workspace, 50, BROKEN, { attempts: 1 }));
    const alone = await workspace.submit();
    expect((await workspace.work()).code).to.equal(0);
    const platform = await workspace.platform();
    for (const each of [id, alone]) {
      const entries = (await readEntries(platform.store, each)).map(({ what }) => what);
      expect(entries).to.deep.equal(['sent', 'close']);
    }
  });

  it('does not pause a job if bad inputs come first and fail at once while the good ones take long', async () => {
    const run = 'if [ $BATCHCTL_TASK -lt 25 ]; then exit 1; else sleep 5; fi';
    workspace.write('job.json', job(workspace, 33, run, { attempts: 3 }));
    const id = await workspace.submit();
    const workers = await twoWorkers(workspace, 2);
    expect((await workspace.run(['wait', id])).code).to.equal(0);
    const platform = await workspace.platform();
    expect((await readEntries(platform.store, id)).map(({ what }) => what)).to.not.include('pause');
    await drain(workers);
  });
});
