// Protects: calendar schedules fire on the right business day, in their own zone and around holidays.

import { expect } from 'chai';
import {
  type Cadence,
  firingOf,
  firingsAfter,
  firingsBefore,
  parseCalendar,
  parseHolidays,
  type When,
} from '../../src/model/schedule-times.ts';
import { firingLines as lines } from '../support/schedules.ts';

const at = (text: string): number => Date.parse(text);
const calendar = (over: Partial<Extract<Cadence, { kind: 'calendar' }>>, zone = 'Europe/London'): When => ({
  cadence: { kind: 'calendar', day: 'last', time: '18:00', holidays: [], monthBefore: false, ...over },
  zone,
});

describe('when a calendar fires', () => {
  const periods = (when: When, from: string, count: number): readonly string[] =>
    lines(firingsAfter(when, at(from), count));

  it('on the last business day, before weekends, in its own time zone', () => {
    expect(periods(calendar({}), '2026-01-01T00:00Z', 12)).to.deep.equal([
      ...[
        '2026-01 2026-01-30T18:00',
        '2026-02 2026-02-27T18:00',
        '2026-03 2026-03-31T17:00',
        '2026-04 2026-04-30T17:00',
      ],
      ...[
        '2026-05 2026-05-29T17:00',
        '2026-06 2026-06-30T17:00',
        '2026-07 2026-07-31T17:00',
        '2026-08 2026-08-31T17:00',
      ],
      ...[
        '2026-09 2026-09-30T17:00',
        '2026-10 2026-10-30T18:00',
        '2026-11 2026-11-30T18:00',
        '2026-12 2026-12-31T18:00',
      ],
    ]);
  });

  it('before any number of holidays, and never in another month', () => {
    const holidays = ['2026-12-24', '2026-12-25', '2026-12-28', '2026-12-29', '2026-12-30', '2026-12-31'];
    expect(periods(calendar({ holidays }), '2026-12-01T00:00Z', 2)).to.deep.equal([
      '2026-12 2026-12-23T18:00',
      '2027-01 2027-01-29T18:00',
    ]);
    const month = Array.from({ length: 31 }, (_, n) => `2026-12-${String(n + 1).padStart(2, '0')}`);
    expect(periods(calendar({ holidays: month }), '2026-12-01T00:00Z', 1), 'a month without one').to.deep.equal([
      '2027-01 2027-01-29T18:00',
    ]);
    expect(firingOf(calendar({ holidays: month }), '2026-12')).to.equal(null);
  });

  it('on the nth business day; for the month before, if configured so', () => {
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

  it('never in a month with fewer business days', () => {
    const holidays = ['2026-02-16'];
    expect(periods(calendar({ day: 20, holidays }, 'UTC'), '2026-01-31T00:00Z', 2)).to.deep.equal([
      '2026-03 2026-03-27T18:00',
      '2026-04 2026-04-28T18:00',
    ]);
  });

  it('in its own month even if the month differs in UTC, and at a time that the clocks skip', () => {
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
