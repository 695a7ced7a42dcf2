// Protects: times typed by people are read as they meant them, and ambiguous ones are rejected.
import { expect } from 'chai';
import { BatchctlError, isKind } from '../../src/errors.ts';
import { parseJobFile } from '../../src/jobs/spec/job-file.ts';
import { parseSplit } from '../../src/jobs/split/parse-split.ts';
import { parseDollars, parseDuration, parseSize, wholeNumberParser } from '../../src/lib/units.ts';
import { finishByOf, parseTime } from '../../src/verbs/parse-time.ts';

const iso = (text: string, now: string, zone: string): string =>
  new Date(parseTime(text, { now: Date.parse(now), zone })).toISOString();

const NOON = '2026-11-30T12:00:00Z';

describe('times typed by people', () => {
  for (const [what, text, now, zone, expected] of [
    ['an instant with Z', '2026-11-30T18:30:00Z', NOON, 'Europe/London', '2026-11-30T18:30:00.000Z'],
    ['an instant with an offset', '2026-11-30T18:30+05:30', NOON, 'UTC', '2026-11-30T13:00:00.000Z'],
    ['a date and time in the zone', '2026-07-01T18:30', NOON, 'Europe/London', '2026-07-01T17:30:00.000Z'],
    ['a date and time with a space', '2026-07-01 18:30:15', NOON, 'Asia/Tokyo', '2026-07-01T09:30:15.000Z'],
    ['a fraction of a second', '2026-07-01T18:30:15.25Z', NOON, 'UTC', '2026-07-01T18:30:15.250Z'],
    ['a date alone: its midnight in the zone', '2026-07-01', NOON, 'America/New_York', '2026-07-01T04:00:00.000Z'],
    ['a bare time later today', '18:30', NOON, 'UTC', '2026-11-30T18:30:00.000Z'],
    ['a bare time after midnight', '05:00', NOON, 'UTC', '2026-12-01T05:00:00.000Z'],
    ['a bare time exactly 18 h ahead', '06:00', NOON, 'UTC', '2026-12-01T06:00:00.000Z'],
    ['a bare time in another zone', '18:30', NOON, 'Asia/Kolkata', '2026-11-30T13:00:00.000Z'],
    ['a bare time across the date line', '04:00', NOON, 'Pacific/Kiritimati', '2026-11-30T14:00:00.000Z'],
    ['a duration ahead', 'in 6h', NOON, 'UTC', '2026-11-30T18:00:00.000Z'],
    ['days ahead', 'in 2d', NOON, 'UTC', '2026-12-02T12:00:00.000Z'],
    ['tomorrow', 'tomorrow 06:00', NOON, 'UTC', '2026-12-01T06:00:00.000Z'],
    ['tomorrow at the end of a year', 'Tomorrow 00:15', '2026-12-31T23:59:00Z', 'UTC', '2027-01-01T00:15:00.000Z'],
    [
      'tomorrow by the zone, not by UTC',
      'tomorrow 09:00',
      '2026-11-30T23:30:00Z',
      'Asia/Tokyo',
      '2026-12-02T00:00:00.000Z',
    ],
    ['today, even when it has passed', 'today 06:00', NOON, 'UTC', '2026-11-30T06:00:00.000Z'],
    ['a skipped time: the first instant after', '2026-03-29T01:30', NOON, 'Europe/London', '2026-03-29T01:00:00.000Z'],
    ['a skipped time west of Greenwich', '2026-03-08T02:15', NOON, 'America/New_York', '2026-03-08T07:00:00.000Z'],
    ['a repeated time: the first', '2026-10-25T01:30', NOON, 'Europe/London', '2026-10-25T00:30:00.000Z'],
    [
      'a bare time whose first turn has passed: the second',
      '01:30',
      '2026-10-25T00:45:00Z',
      'Europe/London',
      '2026-10-25T01:30:00.000Z',
    ],
    ['a half-hour change', '2026-10-04T02:15', NOON, 'Australia/Lord_Howe', '2026-10-03T15:30:00.000Z'],
    [
      'tomorrow over a change: by the wall clock',
      'tomorrow 06:00',
      '2026-03-28T12:00:00Z',
      'Europe/London',
      '2026-03-29T05:00:00.000Z',
    ],
    ['a whole day that a zone skipped', '2011-12-30T12:00', NOON, 'Pacific/Apia', '2011-12-30T10:00:00.000Z'],
  ] as const) {
    it(`are read as ${what}: ${text}`, () => expect(iso(text, now, zone)).to.equal(expected));
  }

  it('are rejected if they are bare and more than 18 h ahead, with the suggestion "tomorrow"', () => {
    expect(() => iso('06:01', NOON, 'UTC'))
      .to.throw(BatchctlError, '18 h ahead')
      .that.includes({ kind: 'usage', hint: 'use "tomorrow 06:01", or a date and time' });
  });

  it('are rejected if they are bare and equal to now, which would be a whole day ahead', () => {
    expect(() => iso('12:00', NOON, 'UTC')).to.throw(BatchctlError, '18 h ahead');
  });

  const invalidDates = ['2026-02-30T10:00', '2026-13-01', '2026-11-30T18:30+99:00'];
  for (const text of ['', 'soon', '25:00', '18:60', 'in', 'in x', 'tomorrow', '18:30 UTC', ...invalidDates]) {
    it(`are rejected as a usage error: "${text}"`, () => {
      expect(() => iso(text, NOON, 'UTC'))
        .to.throw(BatchctlError)
        .that.includes({ kind: 'usage' });
    });
  }
});

describe('a number that is far too large', () => {
  const timeAt = (text: string): number => parseTime(text, { now: Date.parse(NOON), zone: 'Europe/London' });
  const parseStep = (field: string): unknown =>
    parseJobFile(`name: a\nsteps: [{ name: s, run: x, ${field} }]\n`, { file: 'job.yaml' });
  const parsers: Readonly<Record<string, (digits: string) => unknown>> = {
    'a duration': parseDuration,
    'a duration in days': (digits) => parseDuration(`${digits}d`),
    'a duration of several units': (digits) => parseDuration(`1d${digits}h`),
    'a size': parseSize,
    'a size in terabytes': (digits) => parseSize(`${digits}TB`),
    'a time to come': (digits) => timeAt(`in ${digits}h`),
    'a time of day': (digits) => timeAt(`${digits}:00`),
    'a date': (digits) => timeAt(`${digits}-01-01`),
    "a schedule's deadline": (digits) => finishByOf(`in ${digits}h`),
    'a count': wholeNumberParser(0),
    'an amount': parseDollars,
    'a split by size': (digits) => parseSplit(`csv:${digits}`),
    'a limit of a step': (digits) => parseStep(`timeout: ${digits}h`),
    'a limit of a step that is a number': (digits) => parseStep(`timeout: ${digits}`),
    'what a step needs': (digits) => parseStep(`needs: { memory: ${digits}GB }`),
  };

  for (const [what, parse] of Object.entries(parsers)) {
    it(`is reported as a mistake of its author: ${what.replace(/^an? /, '')}`, () => {
      for (const length of [20, 23, 309, 5_000]) {
        expect(() => parse('9'.repeat(length)))
          .to.throw()
          .that.satisfies(
            (error: unknown) =>
              isKind(error, 'usage', 'jobFile') ||
              // For an option, commander turns a RangeError into a usage error with the expected value.
              (error instanceof RangeError && error.message.startsWith('expected ')),
          );
      }
    });
  }

  it('is accepted for a time a hundred years ahead', () => {
    expect(parseDuration('36500d')).to.equal(3_153_600_000);
    expect(() => parseDuration('36501d')).to.throw(BatchctlError, 'at most 36500d');
    expect(new Date(timeAt('in 36500d')).toISOString()).to.equal('2126-11-06T12:00:00.000Z');
  });
});
