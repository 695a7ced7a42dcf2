// Protects: a worker's leases hold while a long sort or spawn blocks it, and it stops tasks whose leases can't be kept.
import { readFileSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { mock } from 'node:test';
import { expect } from 'chai';
import type { Receipt } from '../../src/ports/task-queue.ts';
import { HeldLeases } from '../../src/worker/held-leases.ts';
import { forEachTest } from '../support/fixture.ts';
import { Scratch } from '../support/scratch.ts';
import { until } from '../support/until.ts';
import type { FakeLeaseQueueOptions } from './fake-lease-queue.ts';

interface LogLine {
  readonly call: 'open' | 'extend' | 'extended' | 'away' | 'close';
  readonly receipts?: readonly string[];
}

/** Seconds of a lease that is to be extended, a third of it after it began. */
const LEASE = 9;
/** Seconds of a lease that outlasts any test. */
const LONG = 3_600;
/** Milliseconds to wait for a thread to start, and for something due a third or two of a lease later. */
const PATIENCE = 60_000;

const receipts = (...names: string[]) => names as readonly string[] as readonly Receipt[];

describe('the lease keeper', function () {
  // For waits on a busy machine. lease-heart.test.ts tests the times of beats to the millisecond.
  this.timeout(3 * PATIENCE);
  const scratch = forEachTest(() => new Scratch());
  let keeper: HeldLeases;
  let lost: string[];
  let errors: string[];

  const keep = (leaseSeconds: number, options: Omit<FakeLeaseQueueOptions, 'log'> = {}) => {
    const module = new URL('./fake-lease-queue.ts', import.meta.url).href;
    keeper = new HeldLeases({
      queue: { module, exportName: 'fakeLeaseQueue', options: { log: scratch.path('log'), ...options } },
      leaseSeconds,
      onLost: (receipt) => lost.push(receipt),
      onError: (message) => errors.push(message),
    });
    return keeper;
  };
  /** Holds short leases once the thread runs, because its start may take longer than they last. */
  const holdWarm = async (names: readonly Receipt[], options: Omit<FakeLeaseQueueOptions, 'log'> = {}) => {
    keep(LEASE, options).hold(receipts('warm'));
    await until('the thread runs', () => calls('open').length + calls('away').length > 0, PATIENCE);
    keeper.drop(receipts('warm'));
    [lost, errors] = [[], []];
    keeper.hold(names);
  };
  const log = (): LogLine[] => {
    try {
      const text = readFileSync(scratch.path('log'), 'utf8');
      return text
        .split('\n')
        .filter(Boolean)
        .map((line): LogLine => JSON.parse(line));
    } catch {
      return [];
    }
  };
  /** Without calls made while the thread started. */
  const calls = (call: LogLine['call']) =>
    log().filter((line) => line.call === call && line.receipts?.includes('warm') !== true);

  beforeEach(() => {
    lost = [];
    errors = [];
  });
  afterEach(() => keeper.close());

  it('extends all leases in one request, while the main loop is blocked for twice their length', async () => {
    await holdWarm(receipts('a', 'b'));
    await until('the first extension', () => calls('extended').length > 0, PATIENCE);
    const before = calls('extended').length;
    const from = performance.now();
    const blocked = () => performance.now() - from;
    // At least four, as every third of a lease brings one.
    while (blocked() < 2_000 * LEASE || (calls('extended').length < before + 4 && blocked() < PATIENCE)) block(50);
    const during = calls('extended').slice(before);
    expect(during.length).to.be.at.least(4);
    for (const { receipts: extended } of during) expect(extended).to.deep.equal(['a', 'b']);
    await new Promise(setImmediate);
    expect(lost).to.deep.equal([]);
  });

  it('reports a refused lease once, and continues with the others', async () => {
    await holdWarm(receipts('bad', 'good'), { refuse: ['bad'] });
    await until('the lease is lost', () => lost.length > 0, PATIENCE);
    const before = calls('extended').length;
    await until('another extension', () => calls('extended').length > before, PATIENCE);
    expect(calls('extended').at(-1)?.receipts).to.deep.equal(['good']);
    expect(lost).to.deep.equal(['bad']);
  });

  it('opens its queue again after its service was unavailable, and loses nothing if it is back in time', async () => {
    const back = scratch.path('back');
    await holdWarm(receipts('a'), { awayUntil: back });
    const before = calls('away').length;
    await until('another try', () => calls('away').length > before, PATIENCE);
    writeFileSync(back, '');
    await until('two extensions', () => calls('extended').length >= 2, PATIENCE);
    expect(lost).to.deep.equal([]);
    expect(errors).to.include('the service is unavailable');
  });

  it('counts each lease that isn’t extended as lost once it has lasted its length', async () => {
    const shortS = 2;
    const from = performance.now();
    keep(shortS, { awayUntil: scratch.path('never') }).hold(receipts('old'));
    await until('the old lease is lost', () => lost.length > 0, PATIENCE);
    expect(performance.now() - from).to.be.at.least(1_000 * shortS - 10);
    const later = performance.now();
    keeper.hold(receipts('young'));
    await until('a lease that was held later is lost', () => lost.length > 1, PATIENCE);
    expect(performance.now() - later).to.be.at.least(1_000 * shortS - 10);
    expect(lost).to.deep.equal(['old', 'young']);
  });

  it('does not report a lease that was dropped while it was being refused, and no longer extends it', async () => {
    const answer = scratch.path('answer');
    await holdWarm(receipts('a', 'b'), { refuse: ['a'], busyUntil: answer });
    await until('an extension is under way', () => calls('extend').length > 0, PATIENCE);
    keeper.drop(receipts('a'));
    writeFileSync(answer, '');
    await until('an extension of what is left', () => calls('extend').at(-1)?.receipts?.join() === 'b', PATIENCE);
    expect(lost).to.deep.equal([]);
  });

  it('waits, before settling, for the extension in flight that holds the lease', async () => {
    const answer = scratch.path('answer');
    await holdWarm(receipts('a', 'b'), { busyUntil: answer });
    await until('an extension is under way', () => calls('extend').length > 0, PATIENCE);
    const settled = keeper.dropAndWait(receipts('a')).then(() => [calls('extended').length, errors.length]);
    await new Promise(setImmediate);
    writeFileSync(answer, '');
    // Its answer came, unless it was so slow that it was given up.
    expect(await settled).to.not.deep.equal([0, 0]);
    const before = calls('extend').length;
    await until('the next extension', () => calls('extend').length > before, PATIENCE);
    for (const { receipts: extended } of calls('extend').slice(before)) expect(extended).to.deep.equal(['b']);
  });

  it('settles at once if nothing is in flight, without having started a thread for nothing', async () => {
    keep(LONG);
    await keeper.dropAndWait(receipts('a'));
    expect(log()).to.deep.equal([]);
  });

  it('closes the thread’s queue', async () => {
    await holdWarm(receipts('a'));
    await until('the first extension', () => calls('extended').length > 0, PATIENCE);
    // A slow machine may need more than the two seconds that the keeper waits, so they don't pass.
    mock.timers.enable({ apis: ['setTimeout'] });
    syncBuiltinESMExports();
    try {
      await keeper.close();
    } finally {
      mock.timers.reset();
      syncBuiltinESMExports();
    }
    expect(calls('close').length).to.equal(1);
  });

  it('counts every lease as lost if the thread can’t open its queue, and says why', async () => {
    keeper = new HeldLeases({
      queue: { module: 'data:text/javascript,', exportName: 'nothing', options: null },
      leaseSeconds: LONG,
      onLost: (receipt) => lost.push(receipt),
      onError: (message) => errors.push(message),
    });
    keeper.hold(receipts('a', 'b'));
    await until('both are lost', () => lost.length === 2, PATIENCE);
    expect(errors.join('')).to.match(/Expected a function nothing/);
  });
});

/** Blocks the main loop, without keeping the machine busy. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
