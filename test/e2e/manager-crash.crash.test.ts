// Protects: a scheduled period runs exactly once, even when the manager that starts it is killed.
import { expect } from 'chai';
import { factsOf, type JobFacts } from '../support/job-facts.ts';
import { expectWhole, isDue, KEEPER_POINTS, scheduleDue, UNCOMMITTED } from '../support/killed-runs.ts';
import { inBackground } from '../support/sampling.ts';
import { until } from '../support/until.ts';
import { type Ended, Workspace } from '../support/workspace.ts';

/** The result of a manager that was killed, and of the next one. */
interface Outcome {
  readonly killed: Ended;
  readonly marked: boolean;
  readonly next: Ended;
  readonly worked: Ended;
  readonly jobs: readonly string[];
  readonly facts: JobFacts;
}

const MANAGER = ['manager', '--listen', '127.0.0.1:0', '--json'];

/** Kills the manager that fires a workspace's schedule, and lets another manager and a worker do the rest. */
async function killManager(
  workspace: Workspace,
  point: string,
  then: Readonly<Record<string, string>>,
): Promise<Outcome> {
  try {
    const killed = await workspace.run(MANAGER, { ...then, BATCHCTL_TEST_KILL: `${point}:1` });
    const platform = await workspace.platform();
    const marks: string[] = [];
    for await (const key of platform.store.keys('keepers/')) marks.push(key);
    const next = workspace.start(MANAGER, then);
    const lines = async (): Promise<readonly string[]> => {
      const { stdout } = await workspace.run(['jobs', '--json'], then);
      return stdout.split('\n').filter(Boolean);
    };
    await until('the period runs', async () => (await lines()).length > 0);
    const worked = await workspace.work(then);
    await until('the job is closed', async () => (await lines()).some((line) => line.includes('"succeeded"')));
    next.child.kill('SIGTERM');
    const jobs = (await lines()).map((line) => JSON.parse(line) as { job: string; runKey: string; state: string });
    return {
      ...{ killed, marked: marks.length > 0, next: await next.ended, worked },
      jobs: jobs.map(({ runKey, state }) => `${runKey} ${state}`),
      facts: await factsOf(platform, jobs[0]?.job ?? ''),
    };
  } finally {
    await workspace.remove();
  }
}

const events = ({ stderr }: Ended, event: string): number =>
  stderr.split('\n').filter((line) => line.includes(`"event":"${event}"`)).length;

describe('kill -9 of a manager', () => {
  let outcomes: readonly Promise<Outcome>[] = [];
  before(async () => {
    const workspaces = KEEPER_POINTS.map(() => new Workspace());
    for (const workspace of workspaces) await scheduleDue(workspace);
    // The same for all: then what isn't killed can run in this process.
    const then = isDue();
    outcomes = inBackground(
      2,
      workspaces.map((workspace, index) => () => killManager(workspace, KEEPER_POINTS[index] ?? '', then)),
    );
  });

  for (const [index, point] of KEEPER_POINTS.entries()) {
    it(`runs a period once when a manager is killed at ${point}`, async () => {
      const { killed, marked, next, worked, jobs, facts } = (await outcomes[index]) as Outcome;
      expect(killed.signal, killed.stderr).to.equal('SIGKILL');
      if (UNCOMMITTED.includes(point)) expect(events(next, 'fired'), next.stderr).to.equal(1);
      if (point === 'kept') expect(marked).to.equal(true);
      expect(next.code, next.stderr).to.equal(0);
      expect(events(next, 'trouble'), next.stderr).to.equal(0);
      expect(worked.code, worked.stderr).to.equal(0);
      expect(jobs).to.deep.equal(['month-end@2026-11 succeeded']);
      expectWhole(facts);
    });
  }
});
