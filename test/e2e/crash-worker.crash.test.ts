// Protects: a job publishes every output exactly once after kill -9 of a worker at any point.

import { expect } from 'chai';
import { seededRandom } from '../../src/model/forecast/section.ts';
import { CHAINS, CHAINS_OUTPUTS, CHAINS_RAN, FAILING, FAILING_OUTPUTS, LARGE } from '../support/crash-jobs.ts';
import { SUCCEEDED } from '../support/job-facts.ts';
import { type Finished, finishAfter, killWorker } from '../support/killed-runs.ts';
import { inBackground, printedSeed } from '../support/sampling.ts';
import { Workspace } from '../support/workspace.ts';

/** A lease that a busy machine can keep. What is in no queue is sent again after two of them. */
const local = async (): Promise<Workspace> => new Workspace(undefined, 6);

describe('kill -9 of a worker', () => {
  const random = seededRandom(printedSeed('which passing of each point'));
  const nth = (most: number): number => 1 + Math.floor(random() * most);
  const chains = ['stage', 'publish', 'record', 'chain', 'ack'].map((point) => `${point}:${nth(9)}`);
  const ends = ['opengather', 'journal', 'close', 'unmark'].flatMap((point) => [`before-${point}:1`, `${point}:1`]);
  const failures = ['tries:1', 'release:1', 'failed:1', 'bury:1', 'before-opengather:1', 'before-close:1'];
  const staging = ['before-stagefile:2', 'stagefile:1', 'publish:1'];
  const wholeKills = [...chains, ...ends];
  let whole: readonly Promise<Finished>[] = [];
  let large: readonly Promise<Finished>[] = [];
  let failing: readonly Promise<Finished>[] = [];

  before(() => {
    const killed = inBackground(4, [
      ...wholeKills.map((kill) => () => killWorker(local, CHAINS, kill)),
      ...staging.map((kill) => () => killWorker(local, LARGE, kill)),
      ...failures.map((kill) => () => killWorker(local, FAILING, kill)),
    ]);
    // Once all are killed: the others then run in this process, at an hour when leases have expired.
    const allKilled = Promise.allSettled(killed);
    const all = inBackground(
      4,
      killed.map((each) => async () => {
        await allKilled;
        return finishAfter(await each);
      }),
    );
    whole = all.slice(0, wholeKills.length);
    large = all.slice(wholeKills.length, wholeKills.length + staging.length);
    failing = all.slice(wholeKills.length + staging.length);
  });

  for (const [index, kill] of wholeKills.entries()) {
    it(`publishes every output once and closes the job once after a kill at ${kill}`, async () => {
      const { killed, finished, facts, ran } = (await whole[index]) as Finished;
      expect(killed.signal, killed.stderr).to.equal('SIGKILL');
      expect(finished.code, finished.stderr).to.equal(0);
      expect(facts).to.deep.include({ ...SUCCEEDED, dead: [] });
      expect(facts.outputs).to.deep.equal(CHAINS_OUTPUTS);
      expect(facts.counted).to.deep.equal({ twice: 4, more: 4, total: 1 });
      expect(facts.journal.filter((what) => what !== 'resend')).to.deep.equal(['sent', 'close']);
      expect([...new Set(ran)].sort()).to.deep.equal(CHAINS_RAN);
      // Published tasks never run again: only the one task that ran at the kill may run twice.
      expect(ran.length).to.be.at.most(CHAINS_RAN.length + 1);
    });
  }

  for (const [index, kill] of staging.entries()) {
    it(`publishes staged outputs completely, in a later attempt, after a kill at ${kill}`, async () => {
      const { killed, finished, facts } = (await large[index]) as Finished;
      expect(killed.signal, killed.stderr).to.equal('SIGKILL');
      expect(finished.code, finished.stderr).to.equal(0);
      expect(facts).to.deep.include({ ...SUCCEEDED, dead: [], journal: ['sent', 'close'] });
      expect(facts.outputs).to.deep.equal({ only: { 0: '[9000000 bytes]', 1: '[9000000 bytes]' } });
    });
  }

  for (const [index, kill] of failures.entries()) {
    it(`fails a task for good after two attempts, and publishes the others once, after a kill at ${kill}`, async () => {
      const { killed, finished, facts, ran } = (await failing[index]) as Finished;
      expect(killed.signal, killed.stderr).to.equal('SIGKILL');
      expect(finished.code, finished.stderr).to.equal(0);
      expect(facts).to.deep.include(SUCCEEDED);
      expect(facts.outputs).to.deep.equal(FAILING_OUTPUTS);
      expect(facts.dead).to.have.length(1);
      expect(facts.journal.filter((what) => what !== 'resend')).to.deep.equal(['sent', 'open', 'close']);
      expect(ran.filter((task) => task === 'twice/2')).to.have.length(2);
    });
  }
});
