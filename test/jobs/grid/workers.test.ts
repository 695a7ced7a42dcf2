// Protects: workers and machines are told apart as up, lost, booting or without a worker, and orders reach the right one.
import { expect } from 'chai';
import { BatchctlError } from '../../../src/errors.ts';
import {
  findWorker,
  joinWorkers,
  listWorkers,
  machineState,
  orderWorker,
  readWorkerLogs,
} from '../../../src/jobs/grid/workers.ts';
import type { GroupMachine } from '../../../src/model/group-status.ts';
import { bootLogKey, workerLogKey } from '../../../src/model/keys.ts';
import type { LedgerWorker } from '../../../src/model/ledger/records.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import type { WorkerGroup } from '../../../src/ports/worker-group.ts';
import { worker } from '../../contracts/ledger-events.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { fakeWorkerGroup } from '../../support/fake-worker-group.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { openPlace } from '../published-job.ts';

const HOUR = 3_600_000;
const [ONE, TWO] = ['i-00000001', 'i-00000002'] as const;

describe('workers and their machines', () => {
  const place = forEachTest(openPlace);
  const clock = forEachTest(() => new FakeClock());
  const machineOf = (fields: Partial<GroupMachine> = {}): GroupMachine => ({
    instance: ONE,
    type: 'c7g.large',
    zone: 'a',
    state: 'InService',
    healthy: true,
    protected: false,
    version: null,
    launchedAt: clock.now() - HOUR,
    ...fields,
  });
  /** A platform with leases of 30 s, in whose group `default` are these machines; the group `broken` can't be read. */
  const platformWith = (
    machines: readonly Partial<GroupMachine>[] = [],
    group: Partial<WorkerGroup> = {},
  ): Platform => ({
    ...place.platform,
    clock,
    leaseSeconds: 30,
    groups: ['default'],
    group: async (name) =>
      fakeWorkerGroup({
        machines: async () => {
          if (name === 'broken') throw new BatchctlError('credentials', 'denied');
          return machines.map(machineOf);
        },
        ...group,
      }),
  });
  /** Records heartbeats; `seenAt` is milliseconds ago. */
  async function record(
    ...workers: readonly (Partial<LedgerWorker> & { readonly worker: string; readonly ago?: number })[]
  ) {
    const ledger = await place.platform.ledger();
    for (const { ago = 0, ...each } of workers)
      await ledger.heartbeat(worker({ startedAt: clock.now() - 2 * HOUR, ...each, seenAt: clock.now() - ago }));
  }
  const listed = async (left = false, group?: string) =>
    (await listWorkers(platformWith(), { group, left })).map((each) => `${each.worker} ${each.state}`);

  it('are lost after four missed heartbeats, each a third of a lease', async () => {
    await record({ worker: 'w-a', state: 'idle', ago: 40_000 }, { worker: 'w-b', state: 'busy', ago: 40_001 });
    expect(await listed()).to.deep.equal(['w-a idle', 'w-b lost']);
  });

  it('are listed for an hour once lost, and on request for a day once they left, the oldest first', async () => {
    await record(
      { worker: 'w-lost', ago: HOUR },
      { worker: 'w-old', ago: HOUR + 1 },
      { worker: 'w-left', state: 'gone', ago: 24 * HOUR, startedAt: clock.now() - 30 * HOUR },
      { worker: 'w-before', state: 'gone', ago: 24 * HOUR + 1 },
      { worker: 'w-gpu', state: 'idle', group: 'gpu,second', startedAt: clock.now() - 1 },
    );
    expect(await listed()).to.deep.equal(['w-lost lost', 'w-gpu idle']);
    expect(await listed(true)).to.deep.equal(['w-left gone', 'w-lost lost', 'w-old lost', 'w-gpu idle']);
    expect(await listed(false, 'second')).to.deep.equal(['w-gpu idle']);
  });

  for (const [state, age, expected] of [
    ['Terminating:Wait', HOUR, 'ending'],
    ['Terminated', 0, 'ending'],
    ['Pending', HOUR, 'booting'],
    ['InService', 599_999, 'booting'],
    ['InService', 600_000, 'noWorker'],
    ['InService', null, 'noWorker'],
  ] as const) {
    it(`take a machine without a worker, ${state}, ${age === null ? 'of unknown age' : `${age} ms old`}, for ${expected}`, () => {
      const machine = machineOf({ state, launchedAt: age === null ? null : HOUR - age });
      expect(machineState(machine, HOUR)).to.equal(expected);
    });
  }

  it('are joined by the instance; a machine whose worker has left has none', async () => {
    await record({ worker: 'w-1', host: ONE, state: 'busy' }, { worker: 'w-2', host: TWO, state: 'gone' });
    const { rows, unread } = await joinWorkers(platformWith([{}, { instance: TWO }]), {
      group: undefined,
      left: false,
    });
    expect(rows.map((row) => [row.worker?.worker ?? null, row.machine?.instance ?? null])).to.deep.equal([
      ['w-1', ONE],
      [null, TWO],
    ]);
    expect(rows[1]).to.include({ state: 'noWorker', group: 'default' });
    expect(unread).to.deep.equal([]);
    const all = await joinWorkers(platformWith([{}, { instance: TWO }]), { group: undefined, left: true });
    expect(all.rows.filter((row) => row.worker === null)).to.deep.equal(rows.slice(1));
  });

  it('are lost at once if no group has their instance any more, one heartbeat is missing, and all groups were read', async () => {
    await record(
      { worker: 'w-gone', host: ONE, state: 'idle', ago: 15_001 },
      { worker: 'w-late', host: TWO, state: 'idle', ago: 15_000 },
      { worker: 'w-desk', host: 'desk', state: 'idle', ago: 15_001 },
      { worker: 'w-left', host: ONE, state: 'gone', ago: 15_001 },
    );
    const states = async (groups: readonly string[]) => {
      const { rows, unread } = await joinWorkers({ ...platformWith(), groups }, { group: undefined, left: true });
      const found = Object.fromEntries(
        rows.flatMap((row) => (row.worker ? [[row.worker.worker, row.worker.state]] : [])),
      );
      return { found, unread: unread.map(({ group }) => group) };
    };
    const all = { 'w-late': 'idle', 'w-desk': 'idle', 'w-left': 'gone' };
    expect(await states(['default'])).to.deep.equal({ found: { ...all, 'w-gone': 'lost' }, unread: [] });
    expect(await states(['default', 'broken'])).to.deep.equal({
      found: { ...all, 'w-gone': 'idle' },
      unread: ['broken'],
    });
  });

  it("are ordered through their first group, and an instance's id means its last worker", async () => {
    await record(
      { worker: 'w-old', host: ONE, ago: 20_000, startedAt: clock.now() - HOUR },
      { worker: 'w-new', host: ONE, group: 'gpu,default', startedAt: clock.now() - 1 },
    );
    const orders: string[] = [];
    const named: string[] = [];
    const order = async (id: string, what: string) => void orders.push(`${id} ${what}`);
    const base = platformWith([], { order });
    const group: Platform['group'] = (name) => {
      named.push(name);
      return base.group(name);
    };
    const platform: Platform = { ...base, group };
    expect((await orderWorker(platform, ONE, 'stop')).worker).to.equal('w-new');
    expect([orders, named]).to.deep.equal([['w-new stop'], ['gpu']]);
    await failsWith('usage', findWorker(platform, 'w-'));
    await failsWith('notFound', findWorker(platform, 'w-x'));
  });

  it("have their own log, and the instance's boot log before it", async () => {
    await record({ worker: 'w-1', host: ONE });
    const platform = platformWith();
    await failsWith('notFound', readWorkerLogs(platform, 'w-1'));
    await platform.store.put(bootLogKey(ONE), 'booted\n');
    expect(await readWorkerLogs(platform, 'w-1')).to.deep.equal({ worker: 'w-1', boot: 'booted\n', log: null });
    await platform.store.put(bootLogKey('w-1'), 'started\n');
    await platform.store.put(workerLogKey('w-1'), 'worked\n');
    const all = { worker: 'w-1', boot: 'booted\nstarted\n', log: 'worked\n' };
    for (const text of ['w-1', ONE]) expect(await readWorkerLogs(platform, text)).to.deep.equal(all);
    await platform.store.put(workerLogKey('w-forgotten'), 'old\n');
    expect(await readWorkerLogs(platform, 'w-forgotten')).to.deep.equal({
      worker: 'w-forgotten',
      boot: null,
      log: 'old\n',
    });
  });
});
