// Protects: a task that moves to the fallback group is neither lost nor duplicated when its worker is killed then.
import { expect } from 'chai';
import { expectExit } from '../support/expect-exit.ts';
import { FallbackJob } from './fallback-job.ts';

describe('a task that spot keeps interrupting', () => {
  let fallback: FallbackJob;
  beforeEach(() => {
    fallback = new FallbackJob();
  });
  afterEach(() => fallback.workspace.remove());

  for (const [point, runs, steady] of [
    // Not counted: it is interrupted once more before it is handed over.
    ['before-interruption', 'counted once less', 0],
    ['interruption', 'handed over unrun', 0],
    ['handover', 'handed over twice', 1],
    ['ack', 'handed over', 1],
  ] as const) {
    it(`is ${runs} and publishes its output once when its worker is killed at ${point}`, async () => {
      const job = await fallback.workspace.submit();
      await fallback.interrupted('default');
      await fallback.killed('default', point);
      expect(await fallback.backlogOf('steady')).to.equal(steady);
      expect(await fallback.marksOf(job)).to.equal(point === 'before-interruption' ? 1 : 2);
      expectExit(await fallback.finish('default', 'steady'));
      await fallback.expectOnce(job);
      expect(fallback.workspace.lines('ran')).to.have.length(3);
    });
  }
});
