// Protects: a worker that is paused, stopped or frozen on AWS returns its tasks and charges no attempt.
import { expect } from 'chai';
import type { StepCounts } from '../../src/model/ledger/records.ts';
import type { AwsWorkspace } from '../support/aws-workspace.ts';
import { expectExit } from '../support/expect-exit.ts';
import { factsOf, SUCCEEDED } from '../support/job-facts.ts';
import { rangeJob } from '../support/range-job.ts';
import { until } from '../support/until.ts';
import { emulatedWorkspace } from './emulated-aws.ts';
import { submitJob } from './submit-job.ts';
import { declareTrialsWith } from './trials.ts';
import { waitingJob } from './waiting-job.ts';

/** Each run of a task writes the time and the worker to the file `ran`. */
const waiting = (tasks: number, end = 'cat') => waitingJob(tasks, '$(date +%s%3N) $BATCHCTL_WORKER_ID', end);
/** Many tasks: the last would begin long after a pause takes effect. */
const SHORT = rangeJob('short', 200, { name: 'only', run: 'echo $(date +%s%3N) >> "$HOME/ran"; sleep 1' });

/** A lease that a busy machine keeps, within which a pause takes effect there too. */
const LEASE = 15;
const KEPT = { BATCHCTL_TEST_LEASE_SECONDS: String(LEASE) };
/** Longer than any test waits: a task that comes back sooner was returned. */
const LONG_LEASE = 60;
const LONG = { BATCHCTL_TEST_LEASE_SECONDS: String(LONG_LEASE) };

const startedAt = (line: string | undefined): number => Number(line?.split(' ')[0] ?? Number.NaN);

/** A unique id: a worker removes at its end everything that carries its id, and several of these tests run at once. */
const idOf = (workspace: AwsWorkspace, name: string): string => `${name}-${workspace.stack}`;
const named = (workspace: AwsWorkspace, name: string) => ({ BATCHCTL_SUPERVISED_ID: idOf(workspace, name) });

const untilRun = (workspace: AwsWorkspace, count: number) =>
  until(`${count} runs`, () => workspace.lines('ran').length >= count);

async function countsOf(workspace: AwsWorkspace, job: string): Promise<StepCounts | undefined> {
  const ledger = await (await workspace.platform()).ledger();
  return (await ledger.counts(job))[0];
}

const TRIALS: Readonly<Record<string, (workspace: AwsWorkspace) => Promise<void>>> = {
  'a pause takes effect within a lease: running tasks complete, and no more are taken': async (workspace) => {
    const job = await submitJob(workspace, SHORT);
    const working = workspace.start(['worker', '--slots', '2', '--idle-exit', '5s'], KEPT);
    await untilRun(workspace, 4);
    await workspace.runSuccessfully('pause', job, '--yes');
    const paused = Date.now();
    expectExit(await working.ended);
    const ran = workspace.lines('ran');
    expect(ran.length).to.be.below(200);
    expect(startedAt(ran.at(-1)) - paused).to.be.below(LEASE * 1_000);
    expect(await countsOf(workspace, job)).to.include({ done: ran.length, failed: 0, retried: 0, interrupted: 0 });
  },
  'a pause --now returns running tasks within a lease, as interruptions; resume continues': async (workspace) => {
    const job = await submitJob(workspace, waiting(2));
    workspace.start(['worker', '--slots', '2'], KEPT);
    await untilRun(workspace, 2);
    await workspace.runSuccessfully('pause', job, '--now', '--yes');
    await until('both are interrupted', async () => (await countsOf(workspace, job))?.interrupted === 2, LEASE * 1_000);
    workspace.write('go', '');
    await workspace.runSuccessfully('resume', job);
    await workspace.runSuccessfully('wait', job);
    expect(await countsOf(workspace, job)).to.include({ done: 2, failed: 0, retried: 0, interrupted: 2 });
    // If the resume came before a returned message was received, its task has two messages. The second is dropped when it comes.
    const queue = await (await workspace.platform()).queue('default');
    await until('nothing is queued', async () => {
      const { visible, leased, delayed } = await queue.backlog();
      return visible + leased + delayed === 0;
    });
    expect(await factsOf(await workspace.platform(), job)).to.deep.include({ ...SUCCEEDED, dead: [] });
  },
  'one of two attempts wins after a lost lease: the late one publishes nothing': async (workspace) => {
    const job = await submitJob(workspace, waiting(1, 'echo $BATCHCTL_WORKER_ID'));
    const first = workspace.start(['worker', '--slots', '1'], named(workspace, 'w-first'));
    await untilRun(workspace, 1);
    await workspace.freeze(first);
    const second = workspace.work(named(workspace, 'w-second'));
    await untilRun(workspace, 2);
    workspace.write('go', '');
    expectExit(await second);
    first.child.kill('SIGCONT');
    first.child.kill('SIGTERM');
    expectExit(await first.ended);
    const facts = await factsOf(await workspace.platform(), job);
    expect(facts).to.deep.include({ ...SUCCEEDED, dead: [], counted: { only: 1 }, journal: ['sent', 'close'] });
    expect(facts.outputs).to.deep.equal({ only: { 0: `${idOf(workspace, 'w-second')}\n` } });
  },
  'SIGTERM drains: running tasks are finished, and those that wait for a slot go to others at once': async (
    workspace,
  ) => {
    const job = await submitJob(workspace, waiting(6));
    const first = workspace.start(['worker', '--slots', '1'], { ...named(workspace, 'w-first'), ...LONG });
    await untilRun(workspace, 1);
    first.child.kill('SIGTERM');
    const second = workspace.start(['worker', '--slots', '5', '--until-empty'], {
      ...named(workspace, 'w-second'),
      ...LONG,
    });
    await untilRun(workspace, 6);
    workspace.write('go', '');
    for (const each of [first, second]) expectExit(await each.ended);
    expect(await countsOf(workspace, job)).to.include({ done: 6, failed: 0, retried: 0, interrupted: 0 });
    expect(workspace.lines('ran').filter((line) => line.endsWith(idOf(workspace, 'w-first')))).to.have.length(1);
    expect(await factsOf(await workspace.platform(), job)).to.deep.include({ ...SUCCEEDED, dead: [] });
  },
  'a second SIGTERM releases running tasks with visibility 0, as interruptions, and others take them at once': async (
    workspace,
  ) => {
    const job = await submitJob(workspace, waiting(1));
    const first = workspace.start(['worker', '--slots', '1'], { ...named(workspace, 'w-first'), ...LONG });
    await untilRun(workspace, 1);
    workspace.start(['worker', '--slots', '1'], { ...named(workspace, 'w-second'), ...LONG });
    await until('the second is up', async () => {
      const workers = await (await (await workspace.platform()).ledger()).workers({});
      return workers.some(({ worker }) => worker === idOf(workspace, 'w-second'));
    });
    first.child.kill('SIGTERM');
    await until('the first drains', () => first.printed().includes('taking no more tasks'));
    const began = Date.now();
    first.child.kill('SIGTERM');
    await untilRun(workspace, 2);
    const [, taken] = workspace.lines('ran');
    expect(taken?.endsWith(idOf(workspace, 'w-second'))).to.equal(true);
    // Each extension is due after a third of the lease, so it would still last if the task had not been returned.
    expect(startedAt(taken) - began).to.be.below((LONG_LEASE * 1_000) / 2);
    expectExit(await first.ended);
    workspace.write('go', '');
    await workspace.runSuccessfully('wait', job);
    expect(await countsOf(workspace, job)).to.include({ done: 1, failed: 0, retried: 0, interrupted: 1 });
  },
};

describe('returning tasks on AWS', () => {
  declareTrialsWith(3, emulatedWorkspace, TRIALS);
});
