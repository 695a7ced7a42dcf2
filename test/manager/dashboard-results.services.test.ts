// Protects: the dashboard shows a job's proof, file, inputs and outputs as they are stored, saves them unchanged, and submits jobs.
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import type { Page } from 'playwright-core';
import { createGates, gate, openGate } from '../support/manager/dashboard-jobs.ts';
import { confirmAction, DashboardSuite, waitUntilLive } from '../support/manager/dashboard-suite.ts';
import { keepPicture, layoutFaults } from '../support/manager/page-checks.ts';
import { rangeJob } from '../support/range-job.ts';
import { until } from '../support/until.ts';

/** Not text: a browser that decoded it would change it. */
const BINARY = Buffer.from([0, 255, 254, 128, 10, 13, 0]);

describe("a job's results on the dashboard", () => {
  let job = '';
  const suite = new DashboardSuite({
    prepare: async ({ workspace }) => {
      workspace.write('claims.csv', 'id,amount\n1,10.50\n2,20.25\n');
      await workspace.runSuccessfully('upload', 'claims.csv', '--to', 'november/');
      workspace.write('job.json', {
        name: 'price',
        params: { region: 'EU' },
        input: { from: 'store:november/claims.csv', split: { by: 'csv', every: 1, header: true } },
        steps: [
          {
            name: 'map',
            run: "tail -n 1 | cut -d, -f2 | sed 's/^/amount /' >> $BATCHCTL_COUNTERS; printf '\\000\\377\\376\\200\\n\\r\\000'",
          },
          {
            name: 'pack',
            gather: true,
            output: 'files',
            run: 'cat > /dev/null; echo one > $BATCHCTL_OUTPUT_DIR/a.txt; mkdir $BATCHCTL_OUTPUT_DIR/b; echo two > $BATCHCTL_OUTPUT_DIR/b/c.txt',
          },
        ],
        expect: ['map.amount == 30.75'],
      });
      job = await workspace.submit('--run-key', 'price-2026-11', '--period', '2026-11');
      await workspace.work({}, '--quiet');
    },
  });
  const waitForText = (page: Page, text: string | RegExp): Promise<void> => page.getByText(text).first().waitFor();

  /** What the browser saved after a button was pressed. */
  async function saved(
    page: Page,
    press: () => Promise<void>,
  ): Promise<{ readonly name: string; readonly bytes: Buffer }> {
    const [download] = await Promise.all([page.waitForEvent('download'), press()]);
    return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
  }

  it('are proven on request, and the proof shows each control total with both sides', async () => {
    const { page } = await suite.open(`#/jobs/${job}/proof`);
    await waitForText(page, 'This job has not been verified yet.');
    await page.getByRole('button', { name: `Verify ${job}...` }).click();
    await confirmAction(page, 'Verify', /^Done\. The job is proven\.$/);
    await waitForText(page, 'as succeeded');
    const totals = page.getByRole('table', { name: 'Control totals' });
    await totals.getByText('map.amount == 30.75').waitFor();
    const cells = await totals.locator('tbody tr').first().locator('td').allTextContents();
    expect(cells).to.deep.equal(['30.75', '30.75', 'holds']);
    expect(await layoutFaults(page)).to.deep.equal([]);
    await keepPicture(page, 'proof');
  });

  it('can be saved byte for byte: an output, the files of another, an input', async () => {
    const { page } = await suite.open(`#/jobs/${job}/results?step=map`);
    const first = await saved(page, () => page.getByRole('button', { name: 'Download the output of map/0' }).click());
    expect(first).to.deep.equal({ name: `${job}-map-0`, bytes: BINARY });
    await page.getByLabel('Step').selectOption('pack');
    await page.getByRole('button', { name: 'Download the output of pack/0' }).click();
    const packed = await saved(page, () => page.getByRole('button', { name: 'b/c.txt' }).click());
    expect([packed.name, String(packed.bytes)]).to.deep.equal(['c.txt', 'two\n']);
    const input = await saved(page, () => page.getByRole('button', { name: /^Download .*claims\.csv$/ }).click());
    expect(String(input.bytes)).to.equal('id,amount\n1,10.50\n2,20.25\n');
    expect(await layoutFaults(page)).to.deep.equal([]);
    await keepPicture(page, 'results');
  });

  it('are not saved if the stored bytes differ from what was published', async () => {
    const { page, faults } = await suite.open(`#/jobs/${job}/results?step=map`);
    faults.allow = /never/;
    const wrong = Buffer.from(BINARY).fill(7);
    await page.route(/\/objects\?key=.*out.*through=true/, (route) => route.fulfill({ body: wrong }));
    await page.getByRole('button', { name: 'Download the output of map/1' }).click();
    await page.getByRole('alert').getByText('is not what was published').waitFor();
  });

  it('include the report as one file, and the job file, which submits the job again', async () => {
    const { page } = await suite.open(`#/jobs/${job}`);
    const report = await saved(page, () => page.getByRole('button', { name: 'Download the report' }).click());
    expect(report.name).to.equal(`${job}-report.html`);
    expect(String(report.bytes))
      .to.match(/^<!doctype html>/)
      .and.to.contain('price-2026-11');
    await page.getByRole('link', { name: 'Job file' }).click();
    const file = await saved(page, () => page.getByRole('button', { name: 'Download', exact: true }).click());
    expect(file.name).to.equal(`${job}.yaml`);
    expect(String(file.bytes)).to.contain('name: price\n').and.to.contain('region: EU');
    await keepPicture(page, 'job-file');
    await page.getByRole('link', { name: 'Submit it again' }).click();
    await page.getByRole('button', { name: 'Check first' }).click();
    await waitForText(page, '1 input (26B), 2 parts.');
    await page.getByRole('button', { name: 'Submit', exact: true }).click();
    const link = page.locator('.calm a');
    await link.waitFor();
    const again = (await link.textContent()) ?? '';
    expect(again)
      .to.match(/^price-/)
      .and.not.to.equal(job);
    const { workspace } = suite.server;
    const status = JSON.parse((await workspace.runSuccessfully('status', 'key:price-2026-11', '--json')).stdout);
    expect(status).to.include({ job: again, runKey: 'price-2026-11' });
    expect(await layoutFaults(page)).to.deep.equal([]);
    await keepPicture(page, 'submit');
  });

  it('can be made again as the job was retried, and the form says what that changed', async () => {
    const { workspace } = suite.server;
    const write = (name: string, run: string) =>
      workspace.write(name, {
        name: 'clean',
        params: { bad: 'stop', keep: 'all' },
        input: { split: { by: 'range', from: 1, to: 2 } },
        steps: [{ name: 'map', run, attempts: 1 }],
      });
    write('job.json', 'exit 3');
    const other = await workspace.submit();
    await workspace.work({}, '--quiet');
    write('fixed.json', 'echo "$BATCHCTL_PARAM_BAD"');
    await workspace.runSuccessfully('retry', other, '--set', 'bad=skip');
    await workspace.work({}, '--quiet');
    await workspace.runSuccessfully('retry', other, '--with', 'fixed.json');
    await workspace.work({}, '--quiet');
    const { page } = await suite.open(`#/jobs/${other}`);
    await page.getByRole('link', { name: 'Run again' }).click();
    const changes = page.getByRole('list', { name: 'Changes since the job was accepted' });
    await changes.waitFor();
    expect(await changes.getByRole('listitem').allTextContents()).to.deep.equal([
      'params.bad: skip (accepted with: stop)',
      'steps.map.run: echo "$BATCHCTL_PARAM_BAD" (accepted with: exit 3)',
    ]);
    expect(await page.getByLabel('Job file').inputValue())
      .to.include('bad: skip')
      .and.include('keep: all')
      .and.include('BATCHCTL_PARAM_BAD');
    expect(await layoutFaults(page)).to.deep.equal([]);
    await keepPicture(page, 'submit-changed');
    await page.getByRole('button', { name: 'Submit', exact: true }).click();
    await page.locator('.calm a').waitFor();
    await workspace.work({}, '--quiet');
    expect((await workspace.runSuccessfully('fetch', 'name:clean', '-o', '-')).stdout).to.equal('skip\nskip\n');
  });

  it('of a new job from a form: mistakes are named with their line, and nothing is submitted', async () => {
    const { page, faults } = await suite.open('#/submit');
    faults.allow = /422|400/;
    const text = page.getByLabel('Job file');
    await text.fill(
      'name: sums\ninput: { split: { by: range, from: 1, to: 3 } }\nsteps:\n  - { name: one, rum: cat }\n',
    );
    await page.getByRole('button', { name: 'Submit', exact: true }).click();
    await page
      .getByRole('alert')
      .getByText(/:4:\d+: steps\[0\]/)
      .first()
      .waitFor();
    await text.fill(
      'name: sums\ninput: { split: { by: range, from: 1, to: 3 } }\nsteps:\n  - { name: one, run: cat }\n',
    );
    await page.getByRole('button', { name: 'Submit', exact: true }).click();
    await page.locator('.calm a').click();
    await waitForText(page, 'of 3 tasks done');
    expect(await suite.server.status('name:sums')).to.include({ state: 'running' });
  });

  it('are offered for download and another run only as far as the token allows', async () => {
    const { page } = await suite.open(`#/jobs/${job}`, {}, await suite.server.token('read', 'reader'));
    await waitForText(page, 'Succeeded');
    expect(await page.getByRole('link', { name: 'Run again' }).count()).to.equal(0);
    await page.getByRole('link', { name: 'Jobs', exact: true }).first().click();
    await waitUntilLive(page);
    expect(await page.getByRole('link', { name: 'Submit a job' }).count()).to.equal(0);
  });
});

describe('running tasks on the dashboard', () => {
  const suite = new DashboardSuite({ prepare: ({ workspace }) => createGates(workspace, 'wait') });

  it('show how long they have run, and leave the list when they end', async () => {
    const { workspace } = suite.server;
    workspace.write('job.json', rangeJob('waits', 2, { name: 'one', run: `read n; ${gate('wait')}; echo $n` }));
    const job = await workspace.submit();
    workspace.start(['worker', '--slots', '2', '--quiet']);
    const { page } = await suite.open(`#/jobs/${job}/tasks?state=running`);
    const rows = page.locator('main tbody tr');
    await rows.nth(1).waitFor();
    await rows.first().getByText('so far').waitFor();
    const duration = async (): Promise<string> =>
      (await rows.first().locator('td', { hasText: 'so far' }).textContent()) ?? '';
    const before = await duration();
    await until('the duration grows', async () => (await duration()) !== before);
    openGate(workspace, 'wait');
    await page.getByText('No tasks match.').waitFor();
  });
});

describe('links of the dashboard that open a tab', () => {
  const suite = new DashboardSuite();

  it('keep the session, without storing the token, and signing out ends it in all tabs', async () => {
    const { page } = await suite.open();
    await waitUntilLive(page);
    const [tab] = await Promise.all([
      page.context().waitForEvent('page'),
      page.getByRole('link', { name: 'Queues' }).click({ modifiers: ['Control'] }),
    ]);
    await waitUntilLive(tab);
    expect(tab.url()).to.match(/#\/queues$/);
    expect(await tab.evaluate<string>('JSON.stringify([{ ...localStorage }, document.cookie])')).not.to.contain('bct_');
    await tab.getByRole('button', { name: 'sign out' }).click();
    for (const each of [tab, page]) await each.getByLabel('Token').waitFor();
    expect(await page.evaluate('sessionStorage.length')).to.equal(0);
  });
});
