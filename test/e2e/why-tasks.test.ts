// Protects: why names the tasks, limits or lost messages that keep a job from ending.

import { rmSync } from 'node:fs';
import { expect } from 'chai';
import { begunKey } from '../../src/model/keys.ts';
import { forEachTest } from '../support/fixture.ts';
import { until } from '../support/until.ts';
import { causeCodesOf, rangeJobFile, untilCause, waitForGoCommand } from '../support/why-job.ts';
import { Workspace } from '../support/workspace.ts';
import { startWorker, submitJob } from './submit-job.ts';

/** Task 0 waits for `go`; all others are quick. */
const oneWaits = (workspace: Workspace, others = 'echo done'): string =>
  `[ "$BATCHCTL_TASK" != 0 ] || ${waitForGoCommand(workspace).replace('; echo done', '')}; ${others}`;

describe('why: tasks that do not end', () => {
  const workspace = forEachTest(() => new Workspace());

  it('names the straggler that a gather waits for, its worker, and its duration against the median', async () => {
    const job = await submitJob(workspace, rangeJobFile(6, oneWaits(workspace), { gather: true }));
    const { platform, worker } = await startWorker(workspace, 'w-straggling', 2);
    const cause = await untilCause(platform, job, 'straggler');
    expect(cause.message).to.match(
      /^total waits for price\/0: it has run for [\d.]+s on w-\w+, the median is [\d.]+m?s$/,
    );
    expect(cause.fix).to.include(`batchctl logs ${job} price/0 --follow`).and.include(`batchctl kill ${job} `);
    workspace.write('go', '');
    await worker.drain();
  });

  it('names a task far slower than the others while others still wait', async () => {
    const job = await submitJob(workspace, rangeJobFile(120, oneWaits(workspace, 'sleep 0.1; echo done')));
    const { platform, worker } = await startWorker(workspace, 'w-slow-task', 2);
    const cause = await untilCause(platform, job, 'slowTasks');
    expect(cause.message).to.include('1 task of price is far slower').and.include('price/0');
    workspace.write('go', '');
    await worker.stop();
  });

  it('names a step that takes longer than in the previous run', async () => {
    const before = await submitJob(workspace, rangeJobFile(12, 'echo'));
    await workspace.work();
    const job = await submitJob(workspace, rangeJobFile(30, 'sleep 2'));
    const { platform, worker } = await startWorker(workspace, 'w-slow-step', 4);
    const cause = await untilCause(platform, job, 'slowStep');
    expect(cause.message).to.match(/^a task of price takes [\d.]+s; in the previous run it took [\d.]+m?s$/);
    expect(cause.fix).to.include(`--compare ${before}`);
    await worker.stop();
  });

  it('says until when failed tasks are delayed, and their errors', async () => {
    const job = await submitJob(
      workspace,
      rangeJobFile(2, 'echo "no route to host" >&2; exit 3', { step: { attempts: 12 } }),
    );
    const { platform, worker } = await startWorker(workspace, 'w-backoff', 2);
    const cause = await untilCause(platform, job, 'backoff');
    expect(cause.message).to.include('to be retried after a failed attempt: the first is due in');
    expect(cause.evidence.join()).to.include('exit 3, "no route to host"');
    await worker.stop();
  });

  it('says that maxRunning is reached, by what, and how many tasks wait', async () => {
    const job = await submitJob(workspace, rangeJobFile(4, waitForGoCommand(workspace), { job: { maxRunning: 1 } }));
    const { platform, worker } = await startWorker(workspace, 'w-max-job', 3);
    const cause = await untilCause(platform, job, 'maxRunning');
    expect(cause.message).to.equal('the job runs as many tasks as it may: maxRunning is 1, 3 tasks wait');
    workspace.write('go', '');
    await worker.drain();
  });

  it('distinguishes maxRunning of a step from that of the job', async () => {
    const job = await submitJob(workspace, rangeJobFile(4, waitForGoCommand(workspace), { step: { maxRunning: 1 } }));
    const { platform, worker } = await startWorker(workspace, 'w-max-step', 3);
    const cause = await untilCause(platform, job, 'maxRunning');
    expect(cause.message).to.include('step price runs as many tasks as it may');
    workspace.write('go', '');
    await worker.drain();
  });

  it("says that a killed worker's task waits for its lease, and names a task that is killed repeatedly", async () => {
    const job = await submitJob(workspace, rangeJobFile(1, waitForGoCommand(workspace)));
    const platform = await workspace.platform();
    const ledger = await platform.ledger();
    const attempts = async (): Promise<number> => (await ledger.attempts(job, 'price', 0)).length;
    for (const time of [1, 2]) {
      const worker = workspace.start(['worker', '--slots', '1']);
      await until(`attempt ${time} is known`, async () => (await attempts()) === time);
      worker.child.kill('SIGKILL');
      await worker.ended;
      if (time === 1) {
        const lost = await untilCause(platform, job, 'workerLost');
        expect(lost.message).to.include('1 task ran on a worker that is gone (w-');
        expect(lost.severity).to.equal('waits');
      }
    }
    const cause = await untilCause(platform, job, 'leasesExpiring');
    expect(cause.message).to.include('price/0 lost its worker or its lease 2 times');
    expect(cause.fix).to.include('batchctl workers logs w-');
    expect(await causeCodesOf(platform, job)).to.include('noWorker');
  });

  it('names a task that seems to kill its workers, by the marks of attempts that never ended', async () => {
    const job = await submitJob(workspace, rangeJobFile(2, 'echo'));
    const platform = await workspace.platform();
    for (const attempt of ['aaaa', 'bbbb', 'cccc'])
      await platform.store.put(begunKey(job, 'price', 1, 0, attempt), '{"format":1}');
    const cause = await untilCause(platform, job, 'killsWorkers');
    expect(cause.message).to.include('price/1 seems to kill its workers: 3 attempts');
    expect(cause.fix).to.include(`batchctl kill ${job} price/1 --fail`);
  });

  it('reports tasks without a message until they are sent again', async () => {
    const job = await submitJob(workspace, rangeJobFile(3, 'echo'));
    const platform = await workspace.platform();
    await (await platform.queue('default')).purge({});
    const cause = await untilCause(platform, job, 'missingTasks');
    expect(cause.message).to.include('3 tasks are neither decided nor in the queue');
    expect(cause.fix).to.equal(`batchctl verify ${job} --repair`);
    const repaired = await workspace.run(['verify', job, '--repair']);
    expect(repaired.stderr).to.include('sent 3');
    expect(await causeCodesOf(platform, job)).to.not.include('missingTasks');
  });

  it('reports the dead letter of a task that did not fail, its reason, and how to return it', async () => {
    const job = await submitJob(workspace, rangeJobFile(2, 'echo'));
    const platform = await workspace.platform();
    const queue = await platform.queue('default');
    const [delivery] = await queue.receive({ max: 1, waitSeconds: 5 });
    if (delivery === undefined) throw new Error('nothing was delivered');
    await queue.bury([{ delivery, reason: 'the archive is damaged' }]);
    const cause = await untilCause(platform, job, 'deadLetters');
    expect(cause.message).to.include('1 task of it is in the dead-letter queue').and.include('the archive is damaged');
    await workspace.run(['queue', 'redrive', '--job', job, '--yes']);
    expect(await causeCodesOf(platform, job)).to.deep.equal(['noWorker']);
  });

  it('says that a lost ledger has less than the store', async () => {
    const job = await submitJob(workspace, rangeJobFile(3, 'echo'));
    await workspace.work();
    for (const name of ['ledger.db', 'ledger.db-wal', 'ledger.db-shm'])
      rmSync(workspace.path('.batchctl', name), { force: true });
    const platform = await workspace.platform();
    const cause = await untilCause(platform, job, 'ledgerBehind');
    expect(cause.evidence).to.deep.equal(['price: the ledger counts 0 done, the store has 3']);
    await workspace.run(['verify', job, '--repair']);
    expect(await causeCodesOf(platform, job)).to.deep.equal([]);
  });

  it('reports an attempt that lost its lease, with its worker', async () => {
    const job = await submitJob(workspace, rangeJobFile(1, waitForGoCommand(workspace)));
    const { platform } = await startWorker(workspace, 'w-frozen', 1);
    const ledger = await platform.ledger();
    const [seen] = await until('it runs', async () => {
      const found = await ledger.attempts(job, 'price', 0);
      return found.length > 0 ? found : null;
    });
    if (seen === undefined) throw new Error('no attempt');
    await ledger.record([{ ...seen, outcome: 'interrupted', reason: 'lease', endedAt: Date.now() }]);
    const cause = await untilCause(platform, job, 'leasesExpiring');
    expect(cause.evidence.join()).to.include('w-frozen').and.include('its lease expired');
    workspace.write('go', '');
  });
});
