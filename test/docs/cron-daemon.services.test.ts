// Protects: the crontab of docs/cron.md works under a real cron daemon, and sends mail only when something went wrong.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { CronDesk, instantOf } from '../support/cron-desk.ts';
import { crontabsIn } from '../support/crontab.ts';
import { RealCron } from '../support/real-cron.ts';
import { until } from '../support/until.ts';

const PAGE = readFileSync(join(import.meta.dirname, '../../docs/cron.md'), 'utf8');
/** Ten seconds before the line is due. */
const BEFORE = instantOf('2026-11-30 18:29:50', 'Europe/London');

describe("docs/cron.md's crontab, in a real cron whose clock was moved", () => {
  const [crontab] = crontabsIn(PAGE);
  if (crontab === undefined) throw new Error('docs/cron.md has no crontab');
  let desk: CronDesk;
  let cron: RealCron;
  beforeEach(() => {
    desk = new CronDesk(crontab, 'batchctl');
    cron = new RealCron(desk.path('cron'));
  });
  afterEach(async () => {
    await cron?.stop();
    await desk.remove();
  });

  /** The page's crontab as it stands, for the scripts that lie here. */
  const text = (): string => {
    const block = /^```crontab\n([\s\S]*?)^```$/m.exec(PAGE)?.[1] ?? '';
    return block.replaceAll('/srv/claims', desk.path()).replace(/^PATH=.*$/m, `PATH=${desk.env().PATH}`);
  };
  const firings = () =>
    existsSync(desk.path('log/claims-2026-11.log')) ? desk.read('log/claims-2026-11.log').match(/^== /gm) : null;

  it('runs the month at 18:30 on the last day, and mails nobody when it went well', async () => {
    desk.write('in/claims-2026-11.csv', 'id,region,amount\n1,EU,2.50\n');
    cron.start(text(), BEFORE);
    await until('the report is there', () => cron.mails() && existsSync(desk.path('out/claims-2026-11.html')));
    expect(desk.read('out/claims-2026-11.csv')).to.equal('region,amount\nEU,2.50\n');
    expect(firings()).to.have.length(1);
    expect(cron.mails()).to.deep.equal([]);
  });

  it('mails MAILTO what mends it when it went wrong', async () => {
    desk.write('in/claims-2026-11.csv', 'id,region,amount\n1,EU,2;50\n');
    cron.start(text(), BEFORE);
    const mail = await until('a mail', () => cron.mails().find((one) => one.includes('run-period.sh')));
    expect(mail)
      .to.match(/^To: month-end@example\.com$/m)
      .and.match(/^Subject: .*month-end\.sh last-day$/m);
    expect(mail).to.contain('not an amount: 1,EU,2;50').and.contain('batchctl retry key:claims-2026-11');
  });
});
