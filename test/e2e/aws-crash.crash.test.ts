// Protects: a job on AWS publishes every output exactly once after kill -9 of a worker or a submission.
import { expect } from 'chai';
import { seededRandom } from '../../src/model/forecast/section.ts';
import { CHAINS, CHAINS_RAN, FAILING, FAILING_OUTPUTS, LARGE } from '../support/crash-jobs.ts';
import { expectExit, expectKilled } from '../support/expect-exit.ts';
import { SUCCEEDED } from '../support/job-facts.ts';
import {
  answerOf,
  expectWhole,
  type Finished,
  killThenFinish,
  killThenSubmit,
  type Submitted,
} from '../support/killed-runs.ts';
import { declareConcurrentTests, printedSeed } from '../support/sampling.ts';
import { emulatedWorkspace } from './emulated-aws.ts';

/**
 * The crash matrix of the local profile, on S3 and SQS: the same points, with the adapters' own orders of requests. The
 * seed chooses which pass of a point, whether before or after it, and whether to submit again or leave it to watchers.
 * Most of the time is spent waiting for leases to expire.
 */
describe('kill -9 on AWS', () => {
  const random = seededRandom(printedSeed('which passing of each point'));
  const nth = (most: number): number => 1 + Math.floor(random() * most);
  const chains = ['stage', 'publish', 'record', 'chain', 'ack'].map((point) => `${point}:${nth(9)}`);
  const either = <T>(one: T, other: T): T => (random() < 0.5 ? one : other);
  const ends = ['opengather', 'journal', 'close', 'unmark'].map((point) => either(`before-${point}:1`, `${point}:1`));
  const uncommitted = ['code', 'parts', 'open', 'job'];
  const committed = ['claim', 'send', 'before-journal', 'journal', 'sent'];
  const repeated = new Set([...uncommitted, ...committed.filter(() => random() < 0.5)]);
  const trials: Record<string, () => Promise<void>> = {};

  const killWorkerThenFinish = async (file: unknown, kill: string): Promise<Finished> => {
    const outcome = await killThenFinish(emulatedWorkspace, file, kill);
    expectKilled(outcome.killed);
    expectExit(outcome.finished);
    return outcome;
  };
  for (const kill of [...chains, ...ends]) {
    trials[`publishes every output once and closes the job once after a worker is killed at ${kill}`] = async () => {
      const { facts, ran } = await killWorkerThenFinish(CHAINS, kill);
      expectWhole(facts);
      expect(facts.journal.filter((what) => what !== 'resend')).to.deep.equal(['sent', 'close']);
      expect([...new Set(ran)].sort()).to.deep.equal(CHAINS_RAN);
      // Published tasks never run again: only the one task that ran at the kill may run twice.
      expect(ran.length).to.be.at.most(CHAINS_RAN.length + 1);
    };
  }
  for (const kill of ['before-stagefile:2', 'stagefile:1', 'publish:1']) {
    trials[`publishes staged outputs completely, in a later attempt, after a worker is killed at ${kill}`] =
      async () => {
        const { facts } = await killWorkerThenFinish(LARGE, kill);
        expect(facts).to.deep.include({ ...SUCCEEDED, dead: [], journal: ['sent', 'close'] });
        expect(facts.outputs).to.deep.equal({ only: { 0: '[9000000 bytes]', 1: '[9000000 bytes]' } });
      };
  }
  for (const kill of ['tries:1', 'release:1', 'failed:1', 'bury:1', 'before-opengather:1', 'before-close:1']) {
    trials[`fails a task for good after two attempts when a worker is killed at ${kill}`] = async () => {
      const { facts, ran } = await killWorkerThenFinish(FAILING, kill);
      expect(facts).to.deep.include(SUCCEEDED);
      expect(facts.outputs).to.deep.equal(FAILING_OUTPUTS);
      expect(facts.dead).to.have.length(1);
      expect(facts.journal.filter((what) => what !== 'resend')).to.deep.equal(['sent', 'open', 'close']);
      expect(ran.filter((task) => task === 'twice/2')).to.have.length(2);
    };
  }

  const killSubmission = async (point: string): Promise<Submitted> => {
    const outcome = await killThenSubmit(emulatedWorkspace, point, repeated.has(point));
    expectKilled(outcome.killed);
    expectExit(outcome.worked);
    expectWhole(outcome.facts);
    return outcome;
  };
  for (const point of repeated) {
    const before = uncommitted.includes(point);
    const result = before ? 'creates the one job' : 'returns the existing job';
    trials[`repeating a submission that was killed at ${point} ${result}`] = async () => {
      const { again, third } = await killSubmission(point);
      if (again === null) throw new Error('it was not submitted again');
      expect(answerOf(again).created).to.equal(before);
      expect(answerOf(third)).to.deep.include({ job: answerOf(again).job, created: false });
    };
  }
  for (const point of committed.filter((name) => !repeated.has(name))) {
    trials[`a watcher sends what is missing after a submission is killed at ${point} and not repeated`] = async () => {
      const { third } = await killSubmission(point);
      expect(answerOf(third).created).to.equal(false);
    };
  }
  declareConcurrentTests(5, trials);
});
