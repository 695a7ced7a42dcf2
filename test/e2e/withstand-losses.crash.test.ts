// Protects: a job completes even when its ledger, queue, messages, worker directories or run command are lost.
import { readdirSync, rmSync } from 'node:fs';
import { expect } from 'chai';
import { CHAINS, CHAINS_OUTPUTS } from '../support/crash-jobs.ts';
import { expectExit, jsonOf } from '../support/expect-exit.ts';
import { forEachTest } from '../support/fixture.ts';
import { factsOf, SUCCEEDED } from '../support/job-facts.ts';
import { rangeJob } from '../support/range-job.ts';
import { until } from '../support/until.ts';
import { Workspace } from '../support/workspace.ts';
import { submitJob } from './submit-job.ts';

describe("losses of batchctl's own data", () => {
  const workspace = forEachTest(() => new Workspace(undefined, 6));

  beforeEach(() => {
    workspace.write('job.json', CHAINS);
  });

  /** Removes the files of the store's root whose names have this prefix. */
  const lose = (start: string): void => {
    for (const name of readdirSync(workspace.path('.batchctl'))) {
      if (name.startsWith(start)) rmSync(workspace.path('.batchctl', name), { recursive: true });
    }
  };

  for (const { what, start } of [
    { what: 'the ledger', start: 'ledger.db' },
    { what: 'the queue', start: 'queue.db' },
    { what: 'the workers’ directories', start: 'work' },
  ]) {
    it(`completes the job after it loses ${what} halfway`, async () => {
      const job = await workspace.submit();
      const killed = await workspace.work({ BATCHCTL_TEST_KILL: 'ack:5' }, '--slots', '1');
      expect(killed.signal).to.equal('SIGKILL');
      lose(start);
      expectExit(await workspace.work());
      const { ledgerState, ...facts } = await factsOf(await workspace.platform(), job);
      expect({ ...facts, ledgerState }).to.deep.include({ ...SUCCEEDED, dead: [], outputs: CHAINS_OUTPUTS });
      expect(facts.counted).to.deep.equal({ twice: 4, more: 4, total: 1 });
    });
  }

  it('replaces all lost messages with one resend, although three workers see the loss', async () => {
    const job = await workspace.submit();
    await (await (await workspace.platform()).queue('default')).purge({});
    for (const each of await Promise.all([1, 2, 3].map(() => workspace.work({}, '--slots', '1')))) expectExit(each);
    const facts = await factsOf(await workspace.platform(), job);
    expect(facts).to.deep.include({ ...SUCCEEDED, dead: [], outputs: CHAINS_OUTPUTS });
    expect(facts.journal).to.deep.equal(['sent', 'resend', 'close']);
  });

  it('survives the loss of the run command: its worker finishes and leaves, and the same run continues', async () => {
    const waits = 'echo run >> "$HOME/waiting"; until [ -e "$HOME/go" ]; do sleep 0.02; done;';
    workspace.write('job.json', {
      ...CHAINS,
      steps: CHAINS.steps.map((step) => (step.name === 'more' ? { ...step, run: `${waits} ${step.run}` } : step)),
    });
    const run = ['run', 'job.json', '--json', '--run-key', 'night', '--slots', '2'];
    const first = workspace.start(run);
    await until('two commands run', () => workspace.lines('waiting').length >= 2);
    first.child.kill('SIGKILL');
    const second = workspace.start(run);
    await until('the second run’s commands run', () => workspace.lines('waiting').length >= 4);
    workspace.write('go', '');
    const answer = jsonOf(await second.ended);
    expect(answer.created).to.equal(false);
    const platform = await workspace.platform();
    const ledger = await platform.ledger();
    const workers = await until('both workers have left', async () => {
      const seen = await ledger.workers({});
      return seen.every(({ state }) => state === 'gone') ? seen : null;
    });
    expect(workers).to.have.length(2);
    expect(workspace.lines('ran').filter((task) => task.startsWith('more/'))).to.have.length(4);
    const facts = await factsOf(platform, answer.job);
    expect(facts).to.deep.include({ ...SUCCEEDED, dead: [], outputs: CHAINS_OUTPUTS });
  });

  it('a worker that gets SIGTERM twice returns its task, and spends no attempt', async () => {
    const job = await submitJob(
      workspace,
      rangeJob('stopped', 1, {
        name: 'only',
        attempts: 1,
        run: 'echo run >> "$HOME/ran"; [ -e "$HOME/go" ] || sleep 1000; echo done',
      }),
    );
    const worker = workspace.start(['worker']);
    await until('the command runs', () => workspace.lines('ran').length === 1);
    worker.child.kill('SIGTERM');
    await until('it drains', () => worker.printed().includes('taking no more tasks'));
    worker.child.kill('SIGTERM');
    expectExit(await worker.ended);
    const platform = await workspace.platform();
    expect(await (await platform.queue('default')).backlog()).to.deep.include({ visible: 1, leased: 0, delayed: 0 });
    workspace.write('go', '');
    expectExit(await workspace.work());
    expect(await factsOf(platform, job)).to.deep.include({ ...SUCCEEDED, outputs: { only: { 0: 'done\n' } } });
  });
});
