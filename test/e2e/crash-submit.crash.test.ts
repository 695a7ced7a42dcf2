// Protects: a submission that is killed, or repeated with the same run key, creates exactly one job.
import { expect } from 'chai';
import { errorOf, expectExit, expectKilled, jsonOf } from '../support/expect-exit.ts';
import { forEachTest } from '../support/fixture.ts';
import { factsOf } from '../support/job-facts.ts';
import {
  answerOf,
  expectWhole,
  killThenSubmit,
  SUBMIT,
  type Submitted,
  writeSubmission,
} from '../support/killed-runs.ts';
import { movedClock } from '../support/moved-clock.ts';
import { declareConcurrentTests } from '../support/sampling.ts';
import { keysBelow } from '../support/stored.ts';
import { Workspace } from '../support/workspace.ts';

/** A lease that a busy machine can keep. What is in no queue is sent again after two of them. */
const local = async (): Promise<Workspace> => new Workspace(undefined, 6);

describe('kill -9 of a submission', () => {
  const uncommitted = ['code', 'parts', 'open', 'job'];
  const committed = ['claim', 'send', 'before-journal', 'journal', 'sent'];
  const trials: Record<string, () => Promise<void>> = {};

  const killSubmission = async (point: string, submitsAgain: boolean): Promise<Submitted> => {
    const outcome = await killThenSubmit(local, point, submitsAgain);
    expectKilled(outcome.killed);
    expectExit(outcome.worked);
    expectWhole(outcome.facts);
    return outcome;
  };
  for (const point of [...uncommitted, ...committed]) {
    const before = uncommitted.includes(point);
    const result = before ? 'creates the one job' : 'returns the existing job';
    trials[`repeating a submission that was killed at ${point} ${result}`] = async () => {
      const { again, third } = await killSubmission(point, true);
      if (again === null) throw new Error('it was not submitted again');
      expect(answerOf(again).created).to.equal(before);
      expect(answerOf(third)).to.deep.include({ job: answerOf(again).job, created: false });
    };
  }
  for (const point of committed) {
    trials[`a watcher sends what is missing after a submission is killed at ${point} and not repeated`] = async () => {
      const { third } = await killSubmission(point, false);
      expect(answerOf(third).created).to.equal(false);
    };
  }
  declareConcurrentTests(4, trials);
});

describe('kill -9 of a tick that removes a killed submission', () => {
  const workspace = forEachTest(local);

  for (const point of ['open', 'job']) {
    it(`removes a submission killed at ${point}, and frees its key, with the next tick after one is killed`, async () => {
      writeSubmission(workspace);
      expectKilled(await workspace.run(SUBMIT, { BATCHCTL_TEST_KILL: `${point}:1` }));
      const { store } = await workspace.platform();
      const leftKeys = async (): Promise<readonly string[]> =>
        (await keysBelow(store, 'jobs/', 'open/')).filter((key) => !key.endsWith('/job.json'));
      const before = await leftKeys();
      expect(before).to.have.length.above(1);
      const later = movedClock(new Date(Date.now() + 2 * 24 * 3_600_000).toISOString());
      expectKilled(await workspace.run(['tick'], { ...later, BATCHCTL_TEST_KILL: 'discard:1' }));
      expect(await leftKeys()).to.deep.equal(before);
      expectExit(await workspace.run(['tick'], later));
      expect(await leftKeys()).to.deep.equal([]);
      const { job, created } = answerOf(await workspace.run(SUBMIT));
      expect(created).to.equal(true);
      expectExit(await workspace.work());
      expectWhole(await factsOf(await workspace.platform(), job));
    });
  }
});

describe('run keys', () => {
  const workspace = forEachTest(local);

  beforeEach(() => {
    writeSubmission(workspace);
  });

  it('create one job from four simultaneous submissions', async () => {
    const four = await Promise.all([1, 2, 3, 4].map(() => workspace.run(SUBMIT)));
    const answers = four.map(answerOf);
    expect(new Set(answers.map(({ job }) => job)).size).to.equal(1);
    expect(answers.filter(({ created }) => created)).to.have.length(1);
    expectExit(await workspace.work());
    expectWhole(await factsOf(await workspace.platform(), answers[0]?.job ?? ''));
  });

  it('reject other content with exit 7 unless --existing or --again is given', async () => {
    const { job } = answerOf(await workspace.run(SUBMIT));
    workspace.write('numbers.txt', '1\n2\n3\n5\n');
    expect(errorOf(expectExit(await workspace.run(SUBMIT), 7)).kind).to.equal('refused');
    expect(answerOf(await workspace.run([...SUBMIT, '--existing']))).to.deep.include({ job, created: false });
    const further = answerOf(await workspace.run([...SUBMIT, '--again']));
    expect(further.created).to.equal(true);
    expect(further.job).not.to.equal(job);
  });

  it("return a finished job's result at once", async () => {
    const run = ['run', 'job.json', '--json', '--run-key', 'month-2026-11'];
    const first = jsonOf(await workspace.run(run));
    const began = workspace.lines('ran').length;
    const second = jsonOf(await workspace.run(run));
    expect(second).to.deep.include({ job: first.job, state: 'succeeded', created: false });
    expect(workspace.lines('ran')).to.have.length(began);
  });
});
