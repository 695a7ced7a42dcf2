// Protects: a worker that is paused, stopped or frozen on AWS returns its tasks and charges no attempt.
import { expect } from 'chai';
import type { StepCounts } from '../../src/ports/ledger.ts';
import { AwsWorkspace } from '../support/aws-workspace.ts';
import { factsOf, SUCCEEDED } from '../support/job-facts.ts';
import { declareTrials } from '../support/sampling.ts';
import { sharedFauxqs } from '../support/servers/fauxqs.ts';
import { sharedMoto } from '../support/servers/moto.ts';
import type { Endpoint } from '../support/servers/shared.ts';
import { until } from '../support/until.ts';

/** Each run of a task writes the time and the worker to the file `ran`; it ends once the file `go` exists. */
const waiting = (tasks: number): unknown => ({
  name: 'waiting',
  input: { split: { by: 'range', from: 1, to: tasks } },
  steps: [
    {
      name: 'only',
      run: 'echo $(date +%s%3N) $BATCHCTL_WORKER_ID >> "$HOME/ran"; while [ ! -e "$HOME/go" ]; do sleep 0.05; done; cat',
    },
  ],
});
/** Many tasks: the last would begin long after a pause takes effect. */
const SHORT = {
  name: 'short',
  input: { split: { by: 'range', from: 1, to: 200 } },
  steps: [{ name: 'only', run: 'echo $(date +%s%3N) >> "$HOME/ran"; sleep 1' }],
};

/** A lease that a busy machine keeps, within which a pause takes effect there too. */
const LEASE = 15;
const KEPT = { BATCHCTL_TEST_LEASE_SECONDS: String(LEASE) };
/** One that no test waits for: what comes back sooner was given back. */
const LONG_LEASE = 60;
const LONG = { BATCHCTL_TEST_LEASE_SECONDS: String(LONG_LEASE) };

const startedAt = (line: string | undefined): number => Number(line?.split(' ')[0] ?? Number.NaN);

/** A unique id: a worker removes at its end everything that carries its id, and several of these tests run at once. */
const idOf = (workspace: AwsWorkspace, name: string): string => `${name}-${workspace.stack}`;
const named = (workspace: AwsWorkspace, name: string) => ({ BATCHCTL_SUPERVISED_ID: idOf(workspace, name) });

const runs = (workspace: AwsWorkspace, count: number) =>
  until(`${count} runs`, () => workspace.lines('ran').length >= count);

async function countsOf(workspace: AwsWorkspace, job: string): Promise<StepCounts | undefined> {
  const ledger = await (await workspace.platform()).ledger();
  return (await ledger.counts(job))[0];
}

const TRIALS: Readonly<Record<string, (workspace: AwsWorkspace) => Promise<void>>> = {
  'a pause takes effect within a lease: running tasks complete, and no more are taken': async (workspace) => {
    workspace.write('job.json', SHORT);
    const job = await workspace.submit();
    const working = workspace.start(['worker', '--slots', '2', '--idle-exit', '5s'], KEPT);
    await runs(workspace, 4);
    await workspace.well('pause', job, '--yes');
    const paused = Date.now();
    const { code, stderr } = await working.ended;
    expect(code, stderr).to.equal(0);
    const ran = workspace.lines('ran');
    expect(ran.length).to.be.below(200);
    expect(startedAt(ran.at(-1)) - paused).to.be.below(LEASE * 1_000);
    expect(await countsOf(workspace, job)).to.include({ done: ran.length, failed: 0, retried: 0, interrupted: 0 });
  },
  'a pause --now returns running tasks within a lease, as interruptions; resume continues': async (workspace) => {
    workspace.write('job.json', waiting(2));
    const job = await workspace.submit();
    workspace.start(['worker', '--slots', '2'], KEPT);
    await runs(workspace, 2);
    await workspace.well('pause', job, '--now', '--yes');
    await until('both are interrupted', async () => (await countsOf(workspace, job))?.interrupted === 2, LEASE * 1_000);
    workspace.write('go', '');
    await workspace.well('resume', job);
    await workspace.well('wait', job);
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
    workspace.write('job.json', {
      name: 'one',
      input: { split: { by: 'range', from: 1, to: 1 } },
      steps: [
        {
          name: 'only',
          run: 'echo run >> "$HOME/ran"; while [ ! -e "$HOME/go" ]; do sleep 0.05; done; echo $BATCHCTL_WORKER_ID',
        },
      ],
    });
    const job = await workspace.submit();
    const first = workspace.start(['worker', '--slots', '1'], named(workspace, 'w-first'));
    await runs(workspace, 1);
    await workspace.freeze(first);
    const second = workspace.work(named(workspace, 'w-second'));
    await runs(workspace, 2);
    workspace.write('go', '');
    expect((await second).code).to.equal(0);
    first.child.kill('SIGCONT');
    first.child.kill('SIGTERM');
    expect((await first.ended).code).to.equal(0);
    const facts = await factsOf(await workspace.platform(), job);
    expect(facts).to.deep.include({ ...SUCCEEDED, dead: [], counted: { only: 1 }, journal: ['sent', 'close'] });
    expect(facts.outputs).to.deep.equal({ only: { 0: `${idOf(workspace, 'w-second')}\n` } });
  },
  'SIGTERM drains: running tasks are finished, and those that wait for a slot go to others at once': async (
    workspace,
  ) => {
    workspace.write('job.json', waiting(6));
    const job = await workspace.submit();
    const first = workspace.start(['worker', '--slots', '1'], { ...named(workspace, 'w-first'), ...LONG });
    await runs(workspace, 1);
    first.child.kill('SIGTERM');
    const second = workspace.start(['worker', '--slots', '5', '--until-empty'], {
      ...named(workspace, 'w-second'),
      ...LONG,
    });
    await runs(workspace, 6);
    workspace.write('go', '');
    const ends = await Promise.all([first.ended, second.ended]);
    for (const { code, stderr } of ends) expect(code, stderr).to.equal(0);
    expect(await countsOf(workspace, job)).to.include({ done: 6, failed: 0, retried: 0, interrupted: 0 });
    expect(workspace.lines('ran').filter((line) => line.endsWith(idOf(workspace, 'w-first')))).to.have.length(1);
    expect(await factsOf(await workspace.platform(), job)).to.deep.include({ ...SUCCEEDED, dead: [] });
  },
  'a second SIGTERM releases running tasks with visibility 0, as interruptions, and others take them at once': async (
    workspace,
  ) => {
    workspace.write('job.json', waiting(1));
    const job = await workspace.submit();
    const first = workspace.start(['worker', '--slots', '1'], { ...named(workspace, 'w-first'), ...LONG });
    await runs(workspace, 1);
    workspace.start(['worker', '--slots', '1'], { ...named(workspace, 'w-second'), ...LONG });
    await until('the second is up', async () => {
      const workers = await (await (await workspace.platform()).ledger()).workers({});
      return workers.some(({ worker }) => worker === idOf(workspace, 'w-second'));
    });
    first.child.kill('SIGTERM');
    await until('the first drains', () => first.said().includes('taking no more tasks'));
    const began = Date.now();
    first.child.kill('SIGTERM');
    await runs(workspace, 2);
    const [, taken] = workspace.lines('ran');
    expect(taken?.endsWith(idOf(workspace, 'w-second'))).to.equal(true);
    // Each extension is due after a third of the lease, so it would still last if the task had not been returned.
    expect(startedAt(taken) - began).to.be.below((LONG_LEASE * 1_000) / 2);
    expect((await first.ended).code).to.equal(0);
    workspace.write('go', '');
    await workspace.well('wait', job);
    expect(await countsOf(workspace, job)).to.include({ done: 1, failed: 0, retried: 0, interrupted: 1 });
  },
};

describe('returning tasks on AWS', () => {
  let sqs: Endpoint;
  let s3: string;

  before(async () => {
    s3 = (await sharedMoto()).url;
    sqs = await sharedFauxqs();
  });

  const inWorkspace = (use: (workspace: AwsWorkspace) => Promise<void>) => async (): Promise<void> => {
    const workspace = await AwsWorkspace.make({ s3, sqs: sqs.url });
    try {
      await use(workspace);
    } finally {
      await workspace.remove();
    }
  };
  declareTrials(3, Object.fromEntries(Object.entries(TRIALS).map(([name, trial]) => [name, inWorkspace(trial)])));
});
