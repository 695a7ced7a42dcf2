// Protects: a task that runs twice at once publishes one output, and the late attempt damages nothing.
import { expect } from 'chai';
import { Gate } from '../../src/lib/wait.ts';
import { openedKey, outKey, stagedPrefix } from '../../src/model/keys.ts';
import { encodeMessage } from '../../src/model/message.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { CHAINS, CHAINS_OUTPUTS, CHAINS_RAN } from '../support/crash-jobs.ts';
import { expectExit } from '../support/expect-exit.ts';
import { forEachTest } from '../support/fixture.ts';
import { startWorkerInProcess } from '../support/inside-worker.ts';
import { factsOf, SUCCEEDED } from '../support/job-facts.ts';
import { rangeJob } from '../support/range-job.ts';
import { entryKinds, keysBelow } from '../support/stored.ts';
import { until } from '../support/until.ts';
import { Workspace } from '../support/workspace.ts';
import { wrapStore } from '../support/wrap-store.ts';
import { submitJob } from './submit-job.ts';

/** Sends messages as batchctl would, so that each is delivered once more. */
async function sendAgain(platform: Platform, job: string, tasks: readonly [string, number][]): Promise<void> {
  const queue = await platform.queue('default');
  await queue.send(tasks.map(([step, task]) => ({ body: encodeMessage({ job, step, task, round: 0 }), tenant: job })));
}

const FIRST: readonly [string, number][] = [0, 1, 2, 3].map((task) => ['twice', task]);

describe('twin attempts', () => {
  const workspace = forEachTest(() => new Workspace(undefined, 6));
  let platform: Platform;

  beforeEach(async () => {
    platform = await workspace.platform();
  });

  it('publishes every output once when messages are delivered twice at once, to two workers', async () => {
    const job = await submitJob(workspace, CHAINS);
    await sendAgain(platform, job, [...FIRST, ...FIRST]);
    const workers = await Promise.all([workspace.work({}, '--slots', '3'), workspace.work({}, '--slots', '3')]);
    for (const each of workers) expectExit(each);
    const facts = await factsOf(platform, job);
    expect(facts).to.deep.include({ ...SUCCEEDED, dead: [], counted: { twice: 4, more: 4, total: 1 } });
    expect(facts.outputs).to.deep.equal(CHAINS_OUTPUTS);
    expect(facts.journal).to.deep.equal(['sent', 'close']);
  });

  it('runs nothing and changes nothing when messages are delivered again after completion', async () => {
    const job = await submitJob(workspace, CHAINS);
    await workspace.work();
    const before = await factsOf(platform, job);
    await sendAgain(platform, job, [...FIRST, ['more', 2], ['total', 0]]);
    expectExit(await workspace.work());
    expect(await factsOf(platform, job)).to.deep.equal(before);
    expect([...workspace.lines('ran')].sort()).to.deep.equal(CHAINS_RAN);
  });

  it('a frozen worker whose lease expired loses to the worker that took over the task', async () => {
    const job = await submitJob(
      workspace,
      oneTask('while [ ! -e "$HOME/go" ]; do sleep 0.02; done; echo $BATCHCTL_WORKER_ID'),
    );
    const first = workspace.start(['worker', '--slots', '1'], { BATCHCTL_SUPERVISED_ID: 'w-first' });
    await until('the first runs the command', () => workspace.lines('ran').length === 1);
    await workspace.freeze(first);
    const second = workspace.work({ BATCHCTL_SUPERVISED_ID: 'w-second' });
    await until('the second took it over', () => workspace.lines('ran').length === 2);
    workspace.write('go', '');
    expectExit(await second);
    first.child.kill('SIGCONT');
    first.child.kill('SIGTERM');
    expectExit(await first.ended);
    const facts = await factsOf(platform, job);
    expect(facts).to.deep.include({ ...SUCCEEDED, dead: [], counted: { only: 1 }, journal: ['sent', 'close'] });
    expect(facts.outputs).to.deep.equal({ only: { 0: 'w-second\n' } });
  });

  it('late twins delete what they staged, and nothing else', async () => {
    const job = await submitJob(workspace, oneTask('head -c 9000000 /dev/zero; echo $BATCHCTL_WORKER_ID'));
    const [putGate, arrival] = [new Gate(), new Gate()];
    const [mayPut, arrived] = [putGate.next(), arrival.next()];
    const slow = await workspace.platform('w-slow');
    const held = wrapStore(slow.store, {
      put: async (key, body, options) => {
        if (key === outKey(job, 'only', 0)) {
          arrival.open();
          await mayPut;
        }
        return slow.store.put(key, body, options);
      },
    });
    const late = startWorkerInProcess(workspace, { ...slow, store: held }, { slots: 1, untilEmpty: false });
    await arrived;
    await sendAgain(platform, job, [['only', 0]]);
    const quick = startWorkerInProcess(workspace, await workspace.platform('w-quick'), { slots: 1, untilEmpty: false });
    await until('the twin published', () => platform.store.head(outKey(job, 'only', 0)));
    putGate.open();
    await Promise.all([late.drain(), quick.drain()]);
    const facts = await factsOf(platform, job);
    expect(facts).to.deep.include({ ...SUCCEEDED, dead: [], counted: { only: 1 }, journal: ['sent', 'close'] });
    expect(await keysBelow(platform.store, stagedPrefix(job, 'only', 0, '').slice(0, -1))).to.have.length(1);
    expect(facts.outputs.only?.[0]).to.equal('[9000008 bytes]');
  });

  for (const { when, tolerate, order, leftOut, states, total } of [
    {
      when: 'before the gather opened',
      tolerate: 1,
      order: ['go1', 'go0'],
      leftOut: '',
      states: ['succeeded'],
      total: '2\n',
    },
    {
      when: 'after the gather opened',
      tolerate: 1,
      order: ['go0', 'go1'],
      leftOut: '1',
      states: ['succeeded'],
      total: '1\n',
    },
    {
      when: 'after the job was closed as failed',
      tolerate: 0,
      order: ['go0', 'go1'],
      leftOut: '',
      states: ['failed', 'succeeded'],
      total: '2\n',
    },
  ]) {
    it(`ends a job as succeeded if a twin succeeds after its task failed for good, ${when}`, async () => {
      const job = await submitJob(workspace, {
        name: 'late',
        tolerate,
        input: { split: { by: 'range', from: 0, to: 1 } },
        steps: [
          {
            name: 'only',
            attempts: 1,
            run: `cd ${workspace.dir}; echo $BATCHCTL_TASK >> ran; [ $BATCHCTL_WORKER_ID = w-slow ] || exit 1; while [ ! -e go$BATCHCTL_TASK ]; do sleep 0.02; done; echo fine`,
          },
          { name: 'total', gather: true, run: 'wc -l' },
        ],
      });
      // As many slots as tasks, so it has no room to take the twin itself. No lease expires here.
      const slow = startWorkerInProcess(workspace, await workspace.platform('w-slow', 20), {
        slots: 2,
        untilEmpty: false,
      });
      await until('both tasks run', () => workspace.lines('ran').length === 2);
      await sendAgain(platform, job, [['only', 1]]);
      const quick = startWorkerInProcess(workspace, await workspace.platform('w-quick'), {
        slots: 1,
        untilEmpty: false,
      });
      await until('the twin failed for good', async () => (await factsOf(platform, job)).dead.length === 1);
      await quick.drain();
      const closes = async (): Promise<number> =>
        (await entryKinds(platform.store, job)).filter((what) => what === 'close').length;
      workspace.write(order[0] ?? '', '');
      if (order[0] === 'go1') await until('the late success', () => platform.store.head(outKey(job, 'only', 1)));
      else await until('the first close', async () => (await closes()) === 1);
      workspace.write(order[1] ?? '', '');
      await until(
        'the last close',
        async () => (await closes()) === states.length && (await platform.store.head(outKey(job, 'only', 1))),
      );
      await slow.drain();
      const facts = await factsOf(platform, job);
      expect(facts).to.deep.include({
        ...SUCCEEDED,
        outputs: { only: { 0: 'fine\n', 1: 'fine\n' }, total: { 0: total } },
      });
      const opens = leftOut === '' ? [] : ['open'];
      expect(facts.journal).to.deep.equal(['sent', ...opens, ...states.map(() => 'close')]);
      const opened = JSON.parse(
        new TextDecoder().decode((await platform.store.read(openedKey(job, 'total'))) ?? undefined),
      );
      expect(opened.leftOut).to.equal(leftOut);
    });
  }
});

/** One task that writes to the file `ran` when it runs. */
function oneTask(command: string): unknown {
  return rangeJob('one', 1, { name: 'only', run: `echo run >> "$HOME/ran"; ${command}` });
}
