import { join } from 'node:path';
import { openBrowser } from '../test/support/browser.ts';
import { DashboardServer } from '../test/support/manager/dashboard-server.ts';
import { until } from '../test/support/until.ts';

/** Takes the picture of the dashboard that the docs show, after a change of its looks: `npm run docs:dashboard`. */
const PICTURE = join(import.meta.dirname, 'dashboard.png');

/** Of 1,200 claims a few have no rate, and one can't be read; each takes as long as its number says. */
const SCRIPT = `read n
case $n in
  1[0-9][27]) echo "row $n: no rate for EUR on that day" >&2; exit 3;;
  88) echo "row $n: amount unreadable: 1.2.3" >&2; exit 65;;
  *5) [ "$BATCHCTL_ATTEMPT" = "\${BATCHCTL_ATTEMPT#[a-d]}" ] || { echo "upstream is busy" >&2; exit 75; };;
esac
sleep 0.0$((n % 7 + 3))
`;

const server = await DashboardServer.open();
const browser = await openBrowser();
try {
  const { workspace } = server;
  workspace.write('price.sh', SCRIPT);
  workspace.write('job.json', {
    name: 'claims',
    files: ['price.sh'],
    input: { split: { by: 'range', from: 1, to: 1200 } },
    steps: [
      { name: 'price', attempts: 3, permanent: [3, 65], run: ['sh', 'price.sh'] },
      { name: 'total', gather: true, run: 'wc -l' },
    ],
  });
  const job = await workspace.submit('--run-key', 'claims-2026-11', '--finish-by', 'in 40m');
  const token = await server.token('operate', 'anna');
  workspace.start(['worker', '--slots', '2', '--quiet']);
  const { page } = await server.look(
    browser,
    token,
    { viewport: { width: 1280, height: 1700 }, colorScheme: 'light' },
    `#/jobs/${job}`,
  );
  const done = async (): Promise<number> =>
    JSON.parse((await workspace.run(['status', job, '--json'])).stdout).steps[0].done;
  await until('half of it is done', async () => (await done()) >= 560, 180_000);
  // As it is opened at that moment: with all that is asked but now and then.
  await page.reload();
  await page.locator('.course canvas').first().waitFor();
  await page.getByText('no rate for EUR').first().waitFor();
  await page.screenshot({ path: PICTURE, caret: 'initial' });
} finally {
  await browser.close();
  await server.close();
}
