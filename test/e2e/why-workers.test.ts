// Protects: why says why no worker takes a job's tasks, and what to do about it.

import { expect } from 'chai';
import { lockGroup } from '../../src/adapters/local/ensure-supervisor.ts';
import { encodeMessage } from '../../src/model/message.ts';
import { expectExit, jsonOf } from '../support/expect-exit.ts';
import { forEachTest } from '../support/fixture.ts';
import { startWorkerInProcess } from '../support/inside-worker.ts';
import { rejection } from '../support/rejection.ts';
import { until } from '../support/until.ts';
import { causeCodesOf, rangeJobFile, untilCause, waitForGoCommand } from '../support/why-job.ts';
import { Workspace } from '../support/workspace.ts';
import { startWorker, submitJob } from './submit-job.ts';

describe('why: no worker takes the tasks', () => {
  const workspace = forEachTest(() => Workspace.withLongLeases());
  beforeEach(() => {
    workspace.write('job.json', rangeJobFile(4, 'echo done'));
  });

  const size = (desired: number): string =>
    JSON.stringify({ format: 1, desired, min: 0, max: 4, mode: 'manual', until: null, after: null, slots: null });

  it('names a group without a worker and the command that starts one, and exits 11', async () => {
    const job = await workspace.submit();
    const { causes, ...answer } = jsonOf(await workspace.run(['why', job, '--json']), 11);
    expect(answer).to.include({ job, state: 'running' });
    expect(causes).to.have.length(1);
    expect(causes[0].code).to.equal('noWorker');
    for (const command of ['batchctl scale 1,', 'batchctl worker --until-empty,', `batchctl run ${job},`])
      expect(causes[0].fix).to.include(command);
    const text = await workspace.run(['why', job]);
    expect(text.stdout).to.include('4 tasks of price wait in group default').and.include('fix:  batchctl scale 1');
  });

  it('exits 0 without a cause for a healthy job, and for one that succeeded', async () => {
    const job = await submitJob(workspace, rangeJobFile(4, waitForGoCommand(workspace)));
    const worker = workspace.start(['worker', '--until-empty', '--slots', '4']);
    await until('nothing is wrong', async () => (await causeCodesOf(await workspace.platform(), job)).length === 0);
    const running = expectExit(await workspace.run(['why', job]));
    expect(running.stdout).to.match(/running, nothing is wrong: \d running, \d waiting/);
    workspace.write('go', '');
    await worker.ended;
    const done = await workspace.run(['why', job]);
    expect(done).to.include({ code: 0, stdout: `${job}: it succeeded, nothing is wrong\n` });
  });

  it('says that the process that keeps workers running was killed, and which size to set again', async () => {
    const job = await workspace.submit();
    const platform = await workspace.platform();
    await platform.store.put('groups/default.json', size(2));
    workspace.write('job.json', rangeJobFile(1, waitForGoCommand(workspace)));
    const supervisor = workspace.start(['worker-supervisor', '--group', 'default']);
    await until('its workers are up', async () => (await (await platform.ledger()).workers({})).length === 2);
    const later = await workspace.submit();
    supervisor.child.kill('SIGKILL');
    workspace.write('go', '');
    expect(job).to.not.equal(later);
    await until('its workers left', async () =>
      (await (await platform.ledger()).workers({})).every(({ state }) => state === 'gone'),
    );
    const last = await workspace.submit();
    const cause = await untilCause(platform, last, 'supervisorDead');
    expect(cause.fix).to.equal('batchctl scale 2');
    expect(cause.severity).to.equal('stops');
  });

  it('waits for a worker that is still starting', async () => {
    const job = await workspace.submit();
    const platform = await workspace.platform();
    await platform.store.put('groups/default.json', size(1));
    const lock = await lockGroup(workspace.path('.batchctl'), 'default');
    try {
      expect((await untilCause(platform, job, 'workerStarting')).severity).to.equal('waits');
    } finally {
      lock?.release();
    }
  });

  it('says which other job takes all slots, and how to make room', async () => {
    const first = await submitJob(workspace, rangeJobFile(3, waitForGoCommand(workspace)));
    const { platform } = await startWorker(workspace, 'w-only', 1);
    await until('it is busy', async () => (await causeCodesOf(platform, first)).length === 0);
    const second = await workspace.submit('--run-key', 'other');
    const cause = await untilCause(platform, second, 'workersBusyElsewhere');
    expect(cause.message).to.include(first).and.include('the only slot');
    workspace.write('go', '');
  });

  it('says how much memory a task needs, and how much the workers have', async () => {
    const job = await submitJob(workspace, rangeJobFile(2, 'echo', { step: { needs: { memory: '64GB' } } }));
    const { platform } = await startWorker(workspace, 'w-small', 2);
    const cause = await untilCause(platform, job, 'doesNotFit');
    expect(cause.message).to.include('needs 64GB of memory').and.include('more than 4.3GB');
    expect(await causeCodesOf(platform, job)).to.not.include('backoff');
  });

  it('says that the last worker is leaving while tasks wait', async () => {
    const job = await submitJob(workspace, rangeJobFile(3, waitForGoCommand(workspace)));
    // A worker reports its tasks to the ledger whenever it extends its leases.
    const platform = await workspace.platform('w-leaver', 6);
    const worker = startWorkerInProcess(workspace, platform, { slots: 1, untilEmpty: false });
    await until('it runs one', async () => {
      const [seen] = await (await platform.ledger()).workers({});
      return seen?.busy.length === 1;
    });
    const left = worker.drain();
    expect((await untilCause(platform, job, 'workersLeaving')).message).to.include('w-leaver');
    workspace.write('go', '');
    await left;
  });

  it("names messages of a newer format, and which workers can't read them", async () => {
    const job = await submitJob(workspace, rangeJobFile(1, 'echo'));
    const platform = await workspace.platform('w-old');
    const queue = await platform.queue('default');
    await queue.purge({});
    const body = encodeMessage({ job, step: 'price', task: 0, round: 0 }).replace('"format":1', '"format":7');
    await queue.send([{ body, tenant: job }]);
    const worker = startWorkerInProcess(workspace, platform, { slots: 1, untilEmpty: false });
    expect((await rejection(worker.done)).message)
      .to.include('this worker runs batchctl')
      .and.include('has format 7');
    const cause = await untilCause(platform, job, 'newerFormat');
    expect(cause.message).to.include('format 7');
    expect(await causeCodesOf(platform, job))
      .to.not.include('backoff')
      .and.not.include('missingTasks');
  });

  it('notes workers older than the batchctl that submitted the job', async () => {
    const job = await submitJob(workspace, rangeJobFile(1, waitForGoCommand(workspace)));
    const platform = await workspace.platform('w-ancient');
    startWorkerInProcess(workspace, platform, { slots: 1, untilEmpty: false, version: '0.1.0' });
    const cause = await untilCause(platform, job, 'olderWorkers');
    expect(cause).to.deep.include({ severity: 'note', evidence: ['w-ancient: batchctl 0.1.0'] });
    workspace.write('go', '');
  });
});
