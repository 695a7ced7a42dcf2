// Protects: a group is shown with its queue, the time until that is empty, and the reasons why instances are missing.
import { expect } from 'chai';
import { BatchctlError } from '../../../src/errors.ts';
import { viewGroups } from '../../../src/jobs/grid/view-groups.ts';
import type { GroupStatus } from '../../../src/model/group-status.ts';
import { bootMark } from '../../../src/model/keys.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import type { WorkerGroup } from '../../../src/ports/worker-group.ts';
import { event, worker } from '../../contracts/ledger-events.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { fakeWorkerGroup, groupStatus } from '../../support/fake-worker-group.ts';
import { forEachTest } from '../../support/fixture.ts';
import { rangeJob } from '../../support/range-job.ts';
import { withMethods } from '../../support/with-methods.ts';
import { openPlace } from '../published-job.ts';
import { submitJob } from '../submitted-job.ts';

describe('groups as shown to people', () => {
  const place = forEachTest(openPlace);
  const clock = forEachTest(() => new FakeClock());
  const launchTroubles = async () => [{ code: 'capacity', message: 'none left', at: 5 } as const];
  const platformOf = (status: Partial<GroupStatus>, methods: Partial<WorkerGroup> = {}): Platform => {
    const group = fakeWorkerGroup({ describe: async () => groupStatus(status), launchTroubles, ...methods });
    return { ...place.platform, clock, group: async () => group };
  };
  const view = async (status: Partial<GroupStatus>, methods: Partial<WorkerGroup> = {}) =>
    (await viewGroups(platformOf(status, methods), ['default']))[0] ?? expect.fail('there is no view');
  const machines = { inService: 20, pending: 0, terminating: 0, protected: 0 };

  it('end an expired temporary size, and show it as it was before if they may not', async () => {
    const sizes: number[] = [];
    const raise = async (size: number) => {
      sizes.push(size);
      return groupStatus({ desired: 3 });
    };
    const now = clock.now();
    expect(await view({ desired: 9, until: now + 1 }, { raise })).to.include({ desired: 9, until: now + 1 });
    expect(sizes).to.deep.equal([]);
    expect(await view({ desired: 9, until: now }, { raise })).to.include({ desired: 3, until: null });
    expect(sizes).to.deep.equal([0]);
    const denied = () => Promise.reject(new BatchctlError('credentials', 'denied'));
    expect(await view({ desired: 9, until: now }, { raise: denied })).to.include({ desired: 9, until: now });
  });

  it('have the reasons of failed launches only while instances are missing, and of failed boots', async () => {
    expect((await view({ machines })).troubles).to.deep.equal([]);
    const short = await view({ machines: { ...machines, inService: 19 } });
    expect(short.troubles.map(({ code }) => code)).to.deep.equal(['capacity']);
    await place.platform.store.put(bootMark('default', 'i-1', 'failed'), '{"line":"no disk"}');
    expect((await view({ machines })).troubles.map(({ code }) => code)).to.deep.equal(['setup']);
    expect((await view({})).troubles, 'of processes').to.deep.equal([]);
    for (const n of [2, 3]) await place.platform.store.put(bootMark('default', `i-${n}`, 'failed'), '{}');
    expect(await view({ machines })).to.have.nested.property('hold.failed', 3);
  });

  it('are shown although their launches or queue can’t be read', async () => {
    const denied = () => Promise.reject(new BatchctlError('credentials', 'denied'));
    const status = { machines: { ...machines, inService: 1 } };
    const queue: Platform['queue'] = async (name) => withMethods(await place.platform.queue(name), { backlog: denied });
    const platform = { ...platformOf(status, { launchTroubles: denied }), queue };
    const [shown] = await viewGroups(platform, ['default']);
    expect(shown).to.deep.include({ backlog: null, drain: null, troubles: [] });
    expect(shown?.unread.map(({ kind }) => kind)).to.deep.equal(['credentials', 'credentials']);
  });

  it('take their live workers’ slots into account for the time until the queue is empty', async () => {
    expect(await view({})).to.include({ drain: 0 });
    const job = JSON.stringify(rangeJob('claims', 30, { name: 'one', run: ['cat'] }));
    const { record } = await submitJob(place, job, {});
    const ledger = await place.platform.ledger();
    expect(await view({}), 'without a worker').to.include({ drain: null });
    const beat = (id: string, fields: object) =>
      ledger.heartbeat(worker({ worker: id, startedAt: 0, seenAt: clock.now(), slots: 2, ...fields }));
    await beat('w-1', {});
    await beat('w-2', { slots: 4, state: 'idle' });
    await beat('w-draining', { state: 'draining' });
    await beat('w-gone', { state: 'gone' });
    await beat('w-gpu', { group: 'gpu' });
    await ledger.record([event('done', 0, { job: record.job, step: 'one' })]);
    // A task took a second, and 29 are ready, by the queue 30: on six slots.
    expect(await view({})).to.include({ drain: 5 });
  });
});
