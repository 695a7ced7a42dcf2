// Protects: a job pauses at its cost limit, and a job expected to exceed it is refused.
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { expectExit, expectKilled, jsonLinesOf, jsonOf } from '../support/expect-exit.ts';
import { GridWorld } from '../support/grid/grid-world.ts';
import { rangeJob } from '../support/range-job.ts';
import { until } from '../support/until.ts';
import { submitJob } from './submit-job.ts';

/** A dollar a second, so that a test's minute costs something. */
const PRICE = 3_600;
/** Seconds without work after which a worker leaves. */
const IDLE = 4;
const TASKS = 6;

describe('cost limits on AWS groups', () => {
  let world: GridWorld;
  let flags: string;

  before(async () => {
    const groups = { default: { instances: ['c7g.large'], spot: false, max: 4, slots: 2, visibility: '5m' } };
    world = await GridWorld.open(IDLE, { groups, prices: { 'c7g.large': PRICE } });
    await world.runSuccessfully('infra', 'up', '--yes');
    await world.runSuccessfully('tick');
    flags = join(world.supervisor.directory, 'flags');
    mkdirSync(flags);
    // Commands run as another user.
    chmodSync(flags, 0o777);
  });
  afterEach(function () {
    if (this.currentTest?.state === 'failed') console.error(world?.consoles());
  });
  after(() => world?.remove());

  const status = async (job: string) => jsonOf(await world.runSuccessfully('status', job, '--json'));
  const pauses = async (job: string): Promise<readonly { readonly reason: string; readonly who: string }[]> =>
    jsonLinesOf(await world.runSuccessfully('history', job, '--json')).filter(({ what }) => what === 'pause');
  /** Each task waits until it is released. */
  const submit = (name: string, ...more: readonly string[]): Promise<string> => {
    const run = `until [ -e '${join(flags, `${name}-go`)}' ]; do sleep 0.1; done; echo done`;
    return submitJob(world, rangeJob(name, TASKS, { name: 'work', run }), ...more);
  };
  /** Waits until both slots are taken and the worker knows it: it watched while it was idle, and does so no longer. */
  const untilRunning = (job: string) =>
    until(`${job} runs`, async () =>
      jsonLinesOf(await world.run(['workers', '--json'])).some(
        ({ busy }) => busy.length === 2 && busy.every((task: string) => task.startsWith(`${job}/`)),
      ),
    );
  const release = (name: string): void => writeFileSync(join(flags, `${name}-go`), '');
  /** Waits for heartbeats of the worker: it reads the journals of its jobs before each, so by the second it knows of a pause. */
  const heartbeats = async (count: number): Promise<void> => {
    const seen = async (): Promise<string> =>
      jsonLinesOf(await world.run(['workers', '--json'])).find(({ busy }) => busy.length > 0).seen;
    for (let heard = 0; heard < count; heard++) {
      const before = await seen();
      await until('a heartbeat', async () => (await seen()) !== before);
    }
  };
  const atZero = () => until('the group is at zero', () => world.cloud.grid.instances(world.group).length === 0);

  it('pauses a job at its limit, exits 7 with the fix, drains to zero, and continues under a higher limit', async () => {
    const job = await submit('limited', '--max-cost', '1000');
    await untilRunning(job);
    expectExit(await world.run(['wait', job, '--timeout', '1s']), 6);
    const running = await until('it costs something', async () => {
      const seen = await status(job);
      return seen.cost > 0 && seen;
    });
    expect(running).to.include({ state: 'running', maxCost: 1_000, costProjected: null });
    expect(running.costUnknown).to.deep.equal([]);
    const shown = await world.runSuccessfully('status', job);
    expect(shown.stdout).to.match(/cost \$\d+\.\d\d so far, pauses at \$1,000\.00/);
    const text = (await world.runSuccessfully('status', job, '--format', 'prometheus')).stdout;
    expect(text)
      .to.match(/batchctl_job_cost_dollars\{[^}]+\} \d/)
      .and.include('batchctl_job_cost_limit_dollars');

    // Running tasks are estimated to take another minute, and the instance then idles for two: more than is left.
    await world.runSuccessfully('adjust', job, '--max-cost', '150');
    const ends = await Promise.all([1, 2, 3].map(() => world.run(['wait', job])));
    for (const { code, stderr } of ends) {
      expect(code, stderr).to.equal(7);
      expect(stderr).to.include('its limit of $150.00 is reached');
      expect(stderr).to.include(`batchctl adjust ${job} --max-cost N, then batchctl resume ${job}`);
    }
    expect((await pauses(job)).map(({ reason }) => reason)).to.deep.equal(['budget']);
    const watched = expectExit(await world.run(['watch', job]), 7);
    expect(watched.stdout).to.include('paused (budget)').and.include('its limit of $150.00 is reached');
    const why = expectExit(await world.run(['why', job]), 11);
    expect(why.stdout).to.include('budget').and.include('--max-cost N');

    await heartbeats(2);
    release('limited');
    await atZero();
    // Running tasks completed, and no others started.
    const paused = await status(job);
    expect(paused).to.include({ state: 'paused', reason: 'budget' });
    expect(paused.steps[0]).to.include({ running: 0, failed: 0, interrupted: 0 });
    expect(paused.steps[0].done).to.be.within(1, TASKS - 1);

    const refused = expectExit(await world.run(['resume', job]), 7);
    expect(refused.stderr).to.include('its limit of $150.00').and.include('--max-cost N');
    await world.runSuccessfully('adjust', job, '--max-cost', '9000');
    await world.runSuccessfully('resume', job);
    expectExit(await world.run(['wait', job, '--timeout', '120s']));
    const done = await status(job);
    expect(done).to.include({ state: 'succeeded', costProjected: null, maxCost: 9_000 });
    expect(done.cost).to.be.greaterThan(paused.cost);
    const report = jsonOf(await world.runSuccessfully('report', job, '--json'));
    expect(report.cost.usd).to.be.at.least(done.cost);
    expect(report.steps[0].cost).to.equal(report.cost.usd);
    expect((await world.runSuccessfully('report', job)).stdout).to.match(/cost +\$\d/);
  });

  it('keeps the pause of a watcher that is killed as it pauses a job', async () => {
    const job = await submit('killed', '--max-cost', '1000');
    await untilRunning(job);
    await world.runSuccessfully('adjust', job, '--max-cost', '150');
    for (const kill of ['before-journal:1', 'journal:1']) {
      expectKilled(await world.start(['wait', job], { BATCHCTL_TEST_KILL: kill }).ended);
    }
    expect(await pauses(job)).to.have.length(1);
    expectExit(await world.run(['wait', job]), 7);
    expect(await pauses(job)).to.have.length(1);
    release('killed');
    await atZero();
    await world.runSuccessfully('adjust', job, '--max-cost', 'none');
    await world.runSuccessfully('resume', job);
    expectExit(await world.run(['wait', job, '--timeout', '120s']));
  });

  it('refuses a job that will exceed its limit, based on earlier runs, before writing anything', async () => {
    const before = await world.keys('jobs/');
    world.write('job.json', rangeJob('killed', 10_000, { name: 'work', run: 'true' }));
    const limits = [
      // At a dollar a second: ten minutes of work, two of idling, and the seconds of earlier boots in this group.
      ['400', /a limit of \$400\.00 is too low to start an instance: .* cost about \$7[2-9]\d\.\d\d/],
      ['1200', /its earlier runs suggest a cost of about \$[\d.,]+, but its limit is \$1,200\.00/],
    ] as const;
    for (const verb of ['submit', 'run', 'plan']) {
      for (const [limit, words] of limits) {
        const { stderr } = expectExit(await world.run([verb, 'job.json', '--max-cost', limit]), 7);
        expect(stderr).to.match(words);
      }
    }
    expect(await world.keys('jobs/')).to.deep.equal(before);
    const planned = await world.runSuccessfully('plan', 'job.json', '--max-cost', '90000');
    expect(planned.stdout)
      .to.match(/estimated cost: \$/)
      // 10,000 tasks: 3 PUT and 1 GET each at 5 and 0.4 USD a million, and 2 to SQS at 0.4.
      .and.match(/^requests, approximately: 40,\d{3} to the store, 20,000 to queues: \$0\.16 at list prices$/m);
  });
});
