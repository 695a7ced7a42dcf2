// Protects: a scheduled period runs exactly once, even when the tick that starts it is killed.
import { expect } from 'chai';
import { tickId } from '../../src/jobs/keeper-mark.ts';
import { keeperKey } from '../../src/model/keys.ts';
import { expectExit, expectKilled, jsonLinesOf, jsonOf } from '../support/expect-exit.ts';
import { factsOf } from '../support/job-facts.ts';
import { expectWhole, UNCOMMITTED_POINTS } from '../support/killed-runs.ts';
import type { Ended } from '../support/workspace.ts';
import { declareKeeperTrials } from './keeper-trials.ts';

const firedPeriods = (ticked: Ended): readonly string[] =>
  (jsonOf(ticked) as { fired: { period: string }[] }).fired.map(({ period }) => period);

describe('kill -9 of a tick', () => {
  const titleOf = (point: string): string =>
    `runs a period once when a tick is killed at ${point}: the next one ${UNCOMMITTED_POINTS.includes(point) ? 'fires it' : 'finds it fired'}`;

  declareKeeperTrials(4, titleOf, async (workspace, point, env) => {
    expectKilled(await workspace.run(['tick'], { ...env, BATCHCTL_TEST_KILL: `${point}:1` }));
    const { store } = await workspace.platform();
    const mark = await store.head(keeperKey(tickId()));
    expect(mark !== null, 'only a complete round leaves a mark').to.equal(point === 'kept');
    const next = await workspace.run(['tick', '--json'], env);
    expect(firedPeriods(next)).to.deep.equal(UNCOMMITTED_POINTS.includes(point) ? ['2026-11'] : []);
    expectExit(await workspace.work(env));
    expect(firedPeriods(await workspace.run(['tick', '--json'], env))).to.deep.equal([]);
    const jobs = jsonLinesOf(await workspace.run(['jobs', '--json']));
    expect(jobs.map(({ runKey, state }) => `${runKey} ${state}`)).to.deep.equal(['month-end@2026-11 succeeded']);
    expectWhole(await factsOf(await workspace.platform(), jobs[0].job));
  });
});
