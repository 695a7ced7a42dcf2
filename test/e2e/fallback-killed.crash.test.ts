// Protects: a task on its way to the fallback group is neither lost nor doubled when its worker is killed there.
import { expect } from 'chai';
import { FallbackDesk } from '../support/fallback-desk.ts';

describe('a task that spot keeps interrupting goes to the fallback group', () => {
  let desk: FallbackDesk;
  beforeEach(() => {
    desk = new FallbackDesk();
  });
  afterEach(() => desk.workspace.remove());

  for (const [point, runs, steady] of [
    // Not counted: it is interrupted once more before it is handed over.
    ['before-interruption', 'counted once less', 0],
    ['interruption', 'handed over unrun', 0],
    ['handover', 'handed over twice', 1],
    ['ack', 'handed over', 1],
  ] as const) {
    it(`and when its worker is killed at ${point} it is ${runs}: nothing is lost, and its output is there once`, async () => {
      const job = await desk.workspace.submit();
      await desk.interrupted('default');
      await desk.killed('default', point);
      expect(await desk.backlogOf('steady')).to.equal(steady);
      expect(await desk.marksOf(job)).to.equal(point === 'before-interruption' ? 1 : 2);
      const ended = await desk.finish('default', 'steady');
      expect(ended.code, ended.stderr).to.equal(0);
      await desk.expectOnce(job);
      expect(desk.workspace.lines('ran')).to.have.length(3);
    });
  }
});
