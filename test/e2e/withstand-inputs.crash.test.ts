// Protects: changed inputs, odd file names and paths outside the data directory never give wrong or leaked outputs.
import { existsSync, mkdirSync } from 'node:fs';
import { expect } from 'chai';
import { errorOf, expectExit } from '../support/expect-exit.ts';
import { forEachTest } from '../support/fixture.ts';
import { factsOf, SUCCEEDED } from '../support/job-facts.ts';
import { rangeJob } from '../support/range-job.ts';
import { until } from '../support/until.ts';
import { Workspace } from '../support/workspace.ts';
import { submitJob } from './submit-job.ts';

describe('inputs and limits', () => {
  const workspace = forEachTest(() => new Workspace(undefined, 6));

  it('fails tasks at once, with the reason, when their input changes while the job runs', async () => {
    workspace.write('numbers.txt', '1\n2\n3\n');
    const job = await submitJob(workspace, {
      name: 'changes',
      input: { from: 'numbers.txt', split: { by: 'lines', every: 1 } },
      steps: [{ name: 'only', run: `cd ${workspace.dir}; echo run >> ran; until [ -e go ]; do sleep 0.02; done; cat` }],
    });
    const worker = workspace.work({}, '--slots', '1');
    await until('the first task runs', () => workspace.lines('ran').length === 1);
    workspace.write('numbers.txt', '1\n2\n4\n');
    workspace.write('go', '');
    expectExit(await worker);
    const platform = await workspace.platform();
    const tasks = await (await platform.ledger()).tasks(job, { limit: 10 });
    expect(tasks.map(({ state, reason, attempts }) => ({ state, reason, attempts }))).to.deep.equal([
      { state: 'done', reason: null, attempts: 1 },
      { state: 'failed', reason: 'changed', attempts: 1 },
      { state: 'failed', reason: 'changed', attempts: 1 },
    ]);
    expect(workspace.lines('ran')).to.have.length(1);
    expect((await factsOf(platform, job)).state).to.equal('failed');
  });

  for (const from of ['store:../../secret', 'store:a/../../secret', 'store:/etc/passwd', 'store:..']) {
    it(`finds nothing outside data/ for an input ${from}`, async () => {
      workspace.write('secret', 'hidden\n');
      workspace.write('job.json', {
        name: 'outside',
        input: { from, split: { by: 'lines', every: 1 } },
        steps: [{ name: 'only', run: 'cat' }],
      });
      const ended = await workspace.run(['submit', 'job.json', '--json']);
      expect(ended.code, ended.stderr).to.be.oneOf([2, 3, 4]);
      expect(errorOf(ended).message).not.to.match(/hidden|bug/);
    });
  }

  for (const file of ['../secret', '/etc/passwd', 'a/../../secret']) {
    it(`refuses a job's file ${file}, and names the field`, async () => {
      workspace.write('job.json', { ...rangeJob('outside', 1, { name: 'only', run: 'cat' }), files: [file] });
      const ended = expectExit(await workspace.run(['submit', 'job.json', '--json']), 3);
      expect(errorOf(ended).message).to.include('files');
    });
  }

  it('accepts odd characters in names of inputs and outputs, and keeps them within their directory', async () => {
    mkdirSync(workspace.path('in'));
    const names = ['plain', 'with space', 'quote"\'$(touch pwned)', 'e\u0301-ü-漢字-🙂', 'a..b', '-rf', '%2e%2e'];
    for (const name of names) workspace.write(`in/${name}`, `${name}\n`);
    const job = await submitJob(workspace, {
      name: 'odd',
      input: { from: 'in/*', split: { by: 'file' } },
      steps: [{ name: 'only', output: 'files', run: 'read -r n; printf "%s\\n" "$n" > "$BATCHCTL_OUTPUT_DIR/$n"' }],
    });
    expectExit(await workspace.work());
    const facts = await factsOf(await workspace.platform(), job);
    expect(facts).to.deep.include(SUCCEEDED);
    expect(Object.values(facts.outputs.only ?? {}).sort()).to.deep.equal(names.map((name) => `${name}\n`).sort());
    expectExit(await workspace.run(['fetch', job, '-o', 'out/']));
    expect(existsSync(workspace.path('pwned'))).to.equal(false);
  });

  for (const { limit, rest, step } of [
    { limit: 'maxRunning of a job', rest: { maxRunning: 1 }, step: {} },
    { limit: 'maxRunning of a step', rest: {}, step: { maxRunning: 1 } },
    { limit: 'needs.slots: all', rest: {}, step: { needs: { slots: 'all' } } },
  ]) {
    it(`${limit} keeps a worker with four slots from running two at a time`, async () => {
      const job = await submitJob(workspace, {
        ...rangeJob('one-by-one', 4, {
          name: 'only',
          run: `cd ${workspace.dir}; echo 1 >> ran; sleep 0.1; echo -1 >> ran`,
          ...step,
        }),
        ...rest,
      });
      expectExit(await workspace.work({}, '--slots', '4'));
      expect(await factsOf(await workspace.platform(), job)).to.deep.include({ ...SUCCEEDED, counted: { only: 4 } });
      expect(workspace.lines('ran')).to.deep.equal(['1', '-1', '1', '-1', '1', '-1', '1', '-1']);
    });
  }

  it('a worker leaves a task that needs more than it has to others, and exits', async () => {
    const job = await submitJob(
      workspace,
      rangeJob('large', 1, { name: 'only', needs: { slots: 3 }, run: 'echo fits' }),
    );
    expectExit(await workspace.work());
    const platform = await workspace.platform();
    expect(await factsOf(platform, job)).to.deep.include({ state: 'running', queued: 1, dead: [] });
  });
});
