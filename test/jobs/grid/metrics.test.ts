// Protects: metrics count live workers, open jobs and ended tasks, and are published once a minute.
import { expect } from 'chai';
import { BatchctlError } from '../../../src/errors.ts';
import { adjust } from '../../../src/jobs/change/adjust.ts';
import { pause } from '../../../src/jobs/change/lifecycle.ts';
import { MetricsPublisher, readMetrics } from '../../../src/jobs/grid/metrics.ts';
import type { LedgerWorker } from '../../../src/model/ledger/records.ts';
import type { Metric } from '../../../src/model/metrics.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { worker } from '../../contracts/ledger-events.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { fakeWorkerGroup, groupStatus } from '../../support/fake-worker-group.ts';
import { forEachTest } from '../../support/fixture.ts';
import { rangeJob } from '../../support/range-job.ts';
import { openPlace } from '../published-job.ts';
import { submitJob } from '../submitted-job.ts';

describe('metrics of a stack', () => {
  const place = forEachTest(openPlace);
  const clock = forEachTest(() => new FakeClock());
  const published: { readonly metrics: readonly Metric[]; readonly at: Date }[] = [];
  let platform: Platform;
  beforeEach(() => {
    published.length = 0;
    const group = fakeWorkerGroup({ describe: async () => groupStatus({ desired: 7, running: 2 }) });
    const groupOf: Platform['group'] = async (name) => {
      if (name === 'broken') throw new BatchctlError('credentials', 'denied');
      return group;
    };
    const metrics = { put: async (all: readonly Metric[], at: Date) => void published.push({ metrics: all, at }) };
    platform = { ...place.platform, clock, groups: ['default'], group: groupOf, metrics };
  });
  const record = async (id: string, fields: Partial<LedgerWorker>) =>
    (await platform.ledger()).heartbeat(worker({ worker: id, startedAt: 0, seenAt: clock.now(), ...fields }));

  it('count live workers of the group with their slots and tasks, and name groups that could not be read', async () => {
    await record('w-1', { slots: 4, busy: ['a/b/1', 'a/b/2', 'a/b/3'] });
    await record('w-2', { slots: 3, busy: [], group: 'gpu,default' });
    await record('w-gone', { slots: 5, state: 'gone' });
    await record('w-gpu', { slots: 6, group: 'gpu' });
    const { snapshot } = await readMetrics({ ...platform, groups: ['broken', 'default'] });
    expect(snapshot.groups).to.have.length(1);
    expect(snapshot.groups[0]).to.include({ desired: 7, inService: 2, workers: 2, slots: 7, busy: 3, done: null });
    expect(snapshot.unknown).to.deep.equal(['broken']);
  });

  it('count open jobs by state, and those past their deadline', async () => {
    const submit = (name: string) =>
      submitJob(place, JSON.stringify(rangeJob(name, 2, { name: 'one', run: ['cat'] })), {});
    const late = await submit('one');
    await pause(platform, await submit('two'), { now: false });
    const finishBy = new Date(clock.now() + 60_000).toISOString();
    await adjust(platform, late, { finishBy }, { dryRun: false });
    const jobs = { submitted: 0, running: 1, paused: 1 };
    expect((await readMetrics(platform)).snapshot).to.deep.include({ jobs, late: 0 });
    clock.pass(61);
    expect((await readMetrics(platform)).snapshot).to.deep.include({ jobs, late: 1 });
  });

  it('are published once a minute, with the tasks that ended per minute since, also by a later process', async () => {
    const doneOf = () => published.at(-1)?.metrics.find(({ name }) => name === 'TasksDone')?.value;
    const publisher = new MetricsPublisher(platform);
    await record('w-1', { done: 10 });
    await publisher.round();
    expect([published.length, doneOf()]).to.deep.equal([1, undefined]);
    clock.pass(54.9);
    await publisher.round();
    expect(published.length).to.equal(1);
    clock.pass(0.1);
    await record('w-1', { done: 65 });
    await publisher.round();
    expect([published.length, doneOf()]).to.deep.equal([2, 60]);
    expect(published.at(-1)?.at.getTime()).to.equal(clock.now());
    const later = new MetricsPublisher(platform, publisher.seen());
    clock.pass(54);
    await later.round();
    expect(published.length).to.equal(2);
    clock.pass(66);
    await record('w-1', { done: 75 });
    await later.round();
    expect([published.length, doneOf()]).to.deep.equal([3, 5]);
  });

  it('are not read if the profile publishes none', async () => {
    const { metrics: _, ...quiet } = { ...platform, ledger: () => expect.fail('it reads the ledger') };
    await new MetricsPublisher(quiet).round();
  });
});
