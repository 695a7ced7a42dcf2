// Protects: a job continues after kill -9 at the points where most would be lost; test:crash covers every point.
import { expect } from 'chai';
import { CHAINS, CHAINS_RAN } from '../support/crash-jobs.ts';
import { expectExit, expectKilled } from '../support/expect-exit.ts';
import { answerOf, expectWhole, type Finished, killThenFinishEach, killThenSubmit } from '../support/killed-runs.ts';
import { Workspace } from '../support/workspace.ts';

const local = async (): Promise<Workspace> => Workspace.withLongLeases();
/**
 * After an output counts and before it is recorded; after its chain continued and before its message is gone; at the
 * end.
 */
const POINTS = ['publish:2', 'chain:3', 'before-close:1'] as const;

describe('kill -9', () => {
  let finished: readonly Promise<Finished>[] = [];
  before(() => {
    finished = killThenFinishEach(local, CHAINS, POINTS);
  });

  for (const [index, point] of POINTS.entries()) {
    it(`publishes every output once, and runs no finished task again, after a worker is killed at ${point}`, async () => {
      const { killed, finished: next, facts, ran } = (await finished[index]) as Finished;
      expectKilled(killed);
      expectExit(next);
      expectWhole(facts);
      expect([...new Set(ran)].sort()).to.deep.equal(CHAINS_RAN);
      expect(ran.length).to.be.at.most(CHAINS_RAN.length + 1);
    });
  }

  it('sends and runs everything when a submission killed before its messages is repeated', async () => {
    const { killed, again, worked, facts } = await killThenSubmit(local, 'claim', true);
    expectKilled(killed);
    if (again === null) throw new Error('it was not submitted again');
    expect(answerOf(again).created).to.equal(false);
    expectExit(worked);
    expectWhole(facts);
  });
});
