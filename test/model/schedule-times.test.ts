// Protects: cron patterns fire at the right times, through clock changes too, and impossible ones are refused.
// Protects: calendar schedules fire on the right business day, in their own zone and around holidays.
import { expect } from 'chai';
import fc from 'fast-check';
import {
  type Cadence,
  checkCron,
  firingOf,
  firingsAfter,
  firingsBefore,
  firingsBetween,
  parseCalendar,
  parseHolidays,
  type ZonedCadence,
} from '../../src/model/schedule-times.ts';
import { firingLines as lines } from '../support/schedules.ts';

const at = (text: string): number => Date.parse(text);
const cron = (pattern: string, zone: string): ZonedCadence => ({ cadence: { kind: 'cron', pattern }, zone });
const between = (when: ZonedCadence, from: string, until: string): readonly string[] =>
  lines(firingsBetween(when, at(from), at(until)));

describe('the latest firings', () => {
  it('are known in the hour after the clocks went back, which shows earlier times than they fired at', () => {
    const early = cron('30 1 * * *', 'Europe/London');
    const hourly = cron('*/30 * * * *', 'Europe/London');
    for (const now of ['2026-10-25T01:00Z', '2026-10-25T01:10Z', '2026-10-25T01:29Z']) {
      expect(lines(firingsBefore(early, at(now), 1)), now).to.deep.equal(['2026-10-25T01:30 2026-10-25T00:30']);
      expect(lines(firingsBefore(hourly, at(now), 1)), now).to.deep.equal(['2026-10-25T01:30 2026-10-25T00:30']);
    }
  });
});

describe('a cron pattern', () => {
  // Each row: pattern and zone, a span in UTC, and the firings in it as "period instant".
  const rows: readonly (readonly [string, readonly [string, string], readonly [string, string], readonly string[]])[] =
    [
      [
        'a skipped time fires at the first instant after the gap',
        ['30 1 * * *', 'Europe/London'],
        ['2026-03-28T12:00Z', '2026-03-30T12:00Z'],
        ['2026-03-29T01:30 2026-03-29T01:00', '2026-03-30T01:30 2026-03-30T00:30'],
      ],
      [
        'a repeated time fires once, at the first',
        ['30 1 * * *', 'Europe/London'],
        ['2026-10-24T12:00Z', '2026-10-26T12:00Z'],
        ['2026-10-25T01:30 2026-10-25T00:30', '2026-10-26T01:30 2026-10-26T01:30'],
      ],
      [
        'every hour of a day with 23 hours',
        ['0 * * * *', 'Europe/London'],
        ['2026-03-28T23:30Z', '2026-03-29T02:30Z'],
        [
          '2026-03-29T00:00 2026-03-29T00:00',
          '2026-03-29T01:00 2026-03-29T01:00',
          '2026-03-29T02:00 2026-03-29T01:00',
          '2026-03-29T03:00 2026-03-29T02:00',
        ],
      ],
      [
        'every hour of a day with 25 hours',
        ['0 * * * *', 'Europe/London'],
        ['2026-10-24T23:30Z', '2026-10-25T02:30Z'],
        ['2026-10-25T01:00 2026-10-25T00:00', '2026-10-25T02:00 2026-10-25T02:00'],
      ],
      [
        'New York, forward',
        ['30 2 * * *', 'America/New_York'],
        ['2026-03-08T00:00Z', '2026-03-09T12:00Z'],
        ['2026-03-08T02:30 2026-03-08T07:00', '2026-03-09T02:30 2026-03-09T06:30'],
      ],
      [
        'New York, back',
        ['30 1 * * *', 'America/New_York'],
        ['2026-11-01T00:00Z', '2026-11-02T12:00Z'],
        ['2026-11-01T01:30 2026-11-01T05:30', '2026-11-02T01:30 2026-11-02T06:30'],
      ],
      [
        'a change in the southern hemisphere',
        ['15 2 * * *', 'Pacific/Auckland'],
        ['2026-09-25T12:00Z', '2026-09-27T12:00Z'],
        ['2026-09-26T02:15 2026-09-25T14:15', '2026-09-27T02:15 2026-09-26T14:00'],
      ],
      [
        'a change of half an hour',
        ['15 2 * * *', 'Australia/Lord_Howe'],
        ['2026-10-03T00:00Z', '2026-10-04T20:00Z'],
        ['2026-10-04T02:15 2026-10-03T15:30', '2026-10-05T02:15 2026-10-04T15:15'],
      ],
      [
        'midnight is skipped',
        ['0 0 * * *', 'America/Santiago'],
        ['2026-09-05T12:00Z', '2026-09-07T12:00Z'],
        ['2026-09-06T00:00 2026-09-06T04:00', '2026-09-07T00:00 2026-09-07T03:00'],
      ],
      [
        'a whole day is skipped',
        ['0 6 * * *', 'Pacific/Apia'],
        ['2011-12-29T10:00Z', '2011-12-31T20:00Z'],
        [
          '2011-12-29T06:00 2011-12-29T16:00',
          '2011-12-30T06:00 2011-12-30T10:00',
          '2011-12-31T06:00 2011-12-30T16:00',
          '2012-01-01T06:00 2011-12-31T16:00',
        ],
      ],
      [
        'a zone without clock changes',
        ['0 6 * * *', 'Asia/Kolkata'],
        ['2026-11-30T00:00Z', '2026-12-01T12:00Z'],
        ['2026-11-30T06:00 2026-11-30T00:30', '2026-12-01T06:00 2026-12-01T00:30'],
      ],
      [
        'the last day of months, in a leap year',
        ['30 18 L * *', 'UTC'],
        ['2028-01-31T18:30Z', '2028-04-30T18:30Z'],
        ['2028-02-29T18:30 2028-02-29T18:30', '2028-03-31T18:30 2028-03-31T18:30', '2028-04-30T18:30 2028-04-30T18:30'],
      ],
      [
        'the 29th of February',
        ['0 0 29 2 *', 'UTC'],
        ['2026-01-01T00:00Z', '2033-01-01T00:00Z'],
        ['2028-02-29T00:00 2028-02-29T00:00', '2032-02-29T00:00 2032-02-29T00:00'],
      ],
      [
        'the 31st, in months that have one',
        ['0 0 31 * *', 'UTC'],
        ['2026-01-31T00:00Z', '2026-07-01T00:00Z'],
        ['2026-03-31T00:00 2026-03-31T00:00', '2026-05-31T00:00 2026-05-31T00:00'],
      ],
      [
        'new year',
        ['59 23 31 12 *', 'Pacific/Kiritimati'],
        ['2026-01-01T00:00Z', '2027-01-01T00:00Z'],
        ['2026-12-31T23:59 2026-12-31T09:59'],
      ],
      [
        'either day, as crontab(5) specifies',
        ['0 0 13 * 5', 'UTC'],
        ['2026-11-06T00:00Z', '2026-11-20T00:00Z'],
        ['2026-11-13T00:00 2026-11-13T00:00', '2026-11-20T00:00 2026-11-20T00:00'],
      ],
      [
        'a nickname',
        ['@monthly', 'UTC'],
        ['2026-11-30T00:00Z', '2026-12-31T00:00Z'],
        ['2026-12-01T00:00 2026-12-01T00:00'],
      ],
    ];
  for (const [what, [pattern, zone], span, expected] of rows) {
    it(`${what}: ${pattern} in ${zone}`, () => expect(between(cron(pattern, zone), ...span)).to.deep.equal(expected));
  }

  it('fires at the same times forward, backward, by the period, and for any division of the time', () => {
    const zones = [
      'Europe/London',
      'America/New_York',
      'Australia/Lord_Howe',
      'Pacific/Apia',
      'Africa/Casablanca',
      'UTC',
    ];
    const minutes = fc.constantFrom('0', '30', '15,45', '*/20');
    const hours = fc.constantFrom('*', '1', '2', '0-3', '23');
    const start = at('2026-01-01T00:00Z');
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        fc.tuple(minutes, hours),
        fc.integer({ min: 0, max: 365 * 24 }),
        fc.integer({ min: 1, max: 90 }),
        (zone, [minute, hour], hoursOn, cut) => {
          const when = cron(`${minute} ${hour} * * *`, zone);
          const [from, until] = [start + hoursOn * 3_600_000, start + (hoursOn + 75) * 3_600_000];
          const whole = firingsBetween(when, from, until);
          const middle = from + Math.floor(((until - from) * cut) / 91);
          const halves = [...firingsBetween(when, from, middle), ...firingsBetween(when, middle, until)];
          expect(halves).to.deep.equal(whole);
          expect(new Set(whole.map(({ period }) => period)).size).to.equal(whole.length);
          expect(whole.map((firing) => firing.at)).to.deep.equal(
            whole.map((firing) => firing.at).sort((a, b) => a - b),
          );
          expect(firingsBefore(when, until, whole.length)).to.deep.equal([...whole].reverse());
          for (const firing of whole) expect(firingOf(when, firing.period)).to.deep.equal(firing);
        },
      ),
      { numRuns: 20 },
    );
  });

  it('has only periods at which it fires', () => {
    const when = cron('0 6 * * 1-5', 'UTC');
    expect(firingOf(when, '2026-11-30T06:00')?.at).to.equal(at('2026-11-30T06:00Z'));
    for (const period of [
      '2026-11-29T06:00',
      '2026-11-30T06:01',
      '2026-11-31T06:00',
      '2026-11',
      '2026-11-30 06:00',
      '0026-11-30T06:00',
      '',
    ]) {
      expect(firingOf(when, period), period).to.equal(null);
    }
  });

  it('is refused if it is invalid, has seconds, or never occurs', () => {
    for (const pattern of [
      '',
      'x',
      '0 6 * *',
      '0 0 6 * * *',
      '60 6 * * *',
      '@reboot',
      '2026-11-30T06:00',
      '0 0 30 2 *',
    ]) {
      expect(() => checkCron(pattern), pattern)
        .to.throw('expected a cron pattern')
        .with.property('kind', 'usage');
    }
    expect(checkCron('  30 18   L * * ')).to.equal('30 18 L * *');
    expect(() => checkCron('0 22-2 * * *')).to.throw(
      "a range can't wrap around: use 22-LAST,FIRST-2, such as 22-23,0-2 for hours",
    );
    expect(() => checkCron('0 6 0 * *')).to.throw('Invalid value for day: 0');
    expect(() => checkCron('0 6 1 13 *')).to.throw('Invalid value for month: 13');
  });
});

const calendar = (over: Partial<Extract<Cadence, { kind: 'calendar' }>>, zone = 'Europe/London'): ZonedCadence => ({
  cadence: { kind: 'calendar', day: 'last', time: '18:00', holidays: [], monthBefore: false, ...over },
  zone,
});

describe('a calendar schedule', () => {
  const periods = (when: ZonedCadence, from: string, count: number): readonly string[] =>
    lines(firingsAfter(when, at(from), count));

  it('fires on the last business day, before weekends, in its own time zone', () => {
    expect(periods(calendar({}), '2026-01-01T00:00Z', 12)).to.deep.equal([
      '2026-01 2026-01-30T18:00',
      '2026-02 2026-02-27T18:00',
      '2026-03 2026-03-31T17:00',
      '2026-04 2026-04-30T17:00',
      '2026-05 2026-05-29T17:00',
      '2026-06 2026-06-30T17:00',
      '2026-07 2026-07-31T17:00',
      '2026-08 2026-08-31T17:00',
      '2026-09 2026-09-30T17:00',
      '2026-10 2026-10-30T18:00',
      '2026-11 2026-11-30T18:00',
      '2026-12 2026-12-31T18:00',
    ]);
  });

  it('fires before any number of holidays, and never in another month', () => {
    const holidays = ['2026-12-24', '2026-12-25', '2026-12-28', '2026-12-29', '2026-12-30', '2026-12-31'];
    expect(periods(calendar({ holidays }), '2026-12-01T00:00Z', 2)).to.deep.equal([
      '2026-12 2026-12-23T18:00',
      '2027-01 2027-01-29T18:00',
    ]);
    const month = Array.from({ length: 31 }, (_, n) => `2026-12-${String(n + 1).padStart(2, '0')}`);
    expect(
      periods(calendar({ holidays: month }), '2026-12-01T00:00Z', 1),
      'a month without a business day',
    ).to.deep.equal(['2027-01 2027-01-29T18:00']);
    expect(firingOf(calendar({ holidays: month }), '2026-12')).to.equal(null);
  });

  it('fires on the nth business day; for the month before, if configured so', () => {
    const third = calendar({ day: 3, time: '06:00', holidays: ['2027-01-01'] });
    expect(periods(third, '2026-11-01T00:00Z', 3)).to.deep.equal([
      '2026-11 2026-11-04T06:00',
      '2026-12 2026-12-03T06:00',
      '2027-01 2027-01-06T06:00',
    ]);
    const before = calendar({ day: 3, time: '06:00', holidays: ['2027-01-01'], monthBefore: true });
    expect(periods(before, '2026-11-05T00:00Z', 2)).to.deep.equal([
      '2026-11 2026-12-03T06:00',
      '2026-12 2027-01-06T06:00',
    ]);
    expect(lines([firingOf(before, '2026-12') ?? { period: '', at: 0 }])).to.deep.equal(['2026-12 2027-01-06T06:00']);
    expect(lines(firingsBefore(before, at('2027-01-06T06:00Z'), 2))).to.deep.equal([
      '2026-12 2027-01-06T06:00',
      '2026-11 2026-12-03T06:00',
    ]);
  });

  it('does not fire in a month with fewer business days', () => {
    const holidays = ['2026-02-16'];
    expect(periods(calendar({ day: 20, holidays }, 'UTC'), '2026-01-31T00:00Z', 2)).to.deep.equal([
      '2026-03 2026-03-27T18:00',
      '2026-04 2026-04-28T18:00',
    ]);
  });

  it('fires in its own month even if the month differs in UTC, and at a time that the clocks skip', () => {
    expect(periods(calendar({ time: '23:30' }, 'America/Los_Angeles'), '2026-11-01T12:00Z', 1)).to.deep.equal([
      '2026-11 2026-12-01T07:30',
    ]);
    expect(periods(calendar({ day: 1, time: '00:30' }, 'Pacific/Auckland'), '2026-11-15T12:00Z', 1)).to.deep.equal([
      '2026-12 2026-11-30T11:30',
    ]);
    // In Moscow, clocks went from 00:00 to 01:00 on Wednesday, 1 April 1981.
    expect(periods(calendar({ day: 1, time: '00:30' }, 'Europe/Moscow'), '1981-03-15T00:00Z', 1)).to.deep.equal([
      '1981-04 1981-03-31T21:00',
    ]);
  });

  it('is parsed only from last-business-day and nth-business-day:N', () => {
    expect(parseCalendar('last-business-day')).to.equal('last');
    expect(parseCalendar('nth-business-day:20')).to.equal(20);
    for (const text of [
      '',
      'last',
      'nth-business-day',
      'nth-business-day:0',
      'nth-business-day:21',
      'nth-business-day:1.5',
    ]) {
      expect(() => parseCalendar(text), text)
        .to.throw('expected last-business-day')
        .with.property('kind', 'usage');
    }
  });

  it('reads holidays as one date per line, with names and comments, and names a line that is not a date', () => {
    const text = '\uFEFF# of England\r\n2026-12-25 Christmas Day\n\n2026-12-28  # Boxing Day, substitute\n2026-12-25\n';
    expect(parseHolidays(text, 'h')).to.deep.equal(['2026-12-25', '2026-12-28']);
    for (const wrong of ['25/12/2026', '2026-02-30', '2026-13-01', '2026-12-251', 'Christmas']) {
      expect(() => parseHolidays(`2026-12-25\n${wrong} x`, 'holidays')).to.throw(
        `holidays:2: expected a date such as 2026-12-25, found "${wrong}"`,
      );
    }
  });
});
