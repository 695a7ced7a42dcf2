import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { interruptionsPrefix } from '../../src/model/keys.ts';
import { factsOf, SUCCEEDED } from '../support/job-facts.ts';
import { rangeJob } from '../support/range-job.ts';
import { bundled } from '../support/run/bundled.ts';
import { countMessages, keysBelow } from '../support/stored.ts';
import { type Ended, LEASE, Workspace } from '../support/workspace.ts';
import { runSpotWorker } from './spot-worker.ts';

const SPOT_WORKER = fileURLToPath(new URL('../fixtures/spot-worker.mjs', import.meta.url));

const TIMES = { BATCHCTL_TEST_LEASE_SECONDS: String(LEASE), BATCHCTL_TEST_NOTICE_SECONDS: '0.05' };

/** A task that runs until the file `go` exists. After two interruptions it goes to the group `steady`. */
const jobIn = ({ dir }: Workspace) =>
  rangeJob('pricing', 1, {
    name: 'price',
    attempts: 1,
    interruptions: 2,
    fallback: 'steady',
    run: `cd ${dir}; echo $BATCHCTL_ATTEMPT_NUMBER >>ran; touch running; until [ -e go ]; do sleep 0.05; done; cat`,
  });

/** A workspace with that job, whose spot workers are interrupted. */
export class FallbackJob {
  readonly workspace = new Workspace();

  constructor() {
    Object.assign(process.env, TIMES);
    this.workspace.write('job.json', jobIn(this.workspace));
  }

  /** Runs a worker of a group whose machine is interrupted while the task runs. */
  async interrupted(group: string): Promise<void> {
    rmSync(this.workspace.path('running'), { force: true });
    await runSpotWorker(this.workspace.dir, group, () => undefined);
  }

  /** The same, but a kill point kills the worker. */
  async killed(group: string, point: string): Promise<void> {
    rmSync(this.workspace.path('running'), { force: true });
    const child = spawn(process.execPath, [bundled(SPOT_WORKER), this.workspace.dir, group], {
      env: { ...process.env, ...TIMES, BATCHCTL_TEST_KILL: `${point}:1` },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.workspace.atEnd(async () => child.kill('SIGKILL'));
    const [stderr, [, signal]] = await Promise.all([text(child.stderr), once(child, 'close')]);
    expect(signal, stderr).to.equal('SIGKILL');
  }

  async backlogOf(group: string): Promise<number> {
    const platform = await this.workspace.platform();
    return countMessages(await platform.queue(group));
  }

  async marksOf(job: string): Promise<number> {
    const { store } = await this.workspace.platform();
    return (await keysBelow(store, interruptionsPrefix(job, 'price'))).length;
  }

  /** Lets the task end, and runs a worker of these groups until there is nothing left to do. */
  finish(...groups: readonly string[]): Promise<Ended> {
    this.workspace.write('go', '');
    return this.workspace.work({}, '--slots', '1', ...groups.flatMap((group) => ['--group', group]));
  }

  /** Expects that the job succeeded with a single output, and that nothing is left. */
  async expectOnce(job: string): Promise<void> {
    const facts = await factsOf(await this.workspace.platform(), job);
    expect(facts).to.deep.include({ ...SUCCEEDED, dead: [] });
    expect(facts.outputs).to.deep.equal({ price: { 0: '1\n' } });
    expect(facts.counted).to.deep.equal({ price: 1 });
    // Each was the first attempt, because an interruption uses none.
    expect([...new Set(this.workspace.lines('ran'))]).to.deep.equal(['1']);
    expect(await this.backlogOf('steady')).to.equal(0);
  }
}
