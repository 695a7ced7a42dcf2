// Protects: the crontab lines of docs/cron.md run the right month on the right day, in any zone and after downtime.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { type CronEntry, CronScripts, crontabsIn, instantOf, isDue } from '../support/cron-scripts.ts';
import { forEachTest } from '../support/fixture.ts';

const PAGE = readFileSync(join(import.meta.dirname, '../../docs/cron.md'), 'utf8');
const LONDON = 'Europe/London';
const MONTHS = ['01', '02', '03', '04', '05', '06', '07', '08', '09', '10', '11', '12'];

describe('the monthly lines of docs/cron.md', () => {
  const [main, other] = crontabsIn(PAGE);
  if (main === undefined || other === undefined) throw new Error('expected two crontabs in docs/cron.md');
  const entry = (command: string): CronEntry => {
    const found = [...main.entries, ...other.entries].find(({ line }) => line.endsWith(command));
    if (found === undefined) throw new Error(`docs/cron.md has no line that ends in ${command}`);
    return found;
  };
  const lastDay = entry('/month-end.sh last-day');
  const morning = main.entries.find(({ line }) => /^30 6 1-3 .*\/month-end\.sh$/.test(line)) ?? lastDay;
  const bare = entry('"$(date +\\%Y-\\%m)"');

  const scripts = forEachTest(() => new CronScripts(main, 'recording'));

  /** Lets a minute pass on a host and fires the due lines. Returns the periods that ran. */
  async function minute(
    lines: readonly CronEntry[],
    at: Date,
    zones: { readonly host: string; readonly books: string },
  ) {
    for (const line of lines.filter((one) => isDue(one, at, zones.host))) {
      const { code, mail } = await scripts.fire(line, { at, env: { TZ: zones.books } });
      if (!line.line.startsWith('30 18 28-31 * *  ['))
        expect({ code, mail }, `${line.line} ${at.toISOString()}`).to.deep.equal({ code: 0, mail: '' });
    }
    return scripts.takePeriods();
  }
  const here = (lines: readonly CronEntry[], time: string, zone = LONDON) =>
    minute(lines, instantOf(time, zone), { host: zone, books: zone });

  for (const [year, leap] of [
    [2024, 'a leap year'],
    [2026, 'no leap year'],
    [2100, 'no leap year either'],
  ] as const) {
    it(`fire on the last day of each month of ${year}, ${leap}, at 18:30, and on no day before`, async () => {
      const february = leap === 'a leap year' ? 29 : 28;
      const days = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
      const months = year === 2100 ? [1] : [...MONTHS.keys()];
      for (const index of months) {
        const [month, last] = [`${year}-${MONTHS[index]}`, days[index] ?? 0];
        expect(await here([lastDay], `${month}-${last} 18:30`), month).to.deep.equal([month]);
        expect(await here([lastDay], `${month}-${last} 18:29`), month).to.deep.equal([]);
        expect(await here([lastDay], `${month}-${last - 1} 18:30`), month).to.deep.equal([]);
      }
    });
  }

  it('are right if the clocks change on the last day, or the day after', async () => {
    expect(await here([lastDay, bare], '2024-03-31 18:30')).to.deep.equal(['2024-03', '2024-03']);
    expect(await here([lastDay, bare], '2027-10-31 18:30')).to.deep.equal(['2027-10', '2027-10']);
    expect(await here([lastDay, bare], '2026-10-31 18:30', 'America/New_York')).to.deep.equal(['2026-10', '2026-10']);
    expect(await here([lastDay], '2024-03-30 18:30')).to.deep.equal([]);
    expect(await here([lastDay], '2026-10-30 18:30', 'America/New_York')).to.deep.equal([]);
  });

  it('use the day of their own zone, even if it is another day in UTC', async () => {
    for (const zone of ['Pacific/Auckland', 'Pacific/Kiritimati', 'Pacific/Honolulu', 'America/Los_Angeles']) {
      expect(await here([lastDay, bare], '2026-11-30 18:30', zone), zone).to.deep.equal(['2026-11', '2026-11']);
      expect(await here([lastDay, bare], '2026-11-29 18:30', zone), zone).to.deep.equal([]);
    }
  });

  it('use the day of TZ on a host in UTC', async () => {
    const utc = (time: string, books: string) =>
      minute([lastDay, morning], instantOf(time, 'UTC'), { host: 'UTC', books });
    expect(await utc('2026-11-29 18:30', 'Pacific/Auckland'), 'the 30th, 07:30, there').to.deep.equal(['2026-11']);
    expect(await utc('2026-11-30 18:30', 'Pacific/Auckland'), '1 December there').to.deep.equal([]);
    expect(await utc('2026-11-30 18:30', 'Pacific/Honolulu'), 'the 30th, 08:30, there').to.deep.equal(['2026-11']);
    expect(await utc('2026-12-01 06:30', 'Pacific/Honolulu'), 'still the 30th there').to.deep.equal(['2026-11']);
  });

  it('run the past month when they fire late, even at new year', async () => {
    const late = async (time: string) => {
      await scripts.fire(morning, { at: instantOf(time, LONDON) });
      return scripts.takePeriods();
    };
    expect(await late('2026-12-01 00:00')).to.deep.equal(['2026-11']);
    expect(await late('2027-01-01 00:10')).to.deep.equal(['2026-12']);
    expect(await late('2024-03-01 00:10')).to.deep.equal(['2024-02']);
    expect(await late('2026-08-08 09:09')).to.deep.equal(['2026-07']);
    expect(await late('2026-12-15 23:59')).to.deep.equal(['2026-11']);
    expect(await late('2026-12-16 00:00')).to.deep.equal(['2026-12']);
  });

  it('catch up in the morning on what a host that was down missed', async () => {
    expect(await here(main.entries, '2027-01-01 06:30')).to.deep.equal(['2026-12']);
    expect(await here(main.entries, '2027-01-04 06:30')).to.deep.equal([]);
  });

  it('find the last business day, before weekends and holidays', async () => {
    const line = entry('last-business-day');
    writeFileSync(scripts.path('holidays'), '2026-12-30\n2026-12-31 New Year’s Eve\n');
    for (const [month, day] of [
      ['2026-05', 29], // the 31st is a Sunday
      ['2026-10', 30], // a Saturday
      ['2026-11', 30], // a Monday
      ['2027-02', 26], // a Sunday
      ['2026-12', 29],
    ] as const) {
      expect(await here([line], `${month}-${day} 18:30`), month).to.deep.equal([month]);
      expect(await here([line], `${month}-${day - 1} 18:30`), month).to.deep.equal([]);
      const next = new Date(instantOf(`${month}-${day} 18:30`, LONDON).getTime() + 86_400_000);
      expect(await minute([line], next, { host: LONDON, books: LONDON }), month).to.deep.equal([]);
    }
  });

  it('run the month before on the 1st, and the day before each day', async () => {
    const first = other.entries.find(({ line }) => line.startsWith('30 6 1 * *')) ?? bare;
    expect(await here([first], '2027-01-01 06:30')).to.deep.equal(['2026-12']);
    expect(await here([first], '2024-03-01 06:30')).to.deep.equal(['2024-02']);
    const daily = entry('/daily.sh');
    expect(await here([daily], '2026-03-30 04:15'), 'that day had 23 hours').to.deep.equal(['2026-03-29']);
    expect(await here([daily], '2026-10-26 04:15'), 'and that one 25').to.deep.equal(['2026-10-25']);
    expect(await here([daily], '2024-03-01 04:15')).to.deep.equal(['2024-02-29']);
    expect(await here([daily], '2027-01-01 04:15')).to.deep.equal(['2026-12-31']);
    expect(await here([daily], '2026-08-09 04:15')).to.deep.equal(['2026-08-08']);
  });

  it('run the given period, whatever the date', async () => {
    await scripts.fire(`${scripts.path('month-end.sh')} 2025-07`, { at: instantOf('2026-11-30 18:30', LONDON) });
    expect(scripts.takePeriods()).to.deep.equal(['2025-07']);
    const wrong = await scripts.fire(`${scripts.path('month-end.sh')} lastday`, {
      at: instantOf('2026-11-30 18:30', LONDON),
    });
    expect(wrong.code).to.equal(2);
    expect(wrong.mail).to.contain('expected last-day, last-business-day');
    expect(scripts.takePeriods()).to.deep.equal([]);
  });
});
