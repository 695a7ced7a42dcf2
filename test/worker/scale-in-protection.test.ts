// Protects: an idle worker on AWS doesn't count as hung, and does not flood Auto Scaling with requests.
import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import { Intake } from '../../src/worker/intake.ts';
import { ScaleInProtection } from '../../src/worker/scale-in-protection.ts';
import { forEachTest } from '../support/fixture.ts';
import { HeldTime } from '../support/held-time.ts';
import { until } from '../support/until.ts';

describe('a protection that Auto Scaling refuses to change', () => {
  const time = forEachTest(() => new HeldTime());

  it('is requested less and less often, and at once again after it was changed', async () => {
    const times: number[] = [];
    let refusals = 6;
    const rest = new ScaleInProtection({
      machine: {
        protect: async () => {
          times.push(time.now());
          refusals -= 1;
          if (refusals >= 0) throw new BatchctlError('unavailable', 'throttled');
          return true;
        },
      },
      times: { restMs: 60_000, lookMs: 10 },
      log: { info: () => undefined, warn: () => undefined },
      monotonic: () => time.now(),
      idleSince: () => null,
      isInStandby: () => false,
      backlog: async () => 0,
      considerLeaving: async () => undefined,
      watch: { mark: () => undefined, done: () => undefined },
      onTooLate: () => undefined,
      isTransient: () => false,
    });
    const gaps = () => times.slice(1).map((at, index) => at - (times[index] ?? 0));
    expect(await time.passUntil(rest.enter(new AbortController().signal))).to.equal(true);
    expect(gaps()).to.have.length(6);
    // Plus or minus a tenth, and a timer's millisecond.
    for (const [index, gap] of [10, 20, 40, 80, 120, 120].entries())
      expect(gaps()[index], `pause ${index}`).to.be.within(0.9 * gap, 1.1 * gap + 1);
    rest.exit();
    [refusals, times.length] = [1, 0];
    expect(await time.passUntil(rest.enter(new AbortController().signal))).to.equal(true);
    expect(gaps()).to.have.length(1);
    expect(gaps()[0]).to.be.within(9, 12);
  });
});

describe('the rest of an idle worker', () => {
  /** Rests once, and continues with what `backlog` returns or throws; returns its reports to the watch. */
  async function rested(backlog: () => Promise<number>): Promise<readonly string[]> {
    const said: string[] = [];
    let idleSince: number | null = 0;
    const rest = new ScaleInProtection({
      machine: { protect: async () => true },
      times: { restMs: 10, lookMs: 1 },
      log: { info: () => undefined, warn: () => undefined },
      monotonic: () => performance.now(),
      idleSince: () => idleSince,
      isInStandby: () => false,
      backlog: async () => {
        idleSince = null;
        return backlog();
      },
      considerLeaving: async () => undefined,
      watch: { mark: (what) => said.push(what), done: () => said.push('done') },
      onTooLate: () => undefined,
      isTransient: () => false,
    });
    await rest.enter(new AbortController().signal).catch(() => undefined);
    return said;
  }

  it("is no longer watched once it is over, so that a long task doesn't count as a hang", async () => {
    expect(await rested(async () => 1)).to.deep.equal(['work', 'done']);
  });

  it('is no longer watched when an unavailable service ended it, either', async () => {
    const away = new BatchctlError('unavailable', 'away');
    expect(await rested(() => Promise.reject(away))).to.deep.equal(['work', 'done']);
  });

  it('ends when its worker leaves because it is idle, without a drain', async () => {
    let intake: Intake | null = null;
    const log = { info: () => undefined, warn: () => undefined };
    const clock = { monotonic: () => performance.now() };
    const part = { mark: () => undefined, done: () => undefined };
    const isTransient = () => false;
    const rest = new ScaleInProtection({
      machine: { protect: async () => true },
      times: { restMs: 20, lookMs: 5 },
      ...{ log, isTransient, monotonic: clock.monotonic, watch: part },
      idleSince: () => intake?.idleSince ?? null,
      isInStandby: () => false,
      backlog: async () => 0,
      considerLeaving: async () => intake?.considerLeaving(),
      onTooLate: () => undefined,
    });
    intake = new Intake({
      ...{ log, rest, isTransient, platform: { clock } as never, watch: { part: () => part, everyMs: 10 } },
      isInStandby: () => false,
      options: { groups: ['a'], untilEmpty: false, idleExit: 0.2 },
      dispatcher: { busy: false, room: 1 } as never,
      ...{ watcher: {} as never, deliveries: {} as never },
      client: async () => ({ receive: async () => [] }) as never,
      settled: async () => undefined,
      drain: new AbortController().signal,
      tryLeave: async () => true,
    });
    let left = false;
    void intake.run().then(() => {
      left = true;
    });
    await until('it has left', () => left);
  });
});
