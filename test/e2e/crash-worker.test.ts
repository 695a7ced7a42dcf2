import { expect } from 'chai';
import { CHAINS, CHAINS_OUTPUTS, CHAINS_RAN, FAILING, FAILING_OUTPUTS, LARGE } from '../support/crash-jobs.ts';
import { factsOf, type JobFacts, SUCCEEDED } from '../support/job-facts.ts';
import { inBackground, printedSeed, randomFrom } from '../support/sampling.ts';
import { type Ended, Workspace } from '../support/workspace.ts';

/** What a worker that was killed and one that took over left behind. */
interface Outcome {
  readonly killed: Ended;
  readonly finished: Ended;
  readonly facts: JobFacts;
  readonly ran: readonly string[];
}

/** Kills a worker (of one slot, so that one task runs at a time) at a point's nth passing, and lets another finish. */
async function killThenFinish(job: unknown, kill: string): Promise<Outcome> {
  const workspace = new Workspace();
  try {
    workspace.write('job.json', job);
    const id = await workspace.submit();
    const killed = await workspace.work({ BATCHCTL_TEST_KILL: kill }, '--slots', '1');
    const finished = await workspace.work({}, '--slots', '1');
    return { killed, finished, facts: await factsOf(await workspace.platform(), id), ran: workspace.lines('ran') };
  } finally {
    await workspace.remove();
  }
}

describe('kill -9 of a worker', function () {
  this.timeout(60_000);
  const random = randomFrom(printedSeed('which passing of each point'));
  const nth = (most: number): number => 1 + Math.floor(random() * most);
  const chains = ['stage', 'publish', 'record', 'chain', 'ack'].map((point) => `${point}:${nth(9)}`);
  const ends = ['opengather', 'journal', 'close', 'unmark'].flatMap((point) => [`before-${point}:1`, `${point}:1`]);
  const failures = ['tries:1', 'release:1', 'failed:1', 'bury:1', 'before-opengather:1', 'before-close:1'];
  const staging = ['before-stagefile:2', 'stagefile:1', 'publish:1'];
  const wholeKills = [...chains, ...ends];
  let whole: readonly Promise<Outcome>[] = [];
  let large: readonly Promise<Outcome>[] = [];
  let failing: readonly Promise<Outcome>[] = [];

  before(() => {
    const all = inBackground(4, [
      ...wholeKills.map((kill) => () => killThenFinish(CHAINS, kill)),
      ...staging.map((kill) => () => killThenFinish(LARGE, kill)),
      ...failures.map((kill) => () => killThenFinish(FAILING, kill)),
    ]);
    whole = all.slice(0, wholeKills.length);
    large = all.slice(wholeKills.length, wholeKills.length + staging.length);
    failing = all.slice(wholeKills.length + staging.length);
  });

  for (const [index, kill] of wholeKills.entries()) {
    it(`at ${kill}: every output is there once, one close`, async () => {
      const { killed, finished, facts, ran } = (await whole[index]) as Outcome;
      expect(killed.signal, killed.stderr).to.equal('SIGKILL');
      expect(finished.code, finished.stderr).to.equal(0);
      expect(facts).to.deep.include({ ...SUCCEEDED, dead: [] });
      expect(facts.outputs).to.deep.equal(CHAINS_OUTPUTS);
      expect(facts.counted).to.deep.equal({ twice: 4, more: 4, total: 1 });
      expect(facts.journal.filter((what) => what !== 'resend')).to.deep.equal(['sent', 'close']);
      expect([...new Set(ran)].sort()).to.deep.equal(CHAINS_RAN);
      // What is published never runs again: only the one task that ran at the kill may run twice.
      expect(ran.length).to.be.at.most(CHAINS_RAN.length + 1);
    });
  }

  for (const [index, kill] of staging.entries()) {
    it(`at ${kill}, with outputs that are staged: they are published by a later attempt, whole`, async () => {
      const { killed, finished, facts } = (await large[index]) as Outcome;
      expect(killed.signal, killed.stderr).to.equal('SIGKILL');
      expect(finished.code, finished.stderr).to.equal(0);
      expect(facts).to.deep.include({ ...SUCCEEDED, dead: [], journal: ['sent', 'close'] });
      expect(facts.outputs).to.deep.equal({ only: { 0: '[9000000 bytes]', 1: '[9000000 bytes]' } });
    });
  }

  for (const [index, kill] of failures.entries()) {
    it(`at ${kill}, with a task that fails for good: it fails in two attempts, the others are there once`, async () => {
      const { killed, finished, facts, ran } = (await failing[index]) as Outcome;
      expect(killed.signal, killed.stderr).to.equal('SIGKILL');
      expect(finished.code, finished.stderr).to.equal(0);
      expect(facts).to.deep.include(SUCCEEDED);
      expect(facts.outputs).to.deep.equal(FAILING_OUTPUTS);
      expect(facts.dead).to.have.length(1);
      expect(facts.journal.filter((what) => what !== 'resend')).to.deep.equal(['sent', 'close']);
      expect(ran.filter((task) => task === 'twice/2')).to.have.length(2);
    });
  }
});
