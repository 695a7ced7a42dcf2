// Protects: the dashboard is complete and accessible at every screen width, dark or light.

import { expect } from 'chai';
import { writeClaimsJob, writeRangeJob } from '../support/manager/dashboard-jobs.ts';
import { DashboardSuite } from '../support/manager/dashboard-suite.ts';
import { keepPicture, layoutFaults } from '../support/manager/page-checks.ts';
import { until } from '../support/until.ts';

const SCREENS = [
  { width: 1280, height: 900, colorScheme: 'light' },
  { width: 1280, height: 900, colorScheme: 'dark' },
  { width: 360, height: 740, colorScheme: 'light' },
  { width: 360, height: 740, colorScheme: 'dark' },
] as const;

describe('the appearance of the dashboard', () => {
  let job = '';
  const suite = new DashboardSuite({
    prepare: async ({ workspace }) => {
      writeRangeJob(workspace, 'nightly', 3, { name: 'copy', run: 'cat' });
      await workspace.submit('--run-key', 'nightly-1');
      await workspace.runSuccessfully(
        'schedule',
        'add',
        'nightly',
        'job.json',
        '--cron',
        '0 6 * * *',
        '--tz',
        'Europe/London',
      );
      await workspace.work({}, '--quiet');
      writeClaimsJob(workspace);
      job = await workspace.submit('--run-key', 'claims-2026-11', '--finish-by', 'in 2h');
      workspace.start(['worker', '--slots', '2', '--quiet']);
      await until('the first half is done', async () => {
        const [step] = (await suite.server.status(job)).steps;
        return step?.failed === 4 && step.running === 2;
      });
    },
  });

  /** Each view, and a text that it contains once it is complete. */
  const VIEWS = [
    ['jobs', () => 'jobs', 'claims-2026-11'],
    ['job', () => `jobs/${job}`, 'Slowest tasks'],
    ['tasks', () => `jobs/${job}/tasks`, 'price/19'],
    ['task', () => `jobs/${job}/tasks/price/6`, 'row 7: read'],
    ['history', () => `jobs/${job}/history`, 'sent its first tasks'],
    ['results', () => `jobs/${job}/results?step=price`, 'price/0'],
    ['unproven', () => `jobs/${job}/proof`, 'There is no proof yet'],
    ['job-file', () => `jobs/${job}/file`, 'permanent:'],
    ['submit', () => 'submit', 'Start another run'],
    ['workers', () => 'workers', 'busy with'],
    ['queues', () => 'queues', 'dead letters'],
    ['schedules', () => 'schedules', 'Coming up'],
    ['no-view', () => 'nowhere', 'Page not found'],
  ] as const;

  for (const { width, height, colorScheme } of SCREENS) {
    it(`is complete, fits the screen and is accessible: ${width} wide, ${colorScheme}`, async () => {
      const { page, faults: consoleFaults } = await suite.open('', { viewport: { width, height }, colorScheme });
      consoleFaults.allow = /404/;
      const faults: string[] = [];
      const check = async (name: string): Promise<void> => {
        faults.push(...(await layoutFaults(page)).map((line) => `${name}: ${line}`));
        await keepPicture(page, `${name}-${width}-${colorScheme}`);
      };
      for (const [name, view, text] of VIEWS) {
        await suite.goTo(page, view());
        await page.locator('main').getByText(text).first().waitFor({ state: 'attached' });
        if (name === 'job') await page.locator('.course canvas').nth(2).waitFor();
        await check(name);
      }
      await suite.goTo(page, 'jobs/none-there');
      await page.getByRole('alert').waitFor();
      await suite.goTo(page, `jobs/${job}`);
      await page
        .getByRole('button', { name: /^Retry cause/ })
        .first()
        .click();
      await page.getByText('Would retry').waitFor();
      await check('dialog');
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: 'sign out' }).click();
      await page.getByLabel('Token').waitFor();
      await check('sign-in');
      expect(faults).to.deep.equal([]);
    });
  }

  it('is not animated for people who prefer reduced motion', async () => {
    const durationOf = async (reducedMotion: 'reduce' | 'no-preference'): Promise<string> => {
      const { page } = await suite.open('', { reducedMotion });
      await page.locator('.bar span').first().waitFor();
      return page.evaluate<string>(`getComputedStyle(document.querySelector('.bar span')).transitionDuration`);
    };
    expect(await durationOf('reduce')).to.equal('0s');
    expect(await durationOf('no-preference')).to.equal('0.4s');
  });
});
