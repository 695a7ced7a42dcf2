// Protects: a submission that is killed, or repeated with the same run key, creates exactly one job.
import { expect } from 'chai';
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
import { inBackground } from '../support/sampling.ts';
import { type Ended, Workspace } from '../support/workspace.ts';

const local = async (): Promise<Workspace> => new Workspace();

describe('kill -9 of a submission', () => {
  const uncommitted = ['code', 'parts', 'open', 'job'];
  const committed = ['claim', 'send', 'before-journal', 'journal', 'sent'];
  let again: readonly Promise<Submitted>[] = [];
  let alone: readonly Promise<Submitted>[] = [];

  before(() => {
    const points = [...uncommitted, ...committed];
    const all = inBackground(4, [
      ...points.map((point) => () => killThenSubmit(local, point, true)),
      ...committed.map((point) => () => killThenSubmit(local, point, false)),
    ]);
    again = all.slice(0, points.length);
    alone = all.slice(points.length);
  });

  for (const [index, point] of [...uncommitted, ...committed].entries()) {
    const before = index < uncommitted.length;
    it(`repeating a submission that was killed at ${point} ${before ? 'creates the one job' : 'returns the existing job'}`, async () => {
      const outcome = (await again[index]) as Submitted;
      expect(outcome.killed.signal, outcome.killed.stderr).to.equal('SIGKILL');
      expect(answerOf(outcome.again as Ended).created).to.equal(before);
      expect(answerOf(outcome.third)).to.deep.include({ job: answerOf(outcome.again as Ended).job, created: false });
      expect(outcome.worked.code, outcome.worked.stderr).to.equal(0);
      expectWhole(outcome.facts);
    });
  }

  for (const [index, point] of committed.entries()) {
    it(`a watcher sends what is missing after a submission is killed at ${point} and not repeated`, async () => {
      const outcome = (await alone[index]) as Submitted;
      expect(outcome.killed.signal, outcome.killed.stderr).to.equal('SIGKILL');
      expect(outcome.worked.code, outcome.worked.stderr).to.equal(0);
      expect(answerOf(outcome.third).created).to.equal(false);
      expectWhole(outcome.facts);
    });
  }
});

describe('kill -9 of a tick that removes a killed submission', () => {
  for (const point of ['open', 'job']) {
    it(`removes a submission killed at ${point}, and frees its key, with the next tick after one is killed`, async () => {
      const workspace = new Workspace();
      try {
        writeSubmission(workspace);
        const killed = await workspace.run(SUBMIT, { BATCHCTL_TEST_KILL: `${point}:1` });
        expect(killed.signal, killed.stderr).to.equal('SIGKILL');
        const { store } = await workspace.platform();
        const left = async (): Promise<readonly string[]> => {
          const found: string[] = [];
          for (const prefix of ['jobs/', 'open/']) for await (const key of store.keys(prefix)) found.push(key);
          return found.filter((key) => !key.endsWith('/job.json'));
        };
        const before = await left();
        expect(before).to.have.length.above(1);
        const later = movedClock(new Date(Date.now() + 2 * 24 * 3_600_000).toISOString());
        const cut = await workspace.run(['tick'], { ...later, BATCHCTL_TEST_KILL: 'discard:1' });
        expect(cut.signal, cut.stderr).to.equal('SIGKILL');
        expect(await left()).to.deep.equal(before);
        const next = await workspace.run(['tick'], later);
        expect(next.code, next.stderr).to.equal(0);
        expect(await left()).to.deep.equal([]);
        const { job, created } = answerOf(await workspace.run(SUBMIT));
        expect(created).to.equal(true);
        expect((await workspace.work()).code).to.equal(0);
        expectWhole(await factsOf(await workspace.platform(), job));
      } finally {
        await workspace.remove();
      }
    });
  }
});

describe('run keys', () => {
  const workspace = forEachTest(() => new Workspace());

  beforeEach(() => {
    writeSubmission(workspace);
  });

  it('create one job from four simultaneous submissions', async () => {
    const four = await Promise.all([1, 2, 3, 4].map(() => workspace.run(SUBMIT)));
    const answers = four.map(answerOf);
    expect(new Set(answers.map(({ job }) => job)).size).to.equal(1);
    expect(answers.filter(({ created }) => created)).to.have.length(1);
    expect((await workspace.work()).code).to.equal(0);
    expectWhole(await factsOf(await workspace.platform(), answers[0]?.job ?? ''));
  });

  it('reject other content with exit 7 unless --existing or --again is given', async () => {
    const { job } = answerOf(await workspace.run(SUBMIT));
    workspace.write('numbers.txt', '1\n2\n3\n5\n');
    const other = await workspace.run(SUBMIT);
    expect(other.code).to.equal(7);
    expect(JSON.parse(other.stderr.trim().split('\n').at(-1) ?? '').error).to.deep.include({ kind: 'refused' });
    expect(answerOf(await workspace.run([...SUBMIT, '--existing']))).to.deep.include({ job, created: false });
    const further = answerOf(await workspace.run([...SUBMIT, '--again']));
    expect(further.created).to.equal(true);
    expect(further.job).not.to.equal(job);
  });

  it("return a finished job's result at once", async () => {
    const run = ['run', 'job.json', '--json', '--run-key', 'month-2026-11'];
    const first = await workspace.run(run);
    expect(first.code, first.stderr).to.equal(0);
    const began = workspace.lines('ran').length;
    const second = await workspace.run(run);
    expect(second.code, second.stderr).to.equal(0);
    const [one, two] = [first, second].map(({ stdout }) => JSON.parse(stdout)) as [Answer, Answer];
    expect(two).to.deep.include({ job: one.job, state: 'succeeded', created: false });
    expect(workspace.lines('ran')).to.have.length(began);
  });
});

interface Answer {
  readonly job: string;
  readonly state: string;
}
