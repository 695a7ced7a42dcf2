// Protects: the commands and crontab lines of docs/schedules.md work as shown.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { CronScripts, crontabsIn } from '../support/cron-scripts.ts';
import { movedClock } from '../support/moved-clock.ts';
import { tryBlocks } from './reader-shell.ts';

const PAGE = readFileSync(join(import.meta.dirname, '../../docs/schedules.md'), 'utf8');

describe('docs/schedules.md', () => {
  it('shows real results of its files and commands', async () => {
    await tryBlocks(PAGE, movedClock('2026-11-26T09:45:00Z'));
  });

  it('has crontab lines that run the month once, however often they fire, and mail nothing', async () => {
    const [crontab] = crontabsIn(PAGE);
    if (crontab === undefined) throw new Error('the page has no crontab');
    const [tick, worker] = crontab.entries;
    if (tick === undefined || worker === undefined) throw new Error('the crontab lacks its lines');
    const scripts = new CronScripts(crontab, 'batchctl');
    try {
      const add = 'batchctl schedule add month-end claims.yaml --calendar last-business-day --tz Europe/London';
      const made = await scripts.fire(`cd ${scripts.path()} && ${add}`, { at: new Date('2026-11-27T12:00:00Z') });
      expect(made.code, made.mail).to.equal(0);
      const at = new Date('2026-11-30T18:00:01Z');
      const late = await scripts.fire(tick, { at });
      expect(late, 'the input is not there').to.include({ code: 4 });
      expect(late.mail).to.match(
        /^warning: schedule month-end, 2026-11: the input in\/claims-2026-11.csv matches nothing/,
      );
      scripts.write('in/claims-2026-11.csv', 'id,region,amount\n1,EU,2.50\n2,UK,3.00\n');
      const both = await Promise.all([scripts.fire(tick, { at }), scripts.fire(tick, { at })]);
      const again = await scripts.fire(tick, { at: new Date('2026-12-01T17:59:00Z') });
      const worked = await scripts.fire(worker, { at });
      for (const fired of [...both, again, worked]) expect(fired).to.deep.equal({ code: 0, mail: '' });
      expect((await scripts.jobs()).map(({ runKey, state }) => `${runKey} ${state}`)).to.deep.equal([
        'month-end@2026-11 succeeded',
      ]);
    } finally {
      await scripts.remove();
    }
  });
});
