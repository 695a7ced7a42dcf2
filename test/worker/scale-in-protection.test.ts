// Protects: an idle worker on AWS doesn't count as hung, and does not flood Auto Scaling with requests.
import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import {
  type IdleWorker,
  ScaleInProtection,
  type ScaleInProtectionOptions,
} from '../../src/worker/scale-in-protection.ts';
import { forEachTest } from '../support/fixture.ts';
import { HeldTime } from '../support/held-time.ts';
import { until } from '../support/until.ts';
import { makeContext, makeDispatcher, makeIntake, makePlatform, SILENT } from './worker-context.ts';

const BUSY: IdleWorker = { idleSince: null, considerLeaving: async () => undefined };

/** Scale-in protection that may always change, of a worker that is busy and has no backlog. */
function makeProtection(fields: Partial<ScaleInProtectionOptions>): ScaleInProtection {
  return new ScaleInProtection({
    machine: { protect: async () => true },
    times: { restMs: 10, lookMs: 1 },
    log: SILENT,
    monotonic: () => performance.now(),
    isInStandby: () => false,
    backlog: async () => 0,
    watch: { mark: () => undefined, done: () => undefined },
    onTooLate: () => undefined,
    isTransient: () => false,
    ...fields,
  });
}

describe('a protection that Auto Scaling refuses to change', () => {
  const time = forEachTest(() => new HeldTime());

  it('is requested less and less often, and at once again after it was changed', async () => {
    const times: number[] = [];
    let refusals = 6;
    const protect = async (): Promise<true> => {
      times.push(time.now());
      refusals -= 1;
      if (refusals >= 0) throw new BatchctlError('unavailable', 'throttled');
      return true;
    };
    const protection = makeProtection({ machine: { protect }, times: { restMs: 60_000, lookMs: 10 } });
    const enter = () => time.passUntil(protection.enter(BUSY, new AbortController().signal));
    const gaps = () => times.slice(1).map((at, index) => at - (times[index] ?? 0));
    expect(await enter()).to.equal(true);
    expect(gaps()).to.have.length(6);
    // Plus or minus a tenth, and a timer's millisecond.
    for (const [index, gap] of [10, 20, 40, 80, 120, 120].entries())
      expect(gaps()[index], `pause ${index}`).to.be.within(0.9 * gap, 1.1 * gap + 1);
    protection.exit();
    refusals = 1;
    times.length = 0;
    expect(await enter()).to.equal(true);
    expect(gaps()).to.have.length(1);
    expect(gaps()[0]).to.be.within(9, 12);
  });
});

describe('the rest of an idle worker', () => {
  /** Rests once, and continues with the result of `backlog`; returns its reports to the watch. */
  async function restOnce(backlog: () => Promise<number>): Promise<readonly string[]> {
    const reports: string[] = [];
    const worker = { ...BUSY, idleSince: 0 as number | null };
    const protection = makeProtection({
      backlog: async () => {
        worker.idleSince = null;
        return backlog();
      },
      watch: { mark: (what) => reports.push(what), done: () => reports.push('done') },
    });
    await protection.enter(worker, new AbortController().signal).catch(() => undefined);
    return reports;
  }

  it("is no longer watched once it is over, so that a long task doesn't count as a hang", async () => {
    expect(await restOnce(async () => 1)).to.deep.equal(['work', 'done']);
  });

  it('is no longer watched when an unavailable service ended it, either', async () => {
    const away = new BatchctlError('unavailable', 'away');
    expect(await restOnce(() => Promise.reject(away))).to.deep.equal(['work', 'done']);
  });

  it('ends when its worker leaves because it is idle, without a drain', async () => {
    const platform = makePlatform();
    const rest = makeProtection({
      times: { restMs: 20, lookMs: 5 },
      monotonic: () => platform.clock.monotonic(),
    });
    const intake = makeIntake(platform, makeDispatcher(makeContext(platform)), {
      options: { groups: ['a'], untilEmpty: false, idleExit: 0.2 },
      rest,
    });
    let hasLeft = false;
    void intake.run().then(() => {
      hasLeft = true;
    });
    await until('it has left', () => hasLeft);
  });
});
