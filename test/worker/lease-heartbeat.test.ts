// Protects: no task of a live worker is given to another one, and a worker that lost a lease stops that task in time.
import { expect } from 'chai';
import type { Receipt, TaskQueue } from '../../src/ports/task-queue.ts';
import { LeaseHeartbeat } from '../../src/worker/lease-heartbeat.ts';
import { forEachTest } from '../support/fixture.ts';
import { HeldTime } from '../support/held-time.ts';

type Extend = TaskQueue['extend'];

const receipts = (...names: string[]) => names as readonly string[] as readonly Receipt[];

describe('the heartbeat that keeps leases', () => {
  const LEASE = 3_000;
  /** The pause between two beats: a third of a lease, plus or minus a tenth. */
  const [SHORTEST, LONGEST] = [900, 1_100];
  const time = forEachTest(() => new HeldTime());
  let heartbeat: LeaseHeartbeat;
  let requests: { at: number; receipts: readonly string[] }[];
  let lost: string[];
  let errors: string[];
  let busy: boolean;
  let extend: Extend;

  const agree: Extend = async (wanted) => wanted.map(() => 'extended');
  const fail: Extend = async () => {
    throw new Error('the queue is away');
  };
  const refuse =
    (...refused: string[]): Extend =>
    async (wanted) =>
      wanted.map((receipt) => (refused.includes(receipt) ? 'lost' : 'extended'));
  /** Leases that begin now. */
  const hold = (...names: string[]) => heartbeat.hold(receipts(...names), time.now() + LEASE);
  const pauses = () => requests.slice(1).map(({ at }, index) => at - (requests[index]?.at ?? 0));

  beforeEach(() => {
    [requests, lost, errors, busy, extend] = [[], [], [], false, agree];
    heartbeat = new LeaseHeartbeat({
      open: async () => ({
        extend: (wanted) => {
          expect(busy).to.equal(true);
          requests.push({ at: time.now(), receipts: [...wanted] });
          return extend(wanted);
        },
      }),
      leaseMs: LEASE,
      now: () => time.now(),
      onLost: (gone) => lost.push(...gone),
      onError: (error) => errors.push(String(error)),
      onBusy: (now) => {
        busy = now;
      },
    });
  });
  afterEach(() => time.passUntil(heartbeat.stop()));

  it('extends all leases in one request, and loses none', async () => {
    hold('a', 'b');
    await time.pass(20 * LEASE);
    expect(requests.length).to.be.within((20 * LEASE) / LONGEST - 1, (20 * LEASE) / SHORTEST);
    for (const { receipts: extended } of requests) expect(extended).to.deep.equal(['a', 'b']);
    expect([lost, errors]).to.deep.equal([[], []]);
  });

  it('beats every third of a lease, plus or minus a tenth, and not in step', async () => {
    const from = time.now();
    hold('a');
    await time.pass(30 * LEASE);
    const all = [(requests[0]?.at ?? 0) - from, ...pauses()];
    expect(all.length).to.be.greaterThan(80);
    // A timer rounds up to the next millisecond.
    for (const pause of all) expect(pause).to.be.within(SHORTEST, LONGEST + 1);
    expect(new Set(all).size).to.be.greaterThan(1);
  });

  it('makes no request for a lease that has just begun', async () => {
    hold('a');
    await time.pass(SHORTEST - 1);
    hold('b');
    await time.pass(3 * LONGEST);
    expect(requests[0]?.receipts).to.deep.equal(['a']);
    expect(requests[1]?.receipts).to.deep.equal(['a', 'b']);
    expect(lost).to.deep.equal([]);
  });

  it('reports a refused lease once, and continues with the others', async () => {
    extend = refuse('bad');
    hold('bad', 'good');
    await time.pass(LONGEST + 1);
    expect(lost).to.deep.equal(['bad']);
    await time.pass(5 * LEASE);
    expect(lost).to.deep.equal(['bad']);
    expect(requests.length).to.be.greaterThan(3);
    for (const { receipts: extended } of requests.slice(1)) expect(extended).to.deep.equal(['good']);
  });

  it('tries again after an error, and loses nothing if the queue is back in time', async () => {
    extend = fail;
    hold('a');
    await time.pass(LEASE - 500);
    expect(errors.length).to.be.at.least(2);
    expect(new Set(errors)).to.deep.equal(new Set(['Error: the queue is away']));
    extend = agree;
    const before = requests.length;
    await time.pass(10 * LEASE);
    expect(requests.length).to.be.at.least(before + 2);
    // Back at the usual pace.
    for (const pause of pauses().slice(before)) expect(pause).to.be.within(SHORTEST, LONGEST + 1);
    expect(lost).to.deep.equal([]);
  });

  it('tries again less and less often, but at least every tenth of a lease', async () => {
    extend = fail;
    hold('a');
    await time.pass(LEASE);
    const longest = LEASE / 10;
    expect(pauses().length).to.be.at.least(5);
    for (const [failures, pause] of pauses().entries()) {
      const most = Math.min(longest, 100 * 2 ** failures);
      expect(pause, `after ${failures + 1} failures`).to.be.within(most / 2, most + 1);
    }
  });

  it('reports a lease that was not confirmed before it expired, once, and not earlier', async () => {
    extend = fail;
    hold('a');
    await time.pass(LEASE - 1);
    expect(lost).to.deep.equal([]);
    await time.pass(1);
    expect(lost).to.deep.equal(['a']);
    expect(requests.length).to.be.within(2, 20);
    hold('b');
    await time.pass(LEASE - 1);
    expect(lost).to.deep.equal(['a']);
    await time.pass(1);
    expect(lost).to.deep.equal(['a', 'b']);
    await time.pass(2 * LEASE);
    expect(lost).to.deep.equal(['a', 'b']);
  });

  it('computes a lease’s end from just before the request that was confirmed', async () => {
    // The answer takes a while, and is the last one.
    extend = (wanted) => new Promise((resolve) => setTimeout(() => resolve(wanted.map(() => 'extended')), 1_000));
    hold('a');
    await time.pass(LONGEST + 1);
    const [first] = requests;
    extend = fail;
    await time.pass((first?.at ?? 0) + LEASE - time.now() - 1);
    expect(lost).to.deep.equal([]);
    await time.pass(1);
    expect(lost).to.deep.equal(['a']);
  });

  it('counts the age of a lease that is held late, and each lease’s own end', async () => {
    extend = fail;
    hold('young');
    heartbeat.hold(receipts('old'), time.now() + LEASE - 2_000);
    await time.pass(LEASE - 2_001);
    expect(lost).to.deep.equal([]);
    await time.pass(1);
    expect(lost).to.deep.equal(['old']);
    await time.pass(1_999);
    expect(lost).to.deep.equal(['old']);
    await time.pass(1);
    expect(lost).to.deep.equal(['old', 'young']);
  });

  it('gives up an extension that hangs after half a lease; the lease is lost at its end', async () => {
    extend = () => new Promise(() => undefined);
    hold('a');
    await time.pass(LONGEST + 1);
    expect(requests.length).to.equal(1);
    const until = (requests[0]?.at ?? 0) + LEASE / 2;
    await time.pass(until - time.now() - 1);
    expect(errors).to.deep.equal([]);
    await time.pass(1);
    expect(errors).to.deep.equal(['Error: extending leases took longer than 1500 ms']);
    expect(lost).to.deep.equal([]);
    await time.pass(LEASE);
    expect(lost).to.deep.equal(['a']);
  });

  it("doesn't extend a lease after it was dropped, and does not report it, even if it is refused", async () => {
    extend = (wanted) => new Promise((resolve) => setTimeout(async () => resolve(await refuse('a')(wanted)), 50));
    hold('a', 'b');
    await time.pass(SHORTEST - 1);
    while (requests.length === 0) await time.pass(1);
    // While the extension is in flight.
    heartbeat.drop(receipts('a'));
    await time.pass(5 * LEASE);
    expect(requests.length).to.be.at.least(4);
    for (const { receipts: extended } of requests.slice(1)) expect(extended).to.deep.equal(['b']);
    expect(lost).to.deep.equal([]);
  });

  it('waits, before settling, for the extension in flight that holds the lease, and for no other', async () => {
    let answer = () => {};
    extend = (wanted) =>
      new Promise((resolve) => {
        answer = () => resolve(wanted.map(() => 'extended'));
      });
    hold('a', 'b');
    await time.pass(LONGEST + 1);
    expect(requests.length).to.equal(1);
    await heartbeat.awaitExtension(receipts('other'));
    heartbeat.drop(receipts('a'));
    let isSettled = false;
    void heartbeat.awaitExtension(receipts('a')).then(() => {
      isSettled = true;
    });
    await time.pass(100);
    expect([isSettled, busy]).to.deep.equal([false, true]);
    answer();
    await time.pass(1);
    expect([isSettled, busy]).to.deep.equal([true, false]);
    await time.pass(LONGEST + 1);
    expect(requests[1]?.receipts).to.deep.equal(['b']);
  });

  it('settles at once if nothing is in flight', async () => {
    hold('a');
    await heartbeat.awaitExtension(receipts('a'));
    expect(requests).to.deep.equal([]);
  });

  it('sends no more heartbeats once stopped, and waits for the one in flight', async () => {
    extend = (wanted) => new Promise((resolve) => setTimeout(() => resolve(wanted.map(() => 'extended')), 50));
    hold('a');
    await time.pass(SHORTEST - 1);
    while (requests.length === 0) await time.pass(1);
    const at = time.now();
    await time.passUntil(heartbeat.stop());
    expect(time.now() - at).to.be.within(49, 51);
    await time.pass(5 * LEASE);
    expect([requests.length, lost]).to.deep.equal([1, []]);
  });
});
