// Protects: a worker obeys the notices for its machine in time, and leaves its group as its reason to leave demands: no task is
// killed by a machine's end, no machine is left behind without a worker, and no group keeps or loses a machine by mistake.

import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import { openMark } from '../../src/model/keys.ts';
import { OTHER_MACHINES } from '../../src/platform/other-machines.ts';
import type { Machine, MachineNotice } from '../../src/ports/machine.ts';
import type { Platform } from '../../src/ports/platform.ts';
import type { WorkerGroup } from '../../src/ports/worker-group.ts';
import { Departure, type LeaveReason } from '../../src/worker/departure.ts';
import { MachineDuty, raiseAfterLeaving } from '../../src/worker/machine-duty.ts';
import { openPlace, putJob } from '../jobs/published-job.ts';
import { submitJob } from '../jobs/submitted-job.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { fakeWorkerGroup, groupStatus } from '../support/fake-worker-group.ts';
import { forEachTest } from '../support/fixture.ts';
import { VirtualTime } from '../support/held-time.ts';
import { rangeJob } from '../support/range-job.ts';

const TIMES = { noticeMs: 5_000, holdMs: 200_000, longestHoldMs: 3_600_000 };
const GRACE_MS = 10_000;
const START = Date.parse('2026-12-01T00:00:00Z');

type Call = string;

interface LabOptions {
  /** The notice at each check. */
  readonly notice?: () => MachineNotice | null;
  /** The group's answer to a request to leave; an error is thrown. */
  readonly leave?: (shrinks: boolean, ordered: boolean) => boolean | Error;
  readonly busy?: () => boolean;
  readonly inGroup?: boolean;
  readonly leavesAtRisk?: boolean;
}

/** A machine that records in order what its worker does. */
function lab({ notice = () => null, leave = () => true, busy = () => false, ...options }: LabOptions = {}) {
  const clock = new FakeClock(START);
  const calls: Call[] = [];
  const warnings: string[] = [];
  const note =
    (name: string) =>
    async (...values: readonly unknown[]): Promise<void> =>
      void calls.push([name, ...values].join(' '));
  const machine: Machine = {
    instance: 'i-1',
    type: 'c7g.large',
    zone: 'a',
    lifeCycle: 'on-demand',
    launchedAt: null,
    release: null,
    inGroup: options.inGroup ?? true,
    notice: async () => notice(),
    protect: async (on) => {
      calls.push(`protect ${on}`);
      return true;
    },
    extendTermination: note('extend'),
    completeTermination: note('complete'),
    leave: async (shrinks, ordered = false) => {
      calls.push(`leave ${shrinks ? 'shrink' : 'replace'}${ordered ? ' ordered' : ''}`);
      const answer = leave(shrinks, ordered);
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
  const log = { info: () => undefined, warn: (line: string) => void warnings.push(line) };
  const departure = new Departure({ log, store: { location: 'file:///store' }, groups: ['default'] });
  departure.on('leave', () => calls.push('drain'));
  departure.on('end', (reason) => calls.push(`end ${reason}`));
  const duty = new MachineDuty({
    machine,
    times: TIMES,
    log,
    clock,
    graceMs: GRACE_MS,
    busy,
    leavesAtRisk: options.leavesAtRisk ?? false,
    onRisk: () => void calls.push('risk'),
    departure,
    raiseAfterLeaving: async (shrank) => void calls.push(`raise ${shrank ? 'shrunk' : 'same'}`),
  });
  return { duty, departure, clock, calls, warnings };
}

describe('a machine that its group terminates', () => {
  it('extends the hold at each interval, and ends its tasks once the hold is as long as the hook allows', async () => {
    const { duty, clock, calls } = lab({ notice: () => ({ kind: 'terminating', at: null }), busy: () => true });
    const count = (call: Call): number => calls.filter((each) => each === call).length;
    for (let seconds = 0; seconds < 3_600; seconds += 100) {
      await duty.checkNotice();
      expect(count('end drain'), `after ${seconds} s`).to.equal(0);
      clock.pass(100);
    }
    expect([count('drain'), count('extend')]).to.deep.equal([1, 18]);
    await duty.checkNotice();
    expect(count('end drain')).to.equal(1);
  });

  it('completes the termination once its worker has left, and asks its group for nothing', async () => {
    const { duty, departure, calls } = lab({ notice: () => ({ kind: 'terminating', at: null }) });
    departure.setReason('done');
    await duty.checkNotice();
    await duty.finish();
    expect(calls).to.deep.equal(['drain', 'extend', 'raise same', 'complete']);
  });
});

describe('a machine in standby', () => {
  it('is released once nothing runs, once each time, and its worker takes work again when it returns', async () => {
    let kind: MachineNotice['kind'] | null = 'stopping';
    let isBusy = true;
    const { duty, clock, calls } = lab({
      notice: () => (kind === null ? null : { kind, at: null }),
      busy: () => isBusy,
    });
    for (const standby of [1, 2]) {
      kind = 'stopping';
      isBusy = true;
      await duty.checkNotice();
      expect([duty.isInStandby(), calls.splice(0)], `standby ${standby}`).to.deep.equal([true, ['extend']]);
      isBusy = false;
      clock.pass(5);
      for (const _ of [1, 2]) await duty.checkNotice();
      expect(calls.splice(0), `standby ${standby}`).to.deep.equal(['complete']);
      kind = null;
      clock.pass(300);
      await duty.checkNotice();
      expect(duty.isInStandby()).to.equal(false);
    }
  });

  it('is in standby no longer when its group terminates it', async () => {
    let kind: MachineNotice['kind'] = 'stopping';
    const { duty, calls } = lab({ notice: () => ({ kind, at: null }) });
    await duty.checkNotice();
    kind = 'terminating';
    await duty.checkNotice();
    expect(duty.isInStandby()).to.equal(false);
    expect(calls).to.deep.equal(['complete', 'drain', 'extend']);
  });
});

describe('a machine that EC2 interrupts', () => {
  const interruption = (seconds: number) => (): MachineNotice => ({
    kind: 'interruption',
    at: START + seconds * 1_000,
  });
  let time: VirtualTime;
  beforeEach(() => {
    time = new VirtualTime(1);
  });
  afterEach(() => time.release());

  for (const { left, returned, why } of [
    { left: 120, returned: 95, why: 'the grace of a command and a quarter of a minute before' },
    { left: 60, returned: 45, why: 'a quarter of the time before, if it is short' },
    { left: 0, returned: 0, why: 'at once, if it is over' },
  ]) {
    it(`takes no task any more, and returns its tasks ${returned} s later of ${left}: ${why}`, async () => {
      const { duty, calls } = lab({ notice: interruption(left) });
      await duty.checkNotice();
      expect(calls).to.deep.equal(['drain']);
      await time.pass(Math.max(0, returned * 1_000 - 10));
      if (returned > 0) expect(calls).to.deep.equal(['drain']);
      await time.pass(20);
      expect(calls).to.deep.equal(['drain', 'end spot']);
    });
  }

  for (const { again, returned } of [
    { again: 60, returned: 45 },
    { again: 120, returned: 95 },
    { again: 180, returned: 95 },
  ]) {
    it(`returns its tasks after ${returned} s if a notice of 120 s is followed, after its group's, by one of ${again} s`, async () => {
      const notices: readonly MachineNotice[] = [
        { kind: 'interruption', at: START + 120_000 },
        { kind: 'interruption', at: START + 120_000 },
        { kind: 'terminating', at: null },
        { kind: 'interruption', at: START + again * 1_000 },
      ];
      let checks = 0;
      const { duty, calls } = lab({ notice: () => notices[checks++] ?? null });
      for (const _ of notices) await duty.checkNotice();
      const ends = (): number => calls.filter((each) => each === 'end spot').length;
      await time.pass(returned * 1_000 - 10);
      expect(ends()).to.equal(0);
      await time.pass(20);
      expect(ends()).to.equal(1);
      await time.pass(200_000);
      expect(ends()).to.equal(1);
    });
  }

  it('is replaced by its group: its worker requests no instance, and leaves nothing behind that ends tasks later', async () => {
    const { duty, departure, calls } = lab({ notice: interruption(120) });
    departure.setReason('done');
    await duty.checkNotice();
    await duty.finish();
    await time.pass(200_000);
    expect(calls).to.deep.equal(['drain', 'complete']);
  });

  it('without a time is interrupted now', async () => {
    const { duty, calls } = lab({ notice: () => ({ kind: 'interruption', at: null }) });
    await duty.checkNotice();
    await time.pass(10);
    expect(calls).to.deep.equal(['drain', 'end spot']);
  });
});

describe('a machine at elevated risk of interruption', () => {
  for (const { leavesAtRisk, does } of [
    { leavesAtRisk: false, does: ['risk', 'protect false'] },
    { leavesAtRisk: true, does: ['drain', 'leave replace', 'complete'] },
  ]) {
    it(`${leavesAtRisk ? 'is replaced' : 'stays, and takes no long tasks'}, told once`, async () => {
      const { duty, calls } = lab({ notice: () => ({ kind: 'rebalance', at: null }), leavesAtRisk });
      for (const _ of [1, 2]) await duty.checkNotice();
      await duty.finish();
      expect(calls).to.deep.equal(does);
    });
  }
});

describe('a worker that has left', () => {
  const SHRINKS: LabOptions['leave'] = (shrinks) => shrinks;
  const MAY_NOT_SHRINK: LabOptions['leave'] = (shrinks) => !shrinks;
  const rows: readonly {
    readonly reasons: readonly LeaveReason[];
    readonly leave?: LabOptions['leave'];
    readonly does: readonly Call[];
    readonly why: string;
  }[] = [
    { reasons: [], does: ['protect false'], why: 'drained by a person, its machine stays' },
    { reasons: ['done'], leave: SHRINKS, does: ['leave shrink', 'raise shrunk', 'complete'], why: 'the group shrinks' },
    {
      reasons: ['done'],
      leave: MAY_NOT_SHRINK,
      does: ['leave shrink', 'protect false'],
      why: 'its machine stays if the group may not shrink',
    },
    { reasons: ['replace'], does: ['leave replace', 'complete'], why: 'another machine takes its place' },
    {
      reasons: ['sick'],
      leave: SHRINKS,
      does: ['leave shrink', 'raise shrunk', 'complete'],
      why: 'the group shrinks, but not a size set by a person',
    },
    {
      reasons: ['sick'],
      leave: MAY_NOT_SHRINK,
      does: ['leave shrink', 'leave replace', 'raise same', 'complete'],
      why: 'a sick machine is replaced where the group may not shrink',
    },
    {
      reasons: ['ordered'],
      leave: SHRINKS,
      does: ['leave shrink ordered', 'raise shrunk', 'complete'],
      why: 'a person may shrink a size set by a person',
    },
    {
      reasons: ['ordered', 'done'],
      does: ['leave shrink ordered', 'raise shrunk', 'complete'],
      why: 'the order counts',
    },
    {
      reasons: ['sick', 'done', 'replace'],
      leave: SHRINKS,
      does: ['leave shrink', 'raise shrunk', 'complete'],
      why: 'a sick machine is not replaced for being at risk',
    },
    { reasons: ['done', 'replace'], does: ['leave replace', 'complete'], why: 'a replacement keeps the size' },
  ];
  for (const { reasons, leave = () => true, does, why } of rows) {
    it(`because of ${reasons.join(', ') || 'nothing'}: ${why}`, async () => {
      const { duty, departure, calls } = lab({ leave });
      for (const reason of reasons) departure.setReason(reason);
      await duty.finish();
      expect(calls).to.deep.equal(does);
    });
  }

  it('asks nothing of a machine in no group', async () => {
    const { duty, departure, calls } = lab({ inGroup: false });
    departure.setReason('ordered');
    await duty.finish();
    expect([await duty.tryLeave(), calls]).to.deep.equal([true, []]);
  });

  it('starts again if the service does not answer, so that its machine is not left behind', async () => {
    const { duty, departure, calls } = lab({ leave: () => new BatchctlError('unavailable', 'no answer') });
    departure.setReason('done');
    const outcome = await duty.finish().catch((error: unknown) => error);
    expect(outcome).to.include({ kind: 'unavailable' });
    expect(calls).to.deep.equal(['leave shrink']);
  });
});

describe('a worker that is idle for long', () => {
  it('leaves once, and its group is raised for work that came meanwhile, before the machine is gone', async () => {
    const { duty, calls } = lab();
    expect([await duty.tryLeave(), await duty.tryLeave()]).to.deep.equal([true, true]);
    await duty.finish();
    expect(calls).to.deep.equal(['leave shrink', 'raise shrunk', 'complete']);
  });

  it('whose group has shrunk requests an instance for work that waits, also if EC2 interrupts it then', async () => {
    const { duty, calls } = lab({ notice: () => ({ kind: 'interruption', at: START + 3_600_000 }) });
    await duty.tryLeave();
    await duty.checkNotice();
    await duty.finish();
    expect(calls).to.deep.equal(['leave shrink', 'drain', 'raise shrunk', 'complete']);
  });

  it('stays if the group may not shrink, and asks again soon if the service does not answer', async () => {
    const answers: (boolean | Error)[] = [
      new BatchctlError('credentials', 'denied', { denied: 'autoscaling:TerminateInstanceInAutoScalingGroup' }),
      new BatchctlError('unavailable', 'no answer'),
      false,
    ];
    const { duty, warnings } = lab({ leave: () => answers.shift() ?? true });
    expect(await duty.tryLeave()).to.equal('unsure');
    expect([duty.denied(), warnings.join()]).to.deep.equal([
      'autoscaling:TerminateInstanceInAutoScalingGroup',
      'denied',
    ]);
    expect([await duty.tryLeave(), duty.denied()]).to.deep.equal(['unsure', null]);
    expect([await duty.tryLeave(), duty.denied()]).to.deep.equal([false, null]);
  });

  it('lacks no permission any more once a request has succeeded', async () => {
    const answers: (boolean | Error)[] = [new BatchctlError('credentials', 'denied', { denied: 'x:Y' }), false];
    const { duty } = lab({ leave: () => answers.shift() ?? true });
    await duty.tryLeave();
    await duty.tryLeave();
    expect(duty.denied()).to.equal(null);
  });

  it('asks for nothing while its group already terminates it', async () => {
    const { duty, calls } = lab({ notice: () => ({ kind: 'terminating', at: null }) });
    await duty.checkNotice();
    expect(await duty.tryLeave()).to.equal(true);
    expect(calls).to.deep.equal(['drain', 'extend']);
  });
});

describe('the last look of a worker that has left its group', () => {
  const place = forEachTest(openPlace);
  const clock = forEachTest(() => new FakeClock());
  const TEN_MINUTES = 600;

  interface LookOptions {
    readonly desired?: number;
    readonly running?: number;
    readonly groupShrank?: boolean;
    readonly groups?: readonly string[];
    readonly raise?: WorkerGroup['raise'];
  }

  /** Looks at the group `default`; returns its log, and how often the group was read. */
  async function look({ desired = 0, running = 0, groupShrank = true, groups = ['default'], raise }: LookOptions = {}) {
    const lines: string[] = [];
    let looks = 0;
    const group = fakeWorkerGroup({
      describe: async () => {
        looks += 1;
        return groupStatus({ desired, running });
      },
      raise: raise ?? (async (to) => groupStatus({ desired: to })),
    });
    const platform: Platform = { ...place.platform, workplace: OTHER_MACHINES, clock, group: async () => group };
    const log = { info: (line: string) => void lines.push(line), warn: (line: string) => void lines.push(line) };
    await raiseAfterLeaving({ platform, groups, log, lagMs: 1, groupShrank });
    return { looks, lines };
  }
  const submit = () => submitJob(place, JSON.stringify(rangeJob('late', 1, { name: 's', run: 'true' })), {});
  const empty = async (): Promise<void> => void (await (await place.platform.queue('default')).purge({}));

  it('reads no group without open jobs', async () => {
    expect(await look()).to.deep.equal({ looks: 0, lines: [] });
  });

  it('requests an instance for a message that came before', async () => {
    await submit();
    clock.pass(TEN_MINUTES);
    const lines = ['work waits in group default: requested 1 instances'];
    expect(await look()).to.deep.equal({ looks: 1, lines });
  });

  it('counts the tasks of a young job, whose messages its queue may not count yet', async () => {
    await submit();
    await empty();
    expect((await look()).lines).to.have.lengthOf(1);
    clock.pass(TEN_MINUTES);
    expect((await look()).lines).to.deep.equal([]);
  });

  it('counts a job whose submission is not complete yet', async () => {
    const { record } = await putJob(place.platform, [{ name: 'a.csv' }]);
    await place.platform.store.put(openMark(record.job, 0), '');
    expect((await look()).looks).to.be.above(0);
  });

  for (const { why, looks, ...options } of [
    { why: 'its group has no worker any more', looks: 2 },
    { why: 'its group is not yet seen smaller', desired: 1, looks: 2 },
    { why: 'another instance takes its place', desired: 1, groupShrank: false, looks: 1 },
    { why: 'its group has another worker', desired: 1, running: 1, looks: 1 },
    { why: 'it served another group', groups: ['gpu'], looks: 1 },
  ]) {
    it(`is made ${looks === 2 ? 'twice, as counts may lag, if' : 'once if'} ${why}`, async () => {
      await submit();
      await empty();
      clock.pass(TEN_MINUTES);
      expect((await look(options)).looks).to.equal(looks);
    });
  }

  it('is repeated by the next start of the worker if the service does not answer; other errors are reported', async () => {
    await submit();
    const failing = (kind: 'unavailable' | 'credentials') =>
      look({ raise: () => Promise.reject(new BatchctlError(kind, 'no')) }).catch((error: unknown) => error);
    expect(await failing('unavailable')).to.include({ kind: 'unavailable' });
    expect(await failing('credentials')).to.deep.include({ lines: ['group default was not raised: no'] });
  });
});
