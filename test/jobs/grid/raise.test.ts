// Protects: groups get exactly as many instances as the waiting work and its deadline need.

import { expect } from 'chai';
import { ProcessGroup } from '../../../src/adapters/local/process-group.ts';
import { BatchctlError, isBatchctlError } from '../../../src/errors.ts';
import { liftHold, recordBootTime } from '../../../src/jobs/boots.ts';
import { adjust } from '../../../src/jobs/change/adjust.ts';
import { cancel, pause, resume } from '../../../src/jobs/change/lifecycle.ts';
import { Raiser, raiseGroups } from '../../../src/jobs/grid/raise.ts';
import { requireView } from '../../../src/jobs/journal.ts';
import { Troubles } from '../../../src/jobs/keeper-mark.ts';
import { KeeperDuties } from '../../../src/jobs/tick.ts';
import { JobWatcher } from '../../../src/jobs/watch/job-watcher.ts';
import type { GroupChange, GroupStatus } from '../../../src/model/group-status.ts';
import { bootMark, deniedMark } from '../../../src/model/keys.ts';
import type { JobView } from '../../../src/model/view.ts';
import { THIS_MACHINE } from '../../../src/platform/open-platform.ts';
import { OTHER_MACHINES } from '../../../src/platform/other-machines.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import type { WorkerGroup } from '../../../src/ports/worker-group.ts';
import { worker } from '../../contracts/ledger-events.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { fakeWorkerGroup, groupStatus } from '../../support/fake-worker-group.ts';
import { forEachTest } from '../../support/fixture.ts';
import { rangeJob } from '../../support/range-job.ts';
import { countsOf } from '../../support/step-counts.ts';
import { withMethods } from '../../support/with-methods.ts';
import { openPlace, publishSmall } from '../published-job.ts';
import { submitJob } from '../submitted-job.ts';

const JOB = `name: claims
input: { split: { by: range, from: 1, to: 300 } }
steps:
  - { name: one, run: [cat] }
  - { name: two, run: [cat], group: second }
`;

/** The same with another name and number of tasks. */
const jobOf = (name: string, tasks: number): string => JOB.replace('claims', name).replace('to: 300', `to: ${tasks}`);

describe('raising groups', () => {
  const place = forEachTest(openPlace);
  const clock = forEachTest(() => new FakeClock());
  /** A remote platform whose groups have sizes but start nothing. */
  let platform: Platform;
  let view: JobView;
  /** The names of the groups that were requested. */
  let groupCalls: string[];

  beforeEach(async () => {
    groupCalls = [];
    const options = { store: place.platform.store, clock, isKnown: async () => false, running: async () => 0 };
    const groups = new Map(['default', 'second'].map((group) => [group, new ProcessGroup({ ...options, group })]));
    const group = async (name: string): Promise<WorkerGroup> => {
      groupCalls.push(name);
      return groups.get(name) ?? expect.fail(`there is no group ${name}`);
    };
    platform = { ...place.platform, workplace: OTHER_MACHINES, clock, group };
    view = await submitJob(place, JOB, {});
    for (const name of ['default', 'second']) await resize({ mode: 'auto', max: 50 }, name);
  });

  const desired = async (name = 'default') => (await (await platform.group(name)).describe()).desired;
  const resize = async (change: GroupChange, name = 'default') => (await platform.group(name)).resize(change);
  /** The result of a round for the first group of a job. */
  const raise = async (of = view, fresh = true) => (await raiseGroups(platform, [of], { fresh }))[0];

  it('raises to the work that waits, and leaves a group without work as it is', async () => {
    const raised = await raiseGroups(platform, [view], { fresh: true });
    // 300 x 60 s, one slot per instance as the default: 18,000 / 1,710 = 10.5
    expect(raised.map(({ group, outcome }) => ({ group, outcome }))).to.deep.equal([
      { group: 'default', outcome: 'raised' },
      { group: 'second', outcome: 'enough' },
    ]);
    expect([await desired(), await desired('second')]).to.deep.equal([11, 0]);
  });

  it('never lowers, and leaves a manual group to a person', async () => {
    await resize({ desired: 40 });
    expect((await raise())?.outcome).to.equal('enough');
    expect(await desired()).to.equal(40);
    await resize({ desired: 1, mode: 'manual' });
    expect((await raise())?.outcome).to.equal('manual');
    expect(await desired()).to.equal(1);
  });

  it("ends a person's temporary size at its time, and not before", async () => {
    await resize({ mode: 'auto', desired: 2 });
    const until = clock.now() + 4 * 3_600_000;
    // A service whose group keeps a person's size until the next request ends it, as on AWS.
    const held = await (await platform.group('default')).describe();
    const describe = async () => ({ ...held, mode: 'manual', until }) as const;
    const group = async (name: string) =>
      withMethods(await platform.group(name), name === 'default' ? { describe } : {});
    const raiseHeld = async () => (await raiseGroups({ ...platform, group }, [view], { fresh: true }))[0]?.outcome;
    clock.pass(4 * 3_600 - 1);
    expect(await raiseHeld()).to.equal('manual');
    clock.pass(1);
    expect(await raiseHeld()).to.equal('raised');
    expect(await desired()).to.equal(11);
  });

  describe('of machines', () => {
    /** The calls that change the group's size, when the job is raised. */
    async function callsOn(status: Partial<GroupStatus>, of = view): Promise<readonly string[]> {
      const calls: string[] = [];
      const found = groupStatus({ desired: 0, ...status });
      const group = fakeWorkerGroup({
        describe: async () => found,
        raise: async (size, onDemand) => {
          calls.push(`raise ${size} ${onDemand}`);
          return { ...found, desired: Math.max(size, found.desired) };
        },
        lower: async () => {
          calls.push('lower');
          return found;
        },
      });
      const named = async (name: string) => (name === 'default' ? group : platform.group(name));
      await raiseGroups({ ...platform, group: named }, [of], { fresh: true });
      return calls;
    }
    const machines = { inService: 0, pending: 0, terminating: 0, protected: 0 };

    it('plans with the slots of each', async () => {
      // 18,000 s of work on four slots each: 18,000 / (4 x 1,710) = 2.6
      expect(await callsOn({ slots: 4 })).to.deep.equal(['raise 3 0']);
    });

    it("plans with the fewest slots of the group's workers until it states them", async () => {
      const ledger = await platform.ledger();
      for (const [id, slots, group] of [
        ['w1', 6, 'default'],
        ['w2', 4, 'second,default'],
        ['w3', 1, 'second'],
      ] as const)
        await ledger.heartbeat(worker({ worker: id, slots, group, seenAt: clock.now() }));
      expect(await callsOn({})).to.deep.equal(['raise 3 0']);
    });

    it('restores the size before an expired temporary one, even if that is enough', async () => {
      const until = clock.now();
      // Running ones need no boot: 18,000 / 1,800 = 10.
      expect(await callsOn({ desired: 40, mode: 'manual', until })).to.deep.equal(['raise 10 0']);
      expect(await callsOn({ desired: 40, mode: 'manual', until: until + 1 })).to.deep.equal([]);
      expect(await callsOn({ desired: 40 })).to.deep.equal([]);
    });

    it('forgets on-demand replacements for spot of an earlier rush, once none of them is left', async () => {
      const onDemand = { base: 5, usual: 0, most: 10, raisedAt: 5 };
      expect(await callsOn({ onDemand, machines })).to.deep.equal(['lower', 'raise 11 0']);
      for (const kept of [
        { onDemand: { ...onDemand, raisedAt: null }, machines },
        { onDemand, machines: { ...machines, pending: 1 } },
        { onDemand, machines: { ...machines, inService: 1 } },
        { onDemand, machines, desired: 1 },
      ])
        expect(await callsOn(kept)).to.deep.equal(['raise 11 0']);
    });

    it('starts none while its boots fail, until a person lifts that', async () => {
      for (const n of [1, 2, 3])
        await platform.store.put(bootMark('default', `i-${n}`, 'failed'), '{"line":"no disk"}');
      expect(await callsOn({})).to.deep.equal([]);
      const [raised] = await raiseGroups(platform, [view], { fresh: true });
      expect(raised).to.have.property('outcome', 'held');
      expect(raised).to.have.nested.property('hold.last.line', 'no disk');
      await liftHold(platform.store, 'default', 'me');
      expect(await callsOn({})).to.deep.equal(['raise 11 0']);
    });

    it('starts none for a job that begins later', async () => {
      const later = await submitJob(place, jobOf('later', 300), {}, new Date(clock.now() + 60_000).toISOString());
      await cancel(platform, view);
      expect(await callsOn({}, later)).to.deep.equal([]);
    });
  });

  it("uses the queue's count once tasks were sent a while ago, because tasks done elsewhere need no instance", async () => {
    await (await platform.queue('default')).purge({});
    expect((await raise(view, false))?.outcome).to.equal('enough');
    expect((await raise())?.outcome).to.equal('raised');
  });

  for (const [state, hold] of [
    ['paused', (of: JobView) => pause(platform, of, { now: false })],
    ['cancelled', (of: JobView) => cancel(platform, of)],
    ['not due', async (of: JobView) => of],
  ] as const) {
    it(`starts no instance for the messages of a job that is ${state}`, async () => {
      const notBefore = state === 'not due' ? new Date(clock.now() + 3_600_000).toISOString() : null;
      await hold(await submitJob(place, jobOf('large', 5_000), {}, notBefore));
      const small = await submitJob(place, jobOf('small', 10), {});
      await new JobWatcher(platform, 15).round();
      // 310 tasks of a minute in 1,710 s. With those 5,000 it would be all 50.
      expect(await desired()).to.equal(11);
      await cancel(platform, view);
      await resize({ desired: 0 });
      for (const fresh of [true, false]) await raise(small, fresh);
      expect(await desired()).to.equal(1);
    });
  }

  it('starts no instance for a job that its workers may not read, and pauses it with the reason', async () => {
    const small = await submitJob(place, jobOf('small', 10), {});
    const { job } = view.record;
    const mark = JSON.stringify({ format: 1, who: 'i-1', detail: 's3:GetObject on x is denied' });
    await platform.store.put(deniedMark(job), mark);
    await new JobWatcher(platform, 15).round();
    const { paused } = await requireView(platform.store, job);
    expect(paused).to.include({ reason: 'denied', detail: 's3:GetObject on x is denied (met by i-1)' });
    expect(await desired(), 'for the other job').to.equal(1);
    await cancel(platform, small);
    await resize({ desired: 0 });
    await resume(platform, view);
    await new JobWatcher(platform, 15).round();
    expect(await desired(), 'once it is resumed').to.equal(11);
    expect(await platform.store.head(deniedMark(job))).to.equal(null);
  });

  it('raises for a gather that only its queue shows, next to a paused job', async () => {
    const steps = [
      { name: 'one', run: ['cat'], group: 'second' },
      { name: 'all', run: ['cat'], gather: true },
    ];
    const gathered = await submitJob(place, JSON.stringify(rangeJob('gathered', 2, ...steps)), {});
    for (const n of [0, 1]) await publishSmall({ platform: place.platform, view: gathered }, 'one', n, 'x');
    await pause(platform, view, { now: false });
    await (await platform.queue('default')).purge({});
    await new JobWatcher(platform, 15).round(true);
    expect((await (await platform.queue('default')).backlog()).visible).to.equal(1);
    expect(await desired()).to.equal(1);
  });

  it('plans with the measured boot times', async () => {
    for (let n = 0; n < 4; n += 1)
      await recordBootTime(platform.store, 'default', { instance: `i-${n}`, seconds: 600 });
    await raise();
    // 18,000 s of work in the 1,200 s that half an hour leaves after booting.
    expect(await desired()).to.equal(15);
  });

  describe('for a deadline', () => {
    const timeIn = (minutes: number): string => new Date(clock.now() + minutes * 60_000).toISOString();
    const withDeadline = async (minutes: number): Promise<JobView> =>
      (await adjust(platform, view, { finishBy: timeIn(minutes) }, { dryRun: false })).view;

    /** Some tasks, by default twenty, took a minute each. */
    const measuredPlatform = (done = 20): Platform => {
      const counts = async () => [countsOf('one', { done, seconds: done * 60 })];
      return { ...platform, ledger: async () => withMethods(await platform.ledger(), { counts }) };
    };

    it('requests the fewest instances that meet it, and more when it is brought forward', async () => {
      // 18,000 s of work; a minute for the last task and one for the next step, 380 s for the longest, 90 for boot:
      // 18,000 / (18,000 x 0.9 - 590) = 1.2
      view = await withDeadline(300);
      const raised = await raise();
      expect(raised).to.deep.include({ outcome: 'raised', late: null });
      expect(raised).to.have.nested.property('need.decides', view.record.job);
      expect(await desired()).to.equal(2);
      // Two do 5,480 s of it in the 2,740 s left; the others have 2,650 s: 4.7
      view = await withDeadline(60);
      await raise();
      expect(await desired()).to.equal(7);
    });

    it("reports once which maximum would meet it, if the group’s own maximum can't", async () => {
      await resize({ max: 4 });
      view = await withDeadline(60);
      const raiser = new Raiser(measuredPlatform());
      const [raised] = await raiser.round([view]);
      if (raised?.outcome !== 'raised' || raised.late === null) throw new Error(`it is ${JSON.stringify(raised)}`);
      expect(raised.late).to.include({ job: view.record.job, deadline: Date.parse(timeIn(60)) });
      // 280 minutes on 4 slots, and a minute each for the last task and for the next step.
      expect(((raised.late.ends ?? 0) - clock.now()) / 60_000).to.be.within(70, 85);
      const { max } = raised.late;
      clock.pass(60);
      expect((await raiser.round([view]))[0]).to.deep.include({ outcome: 'enough', late: null });
      await resize({ max: max ?? 0 });
      clock.pass(60);
      expect((await raiser.round([view]))[0]).to.deep.include({ outcome: 'raised', late: null });
    });

    it('does not count another job’s tasks towards its own deadline', async () => {
      view = await withDeadline(300);
      await raise();
      const before = await desired();
      const small = await submitJob(place, jobOf('small', 10), {});
      await raise(small);
      // Ten minutes more in half an hour, half of which the large job uses: not 310 in half an hour.
      expect(await desired()).to.be.within(before, before + 1);
      // The same without reading the other job: its queue can't hold 310 of these ten tasks.
      expect((await raiseGroups(platform, [small], { fresh: true, all: true }))[0]?.outcome).to.equal('enough');
    });

    it('reports a job that never ends because its group may not have instances, and continues the round', async () => {
      await resize({ max: 0 });
      view = await withDeadline(60);
      const [raised] = await raiseGroups(measuredPlatform(), [view], { fresh: true });
      if (raised?.outcome !== 'enough' || raised.late === null) throw new Error(`it is ${JSON.stringify(raised)}`);
      expect(raised.late).to.include({ job: view.record.job, deadline: Date.parse(timeIn(60)), ends: null });
      expect(raised.late.max).to.be.greaterThan(0);
      const troubles = new Troubles({}, clock.now());
      const options = { id: 'tick-here', kind: 'tick', signal: new AbortController().signal } as const;
      await (await KeeperDuties.open(measuredPlatform(), options)).keeping.watchJobs(troubles);
      const hint = `its group is limited to 0 instances; raise the limit with batchctl scale --max ${raised.late.max}`;
      expect(troubles.all.map(({ error }) => isBatchctlError(error) && error.hint)).to.deep.equal([hint]);
    });

    it('names no maximum that would meet it if the group may have more already, and they would not help', async () => {
      await cancel(platform, view);
      const small = await submitJob(place, jobOf('small', 3), {});
      view = (await adjust(platform, small, { finishBy: timeIn(1) }, { dryRun: false })).view;
      const [raised] = await raiseGroups(measuredPlatform(1), [view], { fresh: true });
      expect(raised).to.have.nested.property('late.job', small.record.job);
      expect(raised).to.have.nested.property('late.max', null);
    });

    it('reports no lateness while task durations are unknown', async () => {
      await resize({ max: 1 });
      expect(await raise(await withDeadline(10))).to.deep.include({ outcome: 'raised', late: null });
    });
  });

  describe('repeatedly', () => {
    it('looks once a minute, and never if workers are local processes', async () => {
      const raiser = new Raiser(platform);
      expect((await raiser.round([view]))[0]?.outcome).to.equal('raised');
      clock.pass(59);
      groupCalls = [];
      expect(await raiser.round([view])).to.deep.equal([]);
      expect(groupCalls).to.deep.equal([]);
      clock.pass(1);
      expect((await raiser.round([view]))[0]?.outcome).to.equal('enough');
      const local = { ...platform, workplace: THIS_MACHINE };
      expect(await new Raiser(local).round([view])).to.deep.equal([]);
    });

    it('is not done for a paused job, nor by a watcher that must not change sizes', async () => {
      await new JobWatcher(platform, 15, undefined, { raises: false }).round();
      expect(await desired()).to.equal(0);
      await pause(platform, view, { now: true, reason: 'wait' });
      await new JobWatcher(platform, 15).round();
      expect(await desired()).to.equal(0);
    });

    it('queries no group in an idle worker while no message waits, and never reads the dead letters', async () => {
      const queue = await platform.queue('default');
      const leased = await queue.receive({ max: 1_000, waitSeconds: 0, signal: new AbortController().signal });
      // On SQS, dead letters are in a queue of their own, which takes a request of its own.
      const backlog = () => expect.fail('dead letters are read');
      const watched = {
        ...platform,
        queue: async (group: string) => withMethods(await platform.queue(group), { backlog }),
      };
      const worker = new JobWatcher(watched, 15, undefined, { raises: 'waiting' });
      groupCalls = [];
      await worker.round();
      expect([leased.length, groupCalls]).to.deep.equal([300, []]);
      await queue.release(leased.map(({ receipt }) => ({ receipt, delay: 0 })));
      await worker.round();
      expect(await desired()).to.equal(11);
    });

    it("reports once why a group can't be raised, and continues", async () => {
      const troubles: string[] = [];
      const describe = () => Promise.reject(new BatchctlError('credentials', 'denied'));
      const broken: Platform = {
        ...platform,
        group: async (name) => withMethods(await platform.group(name), name === 'default' ? { describe } : {}),
      };
      const watcher = new JobWatcher(broken, 15, (job, error) => troubles.push(`${job}: ${(error as Error).message}`));
      for (let n = 0; n < 3; n += 1) {
        await watcher.round();
        clock.pass(60);
      }
      expect(troubles).to.deep.equal([`${view.record.job}: denied`]);
    });
  });
});
