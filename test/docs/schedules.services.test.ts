// Protects: the commands and crontab lines of docs/schedules.md work as shown.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { CronDesk } from '../support/cron-desk.ts';
import { crontabsIn } from '../support/crontab.ts';
import { movedClock } from '../support/moved-clock.ts';
import { Desk } from './desk.ts';
import { markedBlocks } from './readme-blocks.ts';
import { tryOut } from './try-out.ts';

const PAGE = readFileSync(join(import.meta.dirname, '../../docs/schedules.md'), 'utf8');

describe('docs/schedules.md', () => {
  it('shows what happens: its files written and its commands typed', async () => {
    const desk = new Desk(movedClock('2026-11-26T09:45:00Z'));
    try {
      for (const block of markedBlocks(PAGE)) await tryOut(desk, block);
    } finally {
      await desk.remove();
    }
  });

  it('has crontab lines that fire the month once, however often, work on it, and mail nothing', async () => {
    const [crontab] = crontabsIn(PAGE);
    if (crontab === undefined) throw new Error('the page has no crontab');
    const [tick, worker] = crontab.entries;
    if (tick === undefined || worker === undefined) throw new Error('the crontab lacks its lines');
    const desk = new CronDesk(crontab, 'batchctl');
    try {
      const add = 'batchctl schedule add month-end claims.yaml --calendar last-business-day --tz Europe/London';
      const made = await desk.fire(`cd ${desk.path()} && ${add}`, { at: new Date('2026-11-27T12:00:00Z') });
      expect(made.code, made.mail).to.equal(0);
      const at = new Date('2026-11-30T18:00:01Z');
      const late = await desk.fire(tick, { at });
      expect(late, 'the input is not there').to.include({ code: 4 });
      expect(late.mail).to.match(
        /^warning: schedule month-end, 2026-11: the input in\/claims-2026-11.csv matches nothing/,
      );
      desk.write('in/claims-2026-11.csv', 'id,region,amount\n1,EU,2.50\n2,UK,3.00\n');
      const both = await Promise.all([desk.fire(tick, { at }), desk.fire(tick, { at })]);
      const again = await desk.fire(tick, { at: new Date('2026-12-01T17:59:00Z') });
      const worked = await desk.fire(worker, { at });
      for (const fired of [...both, again, worked]) expect(fired).to.deep.equal({ code: 0, mail: '' });
      expect(desk.jobs().map(({ runKey, state }) => `${runKey} ${state}`)).to.deep.equal([
        'month-end@2026-11 succeeded',
      ]);
    } finally {
      await desk.remove();
    }
  });
});
