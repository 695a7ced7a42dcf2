// Protects: the manager looks at open jobs and schedules often enough, and slows down when there are many or it fails.
import { expect } from 'chai';
import { DutyLoop, failureDelayMs, lookIntervalMs, untilNextMs } from '../../src/manager/duties.ts';
import { forEachTest } from '../support/fixture.ts';
import { HeldTime } from '../support/held-time.ts';

describe('the pace of rounds', () => {
  const looks: readonly (readonly [number, boolean, number])[] = [
    [0, false, 2_000],
    [1, false, 1_000],
    [20, false, 1_000],
    [100, false, 5_000],
    [5_000, false, 60_000],
    [0, true, 15_000],
    [1, true, 5_000],
    [20, true, 5_000],
    [100, true, 25_000],
    [5_000, true, 60_000],
  ];
  for (const [open, remote, ms] of looks) {
    it(`is a look every ${ms / 1_000} s with ${open} open jobs ${remote ? 'on a remote store' : 'on files'}`, () => {
      expect(lookIntervalMs({ open, paid: remote })).to.equal(ms);
    });
  }

  it('slows down with each failure, down to once a minute', () => {
    expect([1, 2, 3, 6, 7, 8, 100].map(failureDelayMs)).to.deep.equal([
      1_000, 2_000, 4_000, 32_000, 60_000, 60_000, 60_000,
    ]);
  });

  it('waits until the next firing, at most a minute, and not at all for one that is due', () => {
    const now = Date.parse('2026-11-30T17:59:50Z');
    expect(untilNextMs([], now)).to.equal(60_000);
    expect(untilNextMs([now + 10_000, now + 5_000, now + 3_600_000], now)).to.equal(5_000);
    expect(untilNextMs([now + 3_600_000], now)).to.equal(60_000);
    expect(untilNextMs([now - 1], now)).to.equal(0);
  });
});

describe('a duty of the manager', () => {
  const time = forEachTest(() => new HeldTime());
  let leave: AbortController;
  /** When each run began, milliseconds after the first. */
  let began: number[];
  /** What each run does; the last one is repeated. */
  let runs: (() => Promise<number> | number)[];
  let heard: string[];
  let running: Promise<void>;
  beforeEach(() => {
    leave = new AbortController();
    began = [];
    heard = [];
  });
  afterEach(async () => {
    leave.abort();
    await time.passUntil(running);
  });

  function start(...each: (() => Promise<number> | number)[]): DutyLoop {
    runs = each;
    const first = time.now();
    const duty = {
      name: 'jobs',
      run: async () => {
        // A timer of held time may fire a millisecond later.
        began.push(Math.floor((time.now() - first) / 10) * 10);
        return ((runs.length > 1 ? runs.shift() : runs[0]) ?? (() => 0))();
      },
      onTrouble: (error: unknown) => heard.push(String(error)),
      onRecovered: (tries: number) => heard.push(`recovered after ${tries}`),
      troubles: () => ['x'],
    };
    const watch = { mark: () => heard.push('begins'), done: () => heard.push('ends') };
    const loop = new DutyLoop(duty, watch, { signal: leave.signal, now: () => time.now() });
    running = loop.run();
    return loop;
  }
  const fail = (): never => {
    throw new Error('away');
  };
  const told = (): readonly string[] => heard.filter((line) => line !== 'begins' && line !== 'ends');

  it('runs again when it said, and rests for 200 ms in any case', async () => {
    start(
      () => 1_000,
      () => 0,
      () => 60_000,
    );
    await time.pass(5_000);
    expect(began).to.deep.equal([0, 1_000, 1_200]);
    expect(heard).to.deep.equal(['begins', 'ends', 'begins', 'ends', 'begins', 'ends']);
  });

  it('runs soon if asked, once more if asked during a run, and then at its interval again', async () => {
    let end = (): void => undefined;
    const held = () =>
      new Promise<number>((resolve) => {
        end = () => resolve(60_000);
      });
    const loop = start(
      () => 60_000,
      held,
      () => 60_000,
    );
    await time.pass(1_000);
    loop.nudge();
    await time.pass(10);
    expect(began).to.deep.equal([0, 1_000]);
    loop.nudge();
    await time.pass(90);
    end();
    await time.pass(10_000);
    expect(began.slice(0, 2)).to.deep.equal([0, 1_000]);
    expect(began).to.have.lengthOf(3);
    expect(began[2]).to.equal(1_300);
  });

  it('fails less and less often, also if asked, says since when, and says once that it has recovered', async () => {
    const loop = start(fail, fail, fail, () => 60_000);
    await time.pass(400);
    for (let n = 0; n < 10; n += 1) loop.nudge();
    await time.pass(100);
    expect(began).to.have.lengthOf(1);
    const { failing } = loop.health();
    expect(failing?.message).to.equal('away');
    expect(loop.health()).to.deep.include({ duty: 'jobs', done: null, running: null, troubles: ['x'] });
    await time.pass(2_500);
    expect(loop.health().failing).to.deep.equal(failing);
    expect(began.length).to.be.within(2, 3);
    await time.pass(20_000);
    expect(told()).to.deep.equal(['Error: away', 'Error: away', 'Error: away', 'recovered after 3']);
    expect(loop.health().failing).to.equal(null);
    const count = began.length;
    loop.nudge();
    await time.pass(300);
    expect(began).to.have.lengthOf(count + 1);
    expect(told()).to.have.lengthOf(4);
  });

  it('shows that it runs, and since when', async () => {
    let end = (): void => undefined;
    const held = () =>
      new Promise<number>((resolve) => {
        end = () => resolve(60_000);
      });
    const at = new Date(time.now()).toISOString();
    const loop = start(held);
    await time.pass(100);
    expect(loop.health()).to.deep.include({ running: at, done: null });
    end();
    await time.pass(1);
    expect(loop.health().running).to.equal(null);
    expect(loop.health().done).to.not.equal(null);
  });

  it('stops at once while it rests, and reports no error of a run that was stopped', async () => {
    start(() => 60_000);
    await time.pass(1_000);
    leave.abort();
    // No time passes.
    await running;
    leave = new AbortController();
    heard = [];
    start(async () => {
      leave.abort();
      return fail();
    });
    await running;
    expect(told()).to.deep.equal([]);
  });
});
