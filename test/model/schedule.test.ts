// Protects: a schedule makes up for what it missed, and fires nothing while paused or for a time before it existed.
import { expect } from 'chai';
import {
  deadlineOf,
  dueFirings,
  type FinishBy,
  foldSchedule,
  lapsedFirings,
  type Schedule,
  type ScheduleChange,
  type ScheduleEntry,
  type ScheduleSpec,
  scheduleOfRun,
} from '../../src/model/schedule.ts';
import { scheduleSpec } from '../support/schedules.ts';

const at = (time: string): number => Date.parse(`2026-11-${time}:00Z`);
const SPEC = scheduleSpec({ cadence: { kind: 'cron', pattern: '0 * * * *' }, catchUp: 3 * 3_600 });

/** A schedule from its journal: each change with its time. */
function scheduleOf(...changes: readonly (readonly [string, ScheduleChange])[]): Schedule {
  const entries = changes.map(
    ([time, change], n): ScheduleEntry => ({
      format: 1,
      id: `e${n}`,
      who: 'ann@desk',
      when: new Date(at(time)).toISOString(),
      ...change,
    }),
  );
  const schedule = foldSchedule('hourly', entries);
  if (schedule === null) throw new Error('the schedule was removed');
  return schedule;
}

const add = (spec: ScheduleSpec = SPEC): ScheduleChange => ({ what: 'add', schedule: spec });
const due = (schedule: Schedule, now: string): readonly string[] =>
  dueFirings(schedule, at(now)).map(({ period }) => period.slice('2026-11-'.length));

describe('the due firings of a schedule', () => {
  it('are all firings within its catch-up, including one at the current instant', () => {
    const schedule = scheduleOf(['01T00:30', add()]);
    expect(due(schedule, '10T06:00')).to.deep.equal(['10T04:00', '10T05:00', '10T06:00']);
    expect(due(schedule, '10T06:59')).to.deep.equal(['10T04:00', '10T05:00', '10T06:00']);
  });

  it('exclude times before it was created', () => {
    const schedule = scheduleOf(['10T05:30', add()]);
    expect(due(schedule, '10T05:31')).to.deep.equal([]);
    expect(due(schedule, '10T06:10')).to.deep.equal(['10T06:00']);
  });

  it('count each pause once: a second pause within one has no effect, and a resume ends the last one', () => {
    const schedule = scheduleOf(
      ['01T00:00', add()],
      ['10T01:30', { what: 'pause' }],
      ['10T01:40', { what: 'pause' }],
      ['10T02:30', { what: 'resume' }],
      ['10T04:30', { what: 'pause' }],
      ['10T05:30', { what: 'resume' }],
    );
    expect(due(schedule, '10T06:10')).to.deep.equal(['10T04:00', '10T06:00']);
    expect(due(schedule, '10T04:10')).to.deep.equal(['10T03:00', '10T04:00']);
    expect(schedule.pauses.map(({ from, until }) => [from, until])).to.deep.equal([
      [at('10T01:30'), at('10T02:30')],
      [at('10T04:30'), at('10T05:30')],
    ]);
  });

  it('are none while it is paused, and exclude the time of a past pause', () => {
    const paused = scheduleOf(['01T00:00', add()], ['10T04:30', { what: 'pause' }]);
    expect(due(paused, '10T05:10'), 'not even what was due before').to.deep.equal([]);
    const short = scheduleOf(['01T00:00', add()], ['10T04:30', { what: 'pause' }], ['10T05:20', { what: 'resume' }]);
    expect(due(short, '10T05:30'), 'that waits for the end of the pause').to.deep.equal(['10T03:00', '10T04:00']);
    const resumed = scheduleOf(['01T00:00', add()], ['10T03:30', { what: 'pause' }], ['10T05:30', { what: 'resume' }]);
    expect(due(resumed, '10T06:10')).to.deep.equal(['10T06:00']);
  });

  it('include a firing at the instant of a pause, and not one at the instant of its end', () => {
    const schedule = scheduleOf(['01T00:00', add()], ['10T04:00', { what: 'pause' }], ['10T06:00', { what: 'resume' }]);
    expect(due(schedule, '10T06:00')).to.deep.equal(['10T04:00']);
    expect(due(schedule, '10T07:00')).to.deep.equal(['10T07:00']);
  });

  it('continue when it is replaced with the same times, and start over with other times', () => {
    const again = scheduleSpec({ ...SPEC, job: { ...SPEC.job, params: { region: 'US' } } });
    expect(due(scheduleOf(['01T00:00', add()], ['10T05:30', add(again)]), '10T05:40')).to.deep.equal([
      '10T03:00',
      '10T04:00',
      '10T05:00',
    ]);
    const other = scheduleSpec({ ...SPEC, cadence: { kind: 'cron', pattern: '10 * * * *' } });
    const changed = scheduleOf(['01T00:00', add()], ['10T05:30', add(other)]);
    expect(due(changed, '10T06:20')).to.deep.equal(['10T06:10']);
    expect(changed.job.params).to.deep.equal({});
  });

  it('keep their month in a calendar when its day, its time or its holidays change', () => {
    const calendar = (over: Partial<Extract<ScheduleSpec['cadence'], { kind: 'calendar' }>>): ScheduleChange =>
      add(
        scheduleSpec({
          cadence: { kind: 'calendar', day: 'last', time: '18:00', holidays: [], monthBefore: false, ...over },
        }),
      );
    const monthsDue = (schedule: Schedule, now: string): readonly string[] =>
      dueFirings(schedule, at(now)).map(({ period }) => period);
    const earlier = scheduleOf(['01T00:00', calendar({})], ['30T17:00', calendar({ time: '16:00' })]);
    expect(monthsDue(earlier, '30T17:01')).to.deep.equal(['2026-11']);
    const closed = scheduleOf(['01T00:00', calendar({})], ['28T09:00', calendar({ holidays: ['2026-11-30'] })]);
    expect(monthsDue(closed, '28T09:01')).to.deep.equal(['2026-11']);
    const young = scheduleOf(['30T18:30', calendar({})]);
    expect(monthsDue(young, '30T18:31'), 'nothing from before it was created').to.deep.equal([]);
  });

  it('stay paused when it is replaced, and start over when it was removed', () => {
    const paused = scheduleOf(['01T00:00', add()], ['10T01:30', { what: 'pause' }], ['10T02:30', add()]);
    expect(paused.paused).to.deep.equal({ who: 'ann@desk', when: '2026-11-10T01:30:00.000Z' });
    const anew = scheduleOf(
      ['01T00:00', add()],
      ['10T01:30', { what: 'pause' }],
      ['10T02:30', { what: 'rm' }],
      ['10T05:30', add()],
    );
    expect(anew.paused).to.equal(null);
    expect(due(anew, '10T06:30')).to.deep.equal(['10T06:00']);
  });

  it('are missed once, in the span in which their catch-up ends', () => {
    const schedule = scheduleOf(['01T00:00', add()]);
    const lapsed = (from: string, until: string): readonly string[] =>
      lapsedFirings(schedule, at(from), at(until)).map(({ period }) => period.slice('2026-11-'.length));
    expect(lapsed('10T06:00', '10T06:30')).to.deep.equal([]);
    expect(lapsed('10T06:00', '10T08:00')).to.deep.equal(['10T04:00', '10T05:00']);
    expect(due(schedule, '10T08:00')).to.deep.equal(['10T06:00', '10T07:00', '10T08:00']);
    expect(lapsed('01T00:00', '01T04:00'), 'nothing from before it was created').to.deep.equal(['01T01:00']);
  });
});

describe('the deadline of a firing', () => {
  const zone = 'Europe/London';
  const rows: readonly (readonly [string, FinishBy, string, string])[] = [
    ['a duration after it was due', { kind: 'after', seconds: 6 * 3_600 }, '2026-11-30T18:00Z', '2026-12-01T00:00Z'],
    [
      'the same day, if that time is still to come',
      { kind: 'time', time: '20:00', days: 0 },
      '2026-11-30T18:00Z',
      '2026-11-30T20:00Z',
    ],
    ['the next morning', { kind: 'time', time: '06:00', days: 0 }, '2026-11-30T18:00Z', '2026-12-01T06:00Z'],
    ['tomorrow', { kind: 'time', time: '20:00', days: 1 }, '2026-11-30T18:00Z', '2026-12-01T20:00Z'],
    [
      'the next morning, which is in summer',
      { kind: 'time', time: '06:00', days: 0 },
      '2026-03-28T18:00Z',
      '2026-03-29T05:00Z',
    ],
    [
      "a day later, if it is the firing's own time",
      { kind: 'time', time: '18:00', days: 0 },
      '2026-11-30T18:00Z',
      '2026-12-01T18:00Z',
    ],
  ];
  for (const [what, finishBy, from, expected] of rows) {
    it(what, () => expect(deadlineOf(finishBy, Date.parse(from), zone)).to.equal(Date.parse(expected)));
  }
});

describe('the schedule whose period a run key names', () => {
  for (const [runKey, schedule] of [
    ['payroll@2026-11', 'payroll'],
    ['payroll@x@y', 'payroll'],
    ['payroll@', 'payroll'],
    ['@2026-11', null],
    ['payroll', null],
    ['Payroll@2026-11', null],
  ] as const)
    it(`is ${schedule ?? 'none'} for ${runKey}`, () => {
      expect(scheduleOfRun(runKey)).to.equal(schedule);
    });
});
