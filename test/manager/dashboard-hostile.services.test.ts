// Protects: text from jobs can't run as code or deceive people who read the dashboard.
import { expect } from 'chai';
import { layRangeJob } from '../support/manager/dashboard-jobs.ts';
import { DashboardSuite } from '../support/manager/dashboard-suite.ts';
import { keepPicture, widthFault } from '../support/manager/page-checks.ts';

const ATTACK = '<img src=x onerror="document.title=1"><script>document.title=1</script>';
/** Characters that reverse text, hide text, clear the screen, or set colours. */
const STRANGE = '\u202eevil\u202c \u200bhidden \u001b[2J\u001b[31mred\u001b[0m\u0007';

describe('hostile text on the dashboard', () => {
  const suite = new DashboardSuite();

  it('is shown as text only, with the names of characters that would hide or reverse it', async () => {
    const { workspace } = suite.server;
    const text = `${ATTACK} ${STRANGE}`;
    workspace.write('said', `${'a word '.repeat(2_000)}\n${'x'.repeat(5_000)}\n${text}\n`);
    const step = { name: 'one', attempts: 1, run: 'cat "$HOME/said" >&2; exit 9' };
    layRangeJob(workspace, 'evil', 2, step, { labels: { note: text } });
    const job = await workspace.submit('--run-key', 'evil-1');
    await workspace.work({}, '--quiet');
    await workspace.well('skip', job, '--task', 'one/1', '--reason', text);
    for (const width of [1280, 360]) {
      const { page } = await suite.look('', { viewport: { width, height: 800 } });
      for (const [name, hash, waited] of [
        ['jobs', 'jobs', 'evil-1'],
        ['job', `jobs/${job}`, '<script>'],
        ['task', `jobs/${job}/tasks/one/0`, '<script>'],
        ['tasks', `jobs/${job}/tasks`, '<script>'],
        ['history', `jobs/${job}/history`, '<script>'],
      ] as const) {
        await page.goto(`${suite.server.address}/#/${hash}`);
        await page.locator('main').getByText(waited).first().waitFor();
        const found = await page.evaluate<string>('document.body.innerHTML');
        for (const part of ['<img', '<script', '<iframe', '\u202e', '\u200b', '\u001b', '\u0007'])
          expect(found, name).not.to.include(part);
        expect(await page.title(), name).to.contain('batchctl');
        expect(await widthFault(page), name).to.equal(null);
        await keepPicture(page, `hostile-${name}-${width}`);
      }
      await page.goto(`${suite.server.address}/#/jobs/${job}/tasks/one/0`);
      await page
        .getByText(/⟨U\+202E⟩evil⟨U\+202C⟩ ⟨U\+200B⟩hidden ␛\[2Jred␇/)
        .first()
        .waitFor();
    }
  });

  it('in the address of a job only produces an error message', async () => {
    const { page, heard } = await suite.look(
      '#/jobs/..%2F..%2Fapi%2Fv1%2Fme/%E0%A4%A',
      {},
      await suite.server.token('read'),
    );
    heard.allow = /40[04]/;
    await page.getByRole('alert').waitFor();
  });
});
