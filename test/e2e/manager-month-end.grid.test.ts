// Protects: a scheduled month end starts from zero instances, meets its deadline, and returns to zero.
import { writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { expectExit } from '../support/expect-exit.ts';
import { gridManager, MANAGER_ENV } from '../support/grid/grid-manager.ts';
import { GridWorld } from '../support/grid/grid-world.ts';
import { rangeJob } from '../support/range-job.ts';
import { until } from '../support/until.ts';

const MINUTE = 60_000;
/** Each task takes this many seconds, on any machine. Two at a time, as the default policy says: 125 s in all. */
const [TASKS, SECONDS] = [50, 5];
/** Seconds after the due time. */
const DEADLINE = 115;

interface Ended {
  readonly state: string;
  readonly createdAt: string;
  readonly closedAt: string;
  readonly finishBy: string | null;
}

/** The next minute that leaves time to prepare, in UTC. */
const minuteAfter = (ms: number): Date => new Date(Math.ceil((Date.now() + ms) / MINUTE) * MINUTE);

/**
 * The dates from the day after to the end of its month. Declared as holidays, they make the day the month's last
 * business day. Null for a weekend.
 */
function holidaysAfter(day: Date): readonly string[] | null {
  if (day.getUTCDay() % 6 === 0) return null;
  const left = Array.from({ length: 31 }, (_, after) => new Date(day.getTime() + (after + 1) * 86_400_000));
  return left.filter((each) => each.getUTCMonth() === day.getUTCMonth()).map((each) => each.toISOString().slice(0, 10));
}

describe('a month end on AWS, run by its manager', function () {
  this.timeout(600_000);
  let world: GridWorld;

  before(async () => {
    const group = { instances: ['c7g.large'], spot: true, max: 5, slots: 2, visibility: '30s' };
    const groups = { default: group, urgent: group };
    world = await GridWorld.open(6, { groups, manager: { allow: ['203.0.113.0/24'] } }, MANAGER_ENV);
  });
  afterEach(function () {
    if (this.currentTest?.state === 'failed') console.error(world?.consoles());
  });
  after(() => world?.remove());

  const instances = (group: string): number =>
    world.cloud.grid.instances(`${world.stack}-${group}`).filter(({ gone }) => !gone).length;
  const addSchedule = async (name: string, group: string, due: Date, ...flags: readonly string[]): Promise<void> => {
    world.write(
      `${name}.json`,
      rangeJob(name, TASKS, { name: 'work', run: `read n; sleep ${SECONDS}; echo "$n"`, group, attempts: 1 }),
    );
    const holidays = holidaysAfter(due);
    writeFileSync(world.path('holidays'), `${(holidays ?? []).join('\n')}\n`);
    const time = due.toISOString().slice(11, 16);
    const [hour = '', minute = ''] = time.split(':');
    const times =
      holidays === null
        ? ['--cron', `${Number(minute)} ${Number(hour)} * * *`]
        : ['--calendar', 'last-business-day', '--time', time, '--holidays', 'holidays'];
    await world.runSuccessfully('schedule', 'add', name, `${name}.json`, ...times, '--tz', 'UTC', ...flags);
  };
  /** Asks once it is in the store: each `jobs` is a process. */
  const jobOf = async (name: string, due: Date): Promise<string> => {
    await until('it is due', () => Date.now() >= due.getTime());
    await until(`${name} is submitted`, async () => (await world.keys(`jobs/${name}-`)).length > 0);
    return until(
      `${name} is fired`,
      async () => {
        const { stdout } = await world.run(['jobs', '--json', '--name', name]);
        const [line] = stdout.split('\n').filter(Boolean);
        return line === undefined ? null : (JSON.parse(line) as { job: string }).job;
      },
      2 * MINUTE,
    );
  };

  it('starts from zero when due, meets a deadline that the default size would miss, and returns to zero', async () => {
    await world.runSuccessfully('infra', 'up', '--yes');
    await gridManager(world);
    const due = minuteAfter(20_000);
    // The same work at the same time in two equal groups: one has a deadline, the other none.
    await addSchedule('plain', 'default', due);
    await addSchedule('closing', 'urgent', due, '--finish-by', `in ${DEADLINE}s`);
    expect([instances('default'), instances('urgent')]).to.deep.equal([0, 0]);
    const most = { default: 0, urgent: 0 };
    const watch = setInterval(() => {
      most.default = Math.max(most.default, instances('default'));
      most.urgent = Math.max(most.urgent, instances('urgent'));
    }, 200);
    try {
      const [plain, closing] = [await jobOf('plain', due), await jobOf('closing', due)];
      // 10 would finish the work, but after the deadline.
      expectExit(await world.run(['wait', closing, '--timeout', '4m']));
      const { stdout: report } = await world.runSuccessfully('report', closing, '--json');
      const took = (Date.parse((JSON.parse(report) as Ended).closedAt) - due.getTime()) / 1_000;
      console.log(`      due at ${due.toISOString()}, deadline ${DEADLINE} s: ${took.toFixed()} s by ${most.urgent}`);
      expect(took, 'the deadline is met').to.be.below(DEADLINE);
      await until('the deadline is over', () => Date.now() > due.getTime() + DEADLINE * 1_000, DEADLINE * 1_000);
      const { stdout: status } = await world.runSuccessfully('status', plain, '--json');
      expect(JSON.parse(status), 'and missed without one').to.include({ state: 'running' });
      await world.runSuccessfully('cancel', plain, '--yes');
      expect(most.default, 'half an hour is the default').to.equal(1);
      expect(most.urgent).to.be.greaterThan(2);
    } finally {
      clearInterval(watch);
    }
    await until('both are back at zero', () => instances('default') + instances('urgent') === 0, 3 * MINUTE);
    const { stdout } = await world.runSuccessfully('scale', '--json');
    for (const line of stdout.split('\n').filter(Boolean)) expect(JSON.parse(line)).to.include({ desired: 0 });
    expect(await world.findDeniedCalls()).to.deep.equal([]);
  });
});
