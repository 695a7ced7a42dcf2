// Protects: a scheduled period runs exactly once, even when the tick that starts it is killed.
import { expect } from 'chai';
import { tickId } from '../../src/jobs/watch/keeper-mark.ts';
import { keeperKey } from '../../src/model/keys.ts';
import { factsOf, type JobFacts } from '../support/job-facts.ts';
import { expectWhole, isDue, KEEPER_POINTS, scheduleDue, UNCOMMITTED } from '../support/killed-runs.ts';
import { inBackground } from '../support/sampling.ts';
import { type Ended, Workspace } from '../support/workspace.ts';

/** The result of a tick that was killed. */
interface Outcome {
  readonly killed: Ended;
  readonly marked: boolean;
  readonly next: Ended;
  readonly worked: Ended;
  readonly last: Ended;
  readonly jobs: readonly { readonly job: string; readonly runKey: string; readonly state: string }[];
  readonly facts: JobFacts;
}

/** Kills the tick that fires a workspace's schedule, and lets another tick and a worker do the rest. */
async function killTick(workspace: Workspace, point: string, then: Readonly<Record<string, string>>): Promise<Outcome> {
  try {
    const killed = await workspace.run(['tick'], { ...then, BATCHCTL_TEST_KILL: `${point}:1` });
    const { store } = await workspace.platform();
    const marked = (await store.head(keeperKey(tickId()))) !== null;
    const next = await workspace.run(['tick', '--json'], then);
    const worked = await workspace.work(then);
    const last = await workspace.run(['tick', '--json'], then);
    const jobs = (await workspace.run(['jobs', '--json'])).stdout.split('\n').filter(Boolean);
    const [job] = jobs.map((line) => JSON.parse(line) as Outcome['jobs'][number]);
    return {
      ...{ killed, marked, next, worked, last },
      jobs: jobs.map((line) => JSON.parse(line) as Outcome['jobs'][number]),
      facts: await factsOf(await workspace.platform(), job?.job ?? ''),
    };
  } finally {
    await workspace.remove();
  }
}

const firedIn = ({ stdout, stderr, code }: Ended): readonly string[] => {
  expect(code, stderr).to.equal(0);
  return (JSON.parse(stdout) as { fired: { period: string }[] }).fired.map(({ period }) => period);
};

describe('kill -9 of a tick', () => {
  let outcomes: readonly Promise<Outcome>[] = [];
  before(async () => {
    const workspaces = KEEPER_POINTS.map(() => new Workspace());
    for (const workspace of workspaces) await scheduleDue(workspace);
    // The same for all: then what isn't killed can run in this process.
    const then = isDue();
    outcomes = inBackground(
      4,
      workspaces.map((workspace, index) => () => killTick(workspace, KEEPER_POINTS[index] ?? '', then)),
    );
  });

  for (const [index, point] of KEEPER_POINTS.entries()) {
    const before = UNCOMMITTED.includes(point);
    it(`runs a period once when a tick is killed at ${point}: the next one ${before ? 'fires it' : 'finds it fired'}`, async () => {
      const outcome = (await outcomes[index]) as Outcome;
      expect(outcome.killed.signal, outcome.killed.stderr).to.equal('SIGKILL');
      expect(outcome.marked, 'only a whole round leaves a mark').to.equal(point === 'kept');
      expect(firedIn(outcome.next)).to.deep.equal(before ? ['2026-11'] : []);
      expect(outcome.worked.code, outcome.worked.stderr).to.equal(0);
      expect(firedIn(outcome.last)).to.deep.equal([]);
      expect(outcome.jobs.map(({ runKey, state }) => `${runKey} ${state}`)).to.deep.equal([
        'month-end@2026-11 succeeded',
      ]);
      expectWhole(outcome.facts);
    });
  }
});
