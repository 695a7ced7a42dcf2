// Protects: a command that floods stderr, hangs, forks or ignores signals is contained, and its task ends correctly.
import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { logPrefix, outKey } from '../../src/model/keys.ts';
import { expectExit } from '../support/expect-exit.ts';
import { forEachTest } from '../support/fixture.ts';
import { startWorkerInProcess } from '../support/inside-worker.ts';
import { factsOf, type JobFacts, SUCCEEDED } from '../support/job-facts.ts';
import { rangeJob } from '../support/range-job.ts';
import { keysBelow } from '../support/stored.ts';
import { until } from '../support/until.ts';
import { Workspace } from '../support/workspace.ts';
import { submitJob } from './submit-job.ts';

describe('misbehaving commands', () => {
  const workspace = forEachTest(() => new Workspace(undefined, 6));

  const submit = (command: string, step: object = {}): Promise<string> => {
    const run = `cd ${workspace.dir}; ${command}`;
    return submitJob(workspace, rangeJob('bad', 1, { name: 'only', attempts: 1, run, ...step }));
  };

  /** Runs a job with one such command to its end, with a real worker. */
  const work = async (command: string, step: object = {}): Promise<JobFacts & { job: string }> => {
    const job = await submit(command, step);
    expectExit(await workspace.work());
    return { job, ...(await factsOf(await workspace.platform(), job)) };
  };

  /** The ledger's row of the one task. */
  const taskOf = async (job: string): Promise<unknown> => {
    const ledger = await (await workspace.platform()).ledger();
    return (await ledger.tasks(job, { limit: 10 }))[0];
  };

  const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(statusOf(pid));
  const pidIn = (file: string): Promise<number> => until(file, () => Number(workspace.lines(file)[0] ?? 0) || null);

  it('keeps the tail of the log, and completes the task, if a command floods stderr with 50 MB', async () => {
    const { job, ...facts } = await work("head -c 50000000 /dev/zero | tr '\\0' x >&2; echo the end >&2; echo done");
    expect(facts).to.deep.include({ ...SUCCEEDED, outputs: { only: { 0: 'done\n' } } });
    const { store } = await workspace.platform();
    const logs = await keysBelow(store, logPrefix(job, 'only'));
    expect(logs).to.have.length(1);
    const log = Buffer.from((await store.read(logs[0] ?? '')) ?? []);
    expect(log.length).to.be.at.most(2 * 2 ** 20 + 100);
    expect(log.subarray(-11).toString()).to.equal('xxxthe end\n');
  });

  it('kills and fails a command that ignores SIGTERM at its timeout', async () => {
    const job = await submit('trap "" TERM; echo $$ > pid; while :; do sleep 0.05; done', { timeout: '5s' });
    const options = { slots: 1, untilEmpty: true, graceMs: 300 };
    const worker = startWorkerInProcess(workspace, await workspace.platform('w-grace'), options);
    const pid = await pidIn('pid');
    await worker.done;
    expect(isAlive(pid)).to.equal(false);
    expect(await taskOf(job)).to.deep.include({ state: 'failed', reason: 'timeout' });
  });

  it('ends a child that a command left in another session when the task ends', async () => {
    const facts = await work(
      "setsid sh -c 'echo $$ > pid; exec sleep 1000' & while [ ! -s pid ]; do sleep 0.02; done; echo done",
    );
    expect(facts).to.deep.include({ ...SUCCEEDED, outputs: { only: { 0: 'done\n' } } });
    const pid = await pidIn('pid');
    await until('the child is gone', () => !isAlive(pid));
  });

  it('publishes an empty output if a command writes none', async () => {
    expect(await work('true')).to.deep.include({ ...SUCCEEDED, outputs: { only: { 0: '' } } });
  });

  it('publishes 1 GB with a manifest and checksum', async () => {
    const { job, ...facts } = await work('head -c 1073741824 /dev/zero');
    expect(facts).to.deep.include({ ...SUCCEEDED, outputs: { only: { 0: '[1073741824 bytes]' } } });
    const { store } = await workspace.platform();
    expect((await store.head(outKey(job, 'only', 0)))?.size).to.be.lessThan(10_000);
  });

  it('ends and fails a command that goes silent', async () => {
    const { job, ...facts } = await work('echo begun; sleep 1000', { stall: '1s' });
    expect(facts).to.deep.include({ state: 'failed', outputs: { only: {} } });
    expect(await taskOf(job)).to.deep.include({ state: 'failed', reason: 'stall' });
  });

  it('ends a command and its children when its worker is killed', async () => {
    await submit("setsid sh -c 'echo $$ > child; exec sleep 1000' & echo $$ > pid; sleep 1000");
    const worker = workspace.start(['worker']);
    const [pid, child] = [await pidIn('pid'), await pidIn('child')];
    worker.child.kill('SIGKILL');
    await worker.ended;
    await until('command and child are gone', () => !isAlive(pid) && !isAlive(child));
  });
});

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return 'State:\tZ';
  }
}
