// Protects: a lost ledger can be rebuilt from the store, even while workers run.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { forSuite } from '../../support/fixture.ts';
import { Workspace } from '../../support/workspace.ts';

const JOB = {
  name: 'mixed',
  input: { split: { by: 'range', from: 1, to: 4 } },
  tolerate: 1,
  steps: [{ name: 'one', attempts: 2, run: 'read n; [ $n != 3 ] || { echo bad $n >&2; exit 9; }; echo $n' }],
};

/** The record of a failure has no resource usage and no wait; nor has the ledger, if the attempt was too short to measure. */
function withoutUse(attempt: unknown) {
  const { cpuSeconds: _, peakMemory: _memory, waitSeconds: _waited, ...rest } = attempt as Record<string, unknown>;
  return rest;
}

describe('ledger rebuild', () => {
  const workspace = forSuite(() => new Workspace());

  const answer = async (...words: readonly string[]): Promise<unknown[]> => {
    const { code, stdout, stderr } = await workspace.run([...words, '--json']);
    expect(code, stderr).to.equal(0);
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
  };
  /** Without fields that the store doesn't keep. */
  const known = (rows: readonly unknown[]) =>
    rows.map((row) => {
      const { workers: _, rate: _rate, ...rest } = row as Record<string, unknown>;
      return rest;
    });

  it('restores jobs, status, tasks and attempts after the ledger is lost', async () => {
    workspace.write('job.json', JOB);
    const job = await workspace.submit();
    await workspace.work();
    const ask = async () => ({
      jobs: known(await answer('jobs')),
      status: known(await answer('status', job)),
      tasks: await answer('tasks', job),
      attempts: (await answer('tasks', job, '--task', 'one/2')).map(withoutUse),
    });
    const before = await ask();
    expect(before.attempts).to.have.length(2);
    const root = workspace.path('.batchctl');
    for (const name of readdirSync(root)) if (name.startsWith('ledger.db')) rmSync(join(root, name));
    expect((await workspace.run(['jobs', '--json'])).stdout).to.equal('');
    const [rebuilt] = await answer('ledger', 'rebuild');
    expect(rebuilt).to.deep.include({ jobs: 1, exact: 1, unreadable: [], dryRun: false });
    expect(await ask()).to.deep.equal(before);
    expect((await answer('ledger', 'rebuild'))[0]).to.deep.equal(rebuilt);
  });

  it("names a job that can't be read, and continues", async () => {
    const platform = await workspace.platform();
    await platform.store.put('jobs/broken-20261130-0600-abcde/job.json', 'not JSON');
    const { code, stdout, stderr } = await workspace.run(['ledger', 'rebuild', '--json']);
    expect(code).to.equal(0);
    expect(stderr).to.include('skipped broken-20261130-0600-abcde: ');
    expect(JSON.parse(stdout)).to.have.property('jobs', 1);
    expect(JSON.parse((await workspace.run(['ledger', 'rebuild', '--since', '0s', '--json'])).stdout)).to.include({
      jobs: 0,
    });
  });

  it('may run while workers work', async () => {
    workspace.write('job.json', { ...JOB, name: 'busy', input: { split: { by: 'range', from: 1, to: 40 } } });
    const job = await workspace.submit();
    const working = workspace.work();
    for (let i = 0; i < 3; i += 1) await answer('ledger', 'rebuild');
    expect((await working).code).to.equal(0);
    const [status] = (await answer('status', job)) as { state: string; steps: { done: number; failed: number }[] }[];
    expect(status?.state).to.equal('succeeded');
    expect(status?.steps[0]).to.include({ done: 39, failed: 1 });
  });
});
