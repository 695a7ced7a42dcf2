// Protects: an idle worker on AWS doesn't count as hung, and does not flood Auto Scaling with requests.
import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import { Intake } from '../../src/worker/intake.ts';
import { ScaleInProtection } from '../../src/worker/scale-in-protection.ts';
import { HeldTime } from '../support/held-time.ts';
import { until } from '../support/until.ts';

describe('a protection that Auto Scaling refuses to change', () => {
  let time: HeldTime;
  beforeEach(() => {
    time = new HeldTime();
  });
  afterEach(() => time.release());

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
      isAside: () => false,
      backlog: async () => 0,
      consider: async () => undefined,
      watch: { of: { mark: () => undefined, done: () => undefined }, part: 0 },
      onTooLate: () => undefined,
      mayPass: () => false,
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
      isAside: () => false,
      backlog: async () => {
        idleSince = null;
        return backlog();
      },
      consider: async () => undefined,
      watch: {
        of: { mark: (part, what) => said.push(`${part} ${what}`), done: (part) => said.push(`${part} done`) },
        part: 3,
      },
      onTooLate: () => undefined,
      mayPass: () => false,
    });
    await rest.enter(new AbortController().signal).catch(() => undefined);
    return said;
  }

  it("is no longer watched once it is over, so that a long task doesn't count as a hang", async () => {
    expect(await rested(async () => 1)).to.deep.equal(['3 work', '3 done']);
  });

  it('is no longer watched when an unavailable service ended it, either', async () => {
    const away = new BatchctlError('unavailable', 'away');
    expect(await rested(() => Promise.reject(away))).to.deep.equal(['3 work', '3 done']);
  });

  it('ends when its worker leaves because it is idle, without a drain', async () => {
    let intake: Intake | null = null;
    const log = { info: () => undefined, warn: () => undefined };
    const clock = { monotonic: () => performance.now() };
    const watch = { mark: () => undefined, done: () => undefined, everyMs: 10 };
    const mayPass = () => false;
    const rest = new ScaleInProtection({
      machine: { protect: async () => true },
      times: { restMs: 20, lookMs: 5 },
      ...{ log, mayPass, monotonic: clock.monotonic, watch: { of: watch, part: 1 } },
      idleSince: () => intake?.idleSince ?? null,
      isAside: () => false,
      backlog: async () => 0,
      consider: async () => intake?.considerLeaving(),
      onTooLate: () => undefined,
    });
    intake = new Intake({
      ...{ log, rest, mayPass, platform: { clock } as never, watch: watch as never },
      options: { groups: ['a'], untilEmpty: false, idleExit: 0.2 },
      dispatcher: { busy: false, room: 1 } as never,
      ...{ watcher: {} as never, deliveries: {} as never },
      client: async () => ({ receive: async () => [] }) as never,
      settled: async () => undefined,
      drain: new AbortController().signal,
      mayLeave: async () => true,
    });
    let left = false;
    void intake.run().then(() => {
      left = true;
    });
    await until('it has left', () => left);
  });
});
