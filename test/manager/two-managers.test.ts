// Protects: two managers on one store do each job once, and one continues when the other dies.

import { expect } from 'chai';
import { forEachTest } from '../support/fixture.ts';
import { factsOf, SUCCEEDED } from '../support/job-facts.ts';
import { addDueSchedule } from '../support/killed-runs.ts';
import { linesOf, listeningLine, MANAGER } from '../support/manager/manager-lines.ts';
import { rangeJob } from '../support/range-job.ts';
import { until } from '../support/until.ts';
import { type Running, Workspace } from '../support/workspace.ts';

const KEYS = ['one', 'two', 'three', 'four', 'five', 'six'];

describe('two managers of one store', () => {
  const workspace = forEachTest(() => new Workspace());
  /** The environment of processes whose clock shows the time at which the schedule is due. */
  let env: Readonly<Record<string, string>>;
  let token: string;
  beforeEach(async () => {
    env = await addDueSchedule(workspace);
    token = (await workspace.run(['manager', 'token', 'create', 'ann', '--scope', 'operate'], env)).stdout.trim();
  });

  const addressOf = async (running: Running): Promise<string> => (await listeningLine(running)).address;
  const firings = (managers: readonly Running[]): number =>
    managers.flatMap(linesOf).filter(({ event }) => event === 'fired').length;
  /** The job's id; null if the manager was gone before it answered. */
  const submit = async (address: string, runKey: string): Promise<string | null> => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const spec = rangeJob('twin', 3, { name: 'one', run: ['cat'] });
    const body = JSON.stringify({ spec, runKey });
    const answer = await fetch(`${address}/api/v1/jobs`, { method: 'POST', headers, body }).catch(() => null);
    const text = await answer?.text().catch(() => null);
    if (answer == null || text == null) return null;
    expect(answer.ok, text).to.equal(true);
    return (JSON.parse(text) as { job: string }).job;
  };

  it('fire a period once, create one job for a run key that both receive, and one continues when the other is killed', async () => {
    const managers = [workspace.start(MANAGER, env), workspace.start(MANAGER, env)] as const;
    const [one, other] = managers;
    const [killed, left] = await Promise.all([addressOf(one), addressOf(other)]);
    const both = KEYS.flatMap((key) => [submit(killed, key), submit(left, key)]);
    await Promise.any(both.map(async (each) => (await each) ?? Promise.reject(new Error('no answer'))));
    await until('the period was fired', () => firings(managers) > 0);
    one.child.kill('SIGKILL');
    await Promise.all(both);
    // A caller without an answer calls the other manager.
    const jobs = await Promise.all(KEYS.map((key) => submit(left, key)));
    expect(new Set(jobs).size).to.equal(KEYS.length);
    const worked = await workspace.work(env);
    expect(worked.code, worked.stderr).to.equal(0);
    const listJobs = async (): Promise<readonly Record<'job' | 'runKey' | 'state', string>[]> =>
      (await workspace.run(['jobs', '--json'], env)).stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line));
    await until('all are closed', async () => (await listJobs()).every(({ state }) => state === 'succeeded'));
    other.child.kill('SIGTERM');
    expect((await other.ended).code, other.printed()).to.equal(0);
    expect((await one.ended).signal).to.equal('SIGKILL');
    expect(firings(managers)).to.equal(1);
    const closed = await listJobs();
    expect(closed.map(({ runKey }) => runKey)).to.have.members([...KEYS, 'month-end@2026-11']);
    const platform = await workspace.platform();
    for (const { job } of closed) expect(await factsOf(platform, job), job).to.deep.include(SUCCEEDED);
  });
});
