import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Receipt } from '../../src/ports/task-queue.ts';
import { LeaseKeeper } from '../../src/worker/lease.ts';
import { until } from '../support/executor-bench.ts';
import type { FakeLeaseQueueOptions } from '../support/fake-lease-queue.ts';

interface LogLine {
  readonly at: number;
  readonly call: 'extend' | 'extended' | 'away' | 'close';
  readonly receipts?: readonly string[];
}

const receipts = (...names: string[]) => names as readonly string[] as readonly Receipt[];

describe('the lease keeper', () => {
  let directory: string;
  let keeper: LeaseKeeper;
  let lost: string[];
  let errors: string[];

  const keep = (leaseSeconds: number, options: Omit<FakeLeaseQueueOptions, 'log'> = {}) => {
    const module = new URL('../support/fake-lease-queue.ts', import.meta.url).href;
    keeper = new LeaseKeeper({
      queue: { module, exportName: 'fakeLeaseQueue', options: { log: join(directory, 'log'), ...options } },
      leaseSeconds,
      onLost: (receipt) => lost.push(receipt),
      onError: (message) => errors.push(message),
    });
    return keeper;
  };
  const log = (): LogLine[] => {
    try {
      const text = readFileSync(join(directory, 'log'), 'utf8');
      return text
        .split('\n')
        .filter(Boolean)
        .map((line): LogLine => JSON.parse(line));
    } catch {
      return [];
    }
  };
  const calls = (call: LogLine['call']) => log().filter((line) => line.call === call);

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'batchctl-lease-'));
    lost = [];
    errors = [];
  });
  afterEach(async () => {
    await keeper.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it('extends all leases in one request, while the main loop is blocked for twice their length', async () => {
    keep(1).hold(receipts('a', 'b'));
    await until(() => calls('extended').length > 0);
    const from = Date.now();
    while (Date.now() < from + 2_000);
    const during = calls('extended').filter(({ at }) => at >= from && at <= from + 2_000);
    expect(during.length).to.be.within(4, 8);
    for (const { receipts: extended } of during) expect(extended).to.deep.equal(['a', 'b']);
    await new Promise(setImmediate);
    expect(lost).to.deep.equal([]);
  });

  it('beats each third of a lease, give or take a tenth', async () => {
    keep(1.8).hold(receipts('a'));
    await until(() => calls('extend').length >= 4);
    const times = calls('extend').map(({ at }) => at);
    for (const [index, at] of times.slice(1).entries()) expect(at - (times[index] ?? 0)).to.be.within(500, 1_000);
  });

  it('tells of a refused lease once, and goes on with the others', async () => {
    keep(1.2, { refuse: ['bad'] }).hold(receipts('bad', 'good'));
    await until(() => lost.length > 0);
    const before = calls('extended').length;
    await until(() => calls('extended').length >= before + 3);
    expect(lost).to.deep.equal(['bad']);
    expect(calls('extended').at(-1)?.receipts).to.deep.equal(['good']);
  });

  it('tries again after an error, and loses nothing when the queue is back in time', async () => {
    const back = join(directory, 'back');
    keep(2, { failUntil: back }).hold(receipts('a'));
    await until(() => errors.length >= 2);
    writeFileSync(back, '');
    await until(() => calls('extended').length >= 2);
    expect(lost).to.deep.equal([]);
    expect(errors).to.include('the queue is away');
  });

  it('opens its queue again when its service was away, and loses nothing when it is back in time', async () => {
    const back = join(directory, 'back');
    keep(3, { awayUntil: back }).hold(receipts('a'));
    await until(() => calls('away').length >= 2);
    writeFileSync(back, '');
    await until(() => calls('extended').length >= 2);
    expect(lost).to.deep.equal([]);
    expect(errors).to.include('the service is away');
  });

  it('tells of a lease that was not confirmed by its end, once, and not before', async () => {
    const from = performance.now();
    keep(1.2, { failUntil: join(directory, 'never') }).hold(receipts('a'));
    await until(() => lost.length > 0);
    expect(performance.now() - from).to.be.within(1_190, 3_000);
    const tries = calls('extend').length;
    expect(tries).to.be.within(2, 20);
    keeper.hold(receipts('b'));
    await until(() => lost.length > 1);
    expect(lost).to.deep.equal(['a', 'b']);
  });

  it('counts a lease’s age at the time it is held', async () => {
    const from = performance.now();
    keep(1.5, { failUntil: join(directory, 'never') }).hold(receipts('a'), from - 1_000);
    await until(() => lost.length > 0);
    expect(performance.now() - from).to.be.below(1_400);
  });

  it('counts an extension that hangs as one that was refused, by the lease’s end', async () => {
    keep(3, { takesMs: 60_000 }).hold(receipts('a'));
    await until(() => lost.length > 0 && errors.length > 0);
    expect(errors[0]).to.match(/took longer than/);
  });

  it('extends nothing after it was dropped, and tells nothing of it', async () => {
    keep(1.2, { refuse: ['a'], takesMs: 50 }).hold(receipts('a', 'b'));
    await until(() => calls('extend').length > 0);
    keeper.drop(receipts('a'));
    await until(() => calls('extend').length >= 4);
    for (const { receipts: extended } of calls('extend').slice(1)) expect(extended).to.deep.equal(['b']);
    expect(lost).to.deep.equal([]);
  });

  it('waits, before settling, for the extension in flight that holds the lease', async () => {
    keep(1.5, { takesMs: 300 }).hold(receipts('a', 'b'));
    await until(() => calls('extend').length === 1);
    await keeper.settling(receipts('a'));
    expect(calls('extended').length).to.equal(1);
    await until(() => calls('extend').length >= 2);
    expect(calls('extend')[1]?.receipts).to.deep.equal(['b']);
  });

  it('settles at once when nothing is in flight, without having started a thread for nothing', async () => {
    keep(30);
    await keeper.settling(receipts('a'));
    expect(log()).to.deep.equal([]);
  });

  it('closes the thread’s queue', async () => {
    keep(1.2).hold(receipts('a'));
    await until(() => calls('extended').length > 0);
    await keeper.close();
    expect(calls('close').length).to.equal(1);
  });

  it('counts every lease as lost when the thread can’t make its queue, and says why', async () => {
    keeper = new LeaseKeeper({
      queue: { module: 'data:text/javascript,', exportName: 'nothing', options: null },
      leaseSeconds: 30,
      onLost: (receipt) => lost.push(receipt),
      onError: (message) => errors.push(message),
    });
    keeper.hold(receipts('a', 'b'));
    await until(() => lost.length === 2);
    expect(errors.join('')).to.match(/Expected a function nothing/);
  });
});
