// Protects: a job publishes every output exactly once after kill -9 of a worker at any point.
import { expect } from 'chai';
import { seededRandom } from '../../src/model/forecast/section.ts';
import { CHAINS, CHAINS_OUTPUTS, CHAINS_RAN, FAILING, FAILING_OUTPUTS, LARGE } from '../support/crash-jobs.ts';
import { expectExit, expectKilled } from '../support/expect-exit.ts';
import { SUCCEEDED } from '../support/job-facts.ts';
import { type Finished, finishAfter, killWorker } from '../support/killed-runs.ts';
import { printedSeed, runInBackground } from '../support/sampling.ts';
import { Workspace } from '../support/workspace.ts';

/** A lease that a busy machine can keep. What is in no queue is sent again after two of them. */
const local = async (): Promise<Workspace> => new Workspace(undefined, 6);

interface Case {
  readonly file: unknown;
  readonly kill: string;
  readonly title: string;
  readonly check: (finished: Finished) => void;
}

const expectChains = ({ facts, ran }: Finished): void => {
  expect(facts).to.deep.include({ ...SUCCEEDED, dead: [] });
  expect(facts.outputs).to.deep.equal(CHAINS_OUTPUTS);
  expect(facts.counted).to.deep.equal({ twice: 4, more: 4, total: 1 });
  expect(facts.journal.filter((what) => what !== 'resend')).to.deep.equal(['sent', 'close']);
  expect([...new Set(ran)].sort()).to.deep.equal(CHAINS_RAN);
  // Published tasks never run again: only the one task that ran at the kill may run twice.
  expect(ran.length).to.be.at.most(CHAINS_RAN.length + 1);
};
const expectLarge = ({ facts }: Finished): void => {
  expect(facts).to.deep.include({ ...SUCCEEDED, dead: [], journal: ['sent', 'close'] });
  expect(facts.outputs).to.deep.equal({ only: { 0: '[9000000 bytes]', 1: '[9000000 bytes]' } });
};
const expectFailing = ({ facts, ran }: Finished): void => {
  expect(facts).to.deep.include(SUCCEEDED);
  expect(facts.outputs).to.deep.equal(FAILING_OUTPUTS);
  expect(facts.dead).to.have.length(1);
  expect(facts.journal.filter((what) => what !== 'resend')).to.deep.equal(['sent', 'open', 'close']);
  expect(ran.filter((task) => task === 'twice/2')).to.have.length(2);
};

describe('kill -9 of a worker', () => {
  const random = seededRandom(printedSeed('which passing of each point'));
  const nth = (most: number): number => 1 + Math.floor(random() * most);
  const chains = ['stage', 'publish', 'record', 'chain', 'ack'].map((point) => `${point}:${nth(9)}`);
  const ends = ['opengather', 'journal', 'close', 'unmark'].flatMap((point) => [`before-${point}:1`, `${point}:1`]);
  const failures = ['tries:1', 'release:1', 'failed:1', 'bury:1', 'before-opengather:1', 'before-close:1'];
  const casesOf = (file: unknown, kills: readonly string[], title: string, check: Case['check']): readonly Case[] =>
    kills.map((kill) => ({ file, kill, title, check }));
  const cases = [
    ...casesOf(CHAINS, [...chains, ...ends], 'publishes every output once and closes the job once', expectChains),
    ...casesOf(
      LARGE,
      ['before-stagefile:2', 'stagefile:1', 'publish:1'],
      'publishes staged outputs completely, in a later attempt,',
      expectLarge,
    ),
    ...casesOf(
      FAILING,
      failures,
      'fails a task for good after two attempts, and publishes the others once,',
      expectFailing,
    ),
  ];
  let outcomes: readonly Promise<Finished>[] = [];

  before(() => {
    const killed = runInBackground(
      4,
      cases.map(
        ({ file, kill }) =>
          () =>
            killWorker(local, file, kill),
      ),
    );
    // Once all are killed: the others then run in this process, at an hour when leases have expired.
    const allKilled = Promise.allSettled(killed);
    outcomes = runInBackground(
      4,
      killed.map((each) => async () => {
        await allKilled;
        return finishAfter(await each);
      }),
    );
  });

  for (const [index, { kill, title, check }] of cases.entries()) {
    it(`${title} after a kill at ${kill}`, async () => {
      const outcome = (await outcomes[index]) as Finished;
      expectKilled(outcome.killed);
      expectExit(outcome.finished);
      check(outcome);
    });
  }
});
