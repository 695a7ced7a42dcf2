// Protects: a terminating machine returns its tasks before its group's hook ends, and holds the hook only until then.
import { expect } from 'chai';
import type { Machine } from '../../src/ports/machine.ts';
import { MachineDuty } from '../../src/worker/machine-duty.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { SILENT } from './worker-context.ts';

const TIMES = { noticeMs: 5_000, holdMs: 200_000, longestHoldMs: 3_600_000 };

describe('a machine that its group terminates', () => {
  it('extends the hold at each interval, and ends its tasks once the hold is as long as the hook allows', async () => {
    const clock = new FakeClock();
    const ended: string[] = [];
    let left = 0;
    let extended = 0;
    const machine: Machine = {
      instance: 'i-1',
      type: 'c7g.large',
      zone: 'a',
      lifeCycle: 'on-demand',
      launchedAt: null,
      release: null,
      inGroup: true,
      notice: async () => ({ kind: 'terminating', at: null }),
      protect: async () => true,
      extendTermination: async () => {
        extended += 1;
      },
      completeTermination: async () => undefined,
      leave: async () => true,
    };
    const duty = new MachineDuty({
      machine,
      times: TIMES,
      log: SILENT,
      clock,
      graceMs: 10_000,
      busy: () => true,
      leavesAtRisk: false,
      onRisk: () => undefined,
      leave: () => {
        left += 1;
      },
      end: (reason) => void ended.push(reason),
      raiseAfterLeaving: async () => undefined,
    });
    for (let seconds = 0; seconds < 3_600; seconds += 100) {
      await duty.checkNotice();
      expect(ended, `after ${seconds} s`).to.deep.equal([]);
      clock.pass(100);
    }
    expect([left, extended]).to.deep.equal([1, 18]);
    await duty.checkNotice();
    expect(ended).to.deep.equal(['drain']);
  });
});
