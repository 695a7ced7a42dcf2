// Protects: a scheduled period runs exactly once, even when the manager that starts it is killed.
import { expect } from 'chai';
import { expectExit, expectKilled, jsonLinesOf } from '../support/expect-exit.ts';
import { factsOf } from '../support/job-facts.ts';
import { expectWhole, UNCOMMITTED_POINTS } from '../support/killed-runs.ts';
import { keysBelow } from '../support/stored.ts';
import { until } from '../support/until.ts';
import type { Ended } from '../support/workspace.ts';
import { declareKeeperTrials } from './keeper-trials.ts';

const MANAGER = ['manager', '--listen', '127.0.0.1:0', '--json'];

const countEvents = ({ stderr }: Ended, event: string): number =>
  stderr.split('\n').filter((line) => line.includes(`"event":"${event}"`)).length;

describe('kill -9 of a manager', () => {
  const titleOf = (point: string): string => `runs a period once when a manager is killed at ${point}`;

  declareKeeperTrials(2, titleOf, async (workspace, point, env) => {
    expectKilled(await workspace.run(MANAGER, { ...env, BATCHCTL_TEST_KILL: `${point}:1` }));
    const platform = await workspace.platform();
    if (point === 'kept') expect(await keysBelow(platform.store, 'keepers/')).to.not.deep.equal([]);
    const next = workspace.start(MANAGER, env);
    const jobs = async () => jsonLinesOf(await workspace.run(['jobs', '--json'], env));
    await until('the period runs', async () => (await jobs()).length > 0);
    expectExit(await workspace.work(env));
    await until('the job is closed', async () => (await jobs()).some(({ state }) => state === 'succeeded'));
    next.child.kill('SIGTERM');
    const [job, ...others] = await jobs();
    expect(job).to.include({ runKey: 'month-end@2026-11', state: 'succeeded' });
    expect(others).to.deep.equal([]);
    const ended = expectExit(await next.ended);
    if (UNCOMMITTED_POINTS.includes(point)) expect(countEvents(ended, 'fired'), ended.stderr).to.equal(1);
    expect(countEvents(ended, 'trouble'), ended.stderr).to.equal(0);
    expectWhole(await factsOf(platform, job.job));
  });
});
