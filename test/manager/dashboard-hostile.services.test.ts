// Protects: text from jobs can't run as code or deceive readers of the dashboard.
import { expect } from 'chai';
import { writeRangeJob } from '../support/manager/dashboard-jobs.ts';
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
    workspace.write('log', `${'a word '.repeat(2_000)}\n${'x'.repeat(5_000)}\n${text}\n`);
    const step = { name: 'one', attempts: 1, run: 'cat "$HOME/log" >&2; exit 9' };
    writeRangeJob(workspace, 'evil', 2, step, { note: text });
    const job = await workspace.submit('--run-key', 'evil-1');
    await workspace.work({}, '--quiet');
    await workspace.runSuccessfully('skip', job, '--task', 'one/1', '--reason', text);
    for (const width of [1280, 360]) {
      const { page } = await suite.open('', { viewport: { width, height: 800 } });
      for (const [name, view, expected] of [
        ['jobs', 'jobs', 'evil-1'],
        ['job', `jobs/${job}`, '<script>'],
        ['task', `jobs/${job}/tasks/one/0`, '<script>'],
        ['tasks', `jobs/${job}/tasks`, '<script>'],
        ['history', `jobs/${job}/history`, '<script>'],
      ] as const) {
        await suite.goTo(page, view);
        await page.locator('main').getByText(expected).first().waitFor();
        const html = await page.evaluate<string>('document.body.innerHTML');
        for (const part of ['<img', '<script', '<iframe', '\u202e', '\u200b', '\u001b', '\u0007'])
          expect(html, name).not.to.include(part);
        expect(await page.title(), name).to.contain('batchctl');
        expect(await widthFault(page), name).to.equal(null);
        await keepPicture(page, `hostile-${name}-${width}`);
      }
      await suite.goTo(page, `jobs/${job}/tasks/one/0`);
      await page
        .getByText(/⟨U\+202E⟩evil⟨U\+202C⟩ ⟨U\+200B⟩hidden ␛\[2Jred␇/)
        .first()
        .waitFor();
    }
  });

  it('in the address of a job only produces an error message', async () => {
    const token = await suite.server.token('read');
    const { page, faults } = await suite.open('#/jobs/..%2F..%2Fapi%2Fv1%2Fme/%E0%A4%A', {}, token);
    faults.allow = /40[04]/;
    await page.getByRole('alert').waitFor();
  });
});
