// Protects: a job on AWS publishes every output exactly once after kill -9 of a worker or a submission.

import { expect } from 'chai';
import { seededRandom } from '../../src/model/forecast/section.ts';
import { AwsWorkspace } from '../support/aws-workspace.ts';
import { CHAINS, CHAINS_RAN, FAILING, FAILING_OUTPUTS, LARGE } from '../support/crash-jobs.ts';
import { SUCCEEDED } from '../support/job-facts.ts';
import {
  answerOf,
  expectWhole,
  type Finished,
  killThenFinish,
  killThenSubmit,
  type Submitted,
} from '../support/killed-runs.ts';
import { inBackground, printedSeed } from '../support/sampling.ts';
import { sharedFauxqs } from '../support/servers/fauxqs.ts';
import { sharedMoto } from '../support/servers/moto.ts';
import type { Endpoint } from '../support/servers/shared.ts';
import type { Ended, Workspace } from '../support/workspace.ts';

/**
 * The crash matrix of the local profile, on S3 and SQS: the same points, with the adapters' own orders of requests. The
 * seed chooses which pass of a point, whether before or after it, and whether to submit again or leave it to watchers.
 */
describe('kill -9 on AWS', () => {
  const random = seededRandom(printedSeed('which passing of each point'));
  const nth = (most: number): number => 1 + Math.floor(random() * most);
  const chains = ['stage', 'publish', 'record', 'chain', 'ack'].map((point) => `${point}:${nth(9)}`);
  const either = <T>(one: T, other: T): T => (random() < 0.5 ? one : other);
  const ends = ['opengather', 'journal', 'close', 'unmark'].map((point) => either(`before-${point}:1`, `${point}:1`));
  const whole = [...chains, ...ends];
  const staging = ['before-stagefile:2', 'stagefile:1', 'publish:1'];
  const failures = ['tries:1', 'release:1', 'failed:1', 'bury:1', 'before-opengather:1', 'before-close:1'];
  const uncommitted = ['code', 'parts', 'open', 'job'];
  const committed = ['claim', 'send', 'before-journal', 'journal', 'sent'];
  const again = new Set([...uncommitted, ...committed.filter(() => random() < 0.5)]);
  const alone = committed.filter((point) => !again.has(point));
  let sqs: Endpoint;
  const finished = new Map<string, Promise<Finished>>();
  const submitted = new Map<string, Promise<Submitted>>();

  before(async () => {
    const s3 = await sharedMoto();
    sqs = await sharedFauxqs();
    const make = (): Promise<Workspace> => AwsWorkspace.make({ s3: s3.url, sqs: sqs.url });
    // Most of the time is spent waiting for leases to expire.
    const works = [
      ...whole.map((kill) => ({ of: `CHAINS ${kill}`, work: () => killThenFinish(make, CHAINS, kill) })),
      ...staging.map((kill) => ({ of: `LARGE ${kill}`, work: () => killThenFinish(make, LARGE, kill) })),
      ...failures.map((kill) => ({ of: `FAILING ${kill}`, work: () => killThenFinish(make, FAILING, kill) })),
    ];
    const submissions = [
      ...[...uncommitted, ...committed].map((point) => ({
        of: point,
        work: () => killThenSubmit(make, point, again.has(point)),
      })),
    ];
    const [finishes, submits] = [
      inBackground(
        3,
        works.map(({ work }) => work),
      ),
      inBackground(
        2,
        submissions.map(({ work }) => work),
      ),
    ];
    for (const [place, { of }] of works.entries()) set(finished, of, finishes[place]);
    for (const [place, { of }] of submissions.entries()) set(submitted, of, submits[place]);
  });

  after(async () => {
    await Promise.allSettled([...finished.values(), ...submitted.values()]);
  });

  const finishedOf = async (name: string): Promise<Finished> => {
    const outcome = await finished.get(name);
    if (outcome === undefined) throw new Error(`${name} was not run`);
    expectKilled(outcome.killed);
    expect(outcome.finished.code, outcome.finished.stderr).to.equal(0);
    return outcome;
  };

  for (const kill of whole) {
    it(`publishes every output once and closes the job once after a worker is killed at ${kill}`, async () => {
      const { facts, ran } = await finishedOf(`CHAINS ${kill}`);
      expectWhole(facts);
      expect(facts.journal.filter((what) => what !== 'resend')).to.deep.equal(['sent', 'close']);
      expect([...new Set(ran)].sort()).to.deep.equal(CHAINS_RAN);
      // Published tasks never run again: only the one task that ran at the kill may run twice.
      expect(ran.length).to.be.at.most(CHAINS_RAN.length + 1);
    });
  }

  for (const kill of staging) {
    it(`publishes staged outputs completely, in a later attempt, after a worker is killed at ${kill}`, async () => {
      const { facts } = await finishedOf(`LARGE ${kill}`);
      expect(facts).to.deep.include({ ...SUCCEEDED, dead: [], journal: ['sent', 'close'] });
      expect(facts.outputs).to.deep.equal({ only: { 0: '[9000000 bytes]', 1: '[9000000 bytes]' } });
    });
  }

  for (const kill of failures) {
    it(`fails a task for good after two attempts when a worker is killed at ${kill}`, async () => {
      const { facts, ran } = await finishedOf(`FAILING ${kill}`);
      expect(facts).to.deep.include(SUCCEEDED);
      expect(facts.outputs).to.deep.equal(FAILING_OUTPUTS);
      expect(facts.dead).to.have.length(1);
      expect(facts.journal.filter((what) => what !== 'resend')).to.deep.equal(['sent', 'open', 'close']);
      expect(ran.filter((task) => task === 'twice/2')).to.have.length(2);
    });
  }

  const submittedOf = async (name: string): Promise<Submitted> => {
    const outcome = await submitted.get(name);
    if (outcome === undefined) throw new Error(`${name} was not run`);
    expectKilled(outcome.killed);
    expect(outcome.worked.code, outcome.worked.stderr).to.equal(0);
    return outcome;
  };

  for (const point of again) {
    const before = uncommitted.includes(point);
    it(`repeating a submission that was killed at ${point} ${before ? 'creates the one job' : 'returns the existing job'}`, async () => {
      const { again: second, third, facts } = await submittedOf(point);
      if (second === null) throw new Error('it was not submitted again');
      expect(answerOf(second).created).to.equal(before);
      expect(answerOf(third)).to.deep.include({ job: answerOf(second).job, created: false });
      expectWhole(facts);
    });
  }

  for (const point of alone) {
    it(`a watcher sends what is missing after a submission is killed at ${point} and not repeated`, async () => {
      const { third, facts } = await submittedOf(point);
      expect(answerOf(third).created).to.equal(false);
      expectWhole(facts);
    });
  }
});

function set<T>(all: Map<string, Promise<T>>, name: string, work: Promise<T> | undefined): void {
  if (work !== undefined) all.set(name, work);
}

function expectKilled({ signal, stderr }: Ended): void {
  expect(signal, stderr).to.equal('SIGKILL');
}
