// Protects: a process that is frozen inside a transaction of the ledger or the queue ends no worker and undoes no
// command.
import { expect } from 'chai';
import { loadConfig } from '../../src/config/load-config.ts';
import { cancel, pause, resume } from '../../src/jobs/change/lifecycle.ts';
import { requireView } from '../../src/jobs/journal.ts';
import { JobWatcher } from '../../src/jobs/watch/job-watcher.ts';
import { openSqlite } from '../../src/lib/sqlite.ts';
import { OPEN_PREFIX, workerLogKey } from '../../src/model/keys.ts';
import { stateOf } from '../../src/model/view.ts';
import { lockWaits, openPlatform } from '../../src/platform/open-platform.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { forEachTest } from '../support/fixture.ts';
import { startWorkerInProcess } from '../support/inside-worker.ts';
import { rangeJob } from '../support/range-job.ts';
import { until } from '../support/until.ts';
import { LEASE, Workspace } from '../support/workspace.ts';

const JOB = rangeJob('claims', 3, { name: 'price', run: ['cat'] });

describe('a database locked by a frozen process', () => {
  const workspace = forEachTest(() => new Workspace());
  beforeEach(() => {
    workspace.write('job.json', JOB);
  });

  /** A platform that waits for a locked database for `patienceMs`, and its warnings. */
  async function openWorkerPlatform(patienceMs: number): Promise<{ platform: Platform; warnings: string[] }> {
    const warnings: string[] = [];
    const config = await loadConfig({ env: {}, cwd: workspace.dir, home: '', etc: '' });
    const platform = await openPlatform(config, {
      role: 'worker',
      who: workspace.worker,
      leaseSeconds: LEASE,
      patienceMs,
      onWarning: (line) => warnings.push(line),
    });
    workspace.atEnd(() => platform.close());
    return { platform, warnings };
  }

  /** Locks a database like a process that is frozen in a transaction; returns a function that unlocks it. */
  function lock(name: 'ledger.db' | 'queue.db'): () => void {
    const database = openSqlite(workspace.path('.batchctl', name), { busyMs: 5_000 });
    database.exec('begin immediate');
    const unlock = (): void => void database.close();
    workspace.atEnd(async () => unlock());
    return unlock;
  }

  it('the ledger: a worker still finishes a job, and writes to the ledger later', async () => {
    const job = await workspace.submit();
    const { platform } = await openWorkerPlatform(50);
    const unlock = lock('ledger.db');
    const worker = startWorkerInProcess(workspace, platform, { slots: 2, untilEmpty: false });
    const closed = until('the job is closed', async () => (await requireView(platform.store, job)).closed);
    await Promise.race([closed, worker.done.then(() => expect.fail('the worker left'))]);
    // The heartbeat does its other work, too.
    await until('its log is stored', () => platform.store.head(workerLogKey(platform.who)));
    const ledger = await platform.ledger();
    expect((await ledger.job(job))?.state).to.equal('running');
    unlock();
    await until('the ledger has the close', async () => (await ledger.job(job))?.state === 'succeeded');
    await until('the ledger has its attempts', async () => (await ledger.attempts(job, 'price', 2)).length === 1);
    expect((await ledger.counts(job))[0]).to.include({ step: 'price', done: 3 });
    await until('no mark is left', async () => (await marks(platform)).length === 0);
    await worker.drain();
  });

  it('the queue: a worker that waits for it leaves at once on request', async () => {
    await workspace.submit();
    const { platform } = await openWorkerPlatform(600_000);
    lock('queue.db');
    let polls = 0;
    const queue: Platform['queue'] = async (group) => {
      const real = await platform.queue(group);
      const receive: typeof real.receive = (options) => {
        polls += 1;
        return real.receive(options);
      };
      return Object.create(real, { receive: { value: receive } }) as typeof real;
    };
    const worker = startWorkerInProcess(workspace, { ...platform, queue }, { slots: 1, untilEmpty: false });
    await until('it waits for the queue', () => polls > 0);
    await worker.drain();
  });

  it('the queue: a worker waits for it as long as two leases, and a heartbeat no longer than allowed', () => {
    expect(lockWaits(15)).to.deep.equal({ queue: 30_000, ledger: 10_000, heartbeat: 7_500 });
    expect(lockWaits(1)).to.deep.equal({ queue: 10_000, ledger: 2_000, heartbeat: 500 });
  });

  it('the ledger: pause, resume and cancel take effect with a warning, and the next watcher records them', async () => {
    const job = await workspace.submit();
    const { platform, warnings } = await openWorkerPlatform(50);
    const ledger = await platform.ledger();
    const view = await requireView(platform.store, job);
    const watcher = new JobWatcher(platform, LEASE, () => undefined, { raises: false });
    const actions = { paused: () => pause(platform, view, { now: false }), running: () => resume(platform, view) };
    for (const [state, act] of Object.entries(actions)) {
      const before = (await ledger.job(job))?.state;
      const unlock = lock('ledger.db');
      expect(stateOf((await act()).view)).to.equal(state);
      expect((await ledger.job(job))?.state).to.equal(before);
      expect(warnings.splice(0)).to.have.length(1);
      unlock();
      await watcher.round(true);
      expect((await ledger.job(job))?.state).to.equal(state);
    }
    const unlock = lock('ledger.db');
    expect(stateOf((await cancel(platform, view)).view)).to.equal('cancelled');
    // A watcher that can't write to the ledger either leaves that to the next one.
    await watcher.round();
    expect(await marks(platform)).to.have.length(1);
    expect(warnings).to.have.length(1);
    unlock();
    await watcher.round();
    expect((await ledger.job(job))?.state).to.equal('cancelled');
    expect(await marks(platform)).to.have.length(0);
  });

  it('the ledger: a command reports it as a warning, and exits with 0', async () => {
    const job = await workspace.submit();
    const unlock = lock('ledger.db');
    const { code, stderr } = await workspace.run(['pause', job]);
    expect({ code, stderr }).to.have.property('code', 0);
    expect(stderr).to.match(new RegExp(`warning: .*ledger.*locked.*job ${job} is paused; the next worker`));
    unlock();
    expect((await workspace.run(['tick'])).code).to.equal(0);
    const { stdout } = await workspace.run(['jobs', '--json']);
    expect(JSON.parse(stdout)).to.include({ job, state: 'paused' });
  });
});

async function marks({ store }: Platform): Promise<readonly string[]> {
  const keys: string[] = [];
  for await (const key of store.keys(OPEN_PREFIX)) keys.push(key);
  return keys;
}
