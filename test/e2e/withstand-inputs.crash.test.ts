// Protects: changed inputs, odd file names and paths outside the data directory never give wrong or leaked outputs.
import { existsSync, mkdirSync } from 'node:fs';
import { expect } from 'chai';
import { forEachTest } from '../support/fixture.ts';
import { factsOf, SUCCEEDED } from '../support/job-facts.ts';
import { until } from '../support/until.ts';
import { type Ended, Workspace } from '../support/workspace.ts';

const errorOf = ({ stderr }: Ended): { kind: string; message: string } =>
  JSON.parse(stderr.trim().split('\n').at(-1) ?? '{}').error;

describe('inputs and limits', () => {
  const workspace = forEachTest(() => new Workspace(undefined, 6));

  it('fails tasks at once, with the reason, when their input changes while the job runs', async () => {
    workspace.write('numbers.txt', '1\n2\n3\n');
    workspace.write('job.json', {
      name: 'changes',
      input: { from: 'numbers.txt', split: { by: 'lines', every: 1 } },
      steps: [{ name: 'only', run: `cd ${workspace.dir}; echo run >> ran; until [ -e go ]; do sleep 0.02; done; cat` }],
    });
    const job = await workspace.submit();
    const worker = workspace.work({}, '--slots', '1');
    await until('the first task runs', () => workspace.lines('ran').length === 1);
    workspace.write('numbers.txt', '1\n2\n4\n');
    workspace.write('go', '');
    expect((await worker).code).to.equal(0);
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
      workspace.write('job.json', {
        name: 'outside',
        files: [file],
        input: { split: { by: 'range', from: 1, to: 1 } },
        steps: [{ name: 'only', run: 'cat' }],
      });
      const ended = await workspace.run(['submit', 'job.json', '--json']);
      expect(ended.code, ended.stderr).to.equal(3);
      expect(errorOf(ended).message).to.include('files');
    });
  }

  it('accepts odd characters in names of inputs and outputs, and keeps them within their directory', async () => {
    mkdirSync(workspace.path('in'));
    const names = ['plain', 'with space', 'quote"\'$(touch pwned)', 'e\u0301-ü-漢字-🙂', 'a..b', '-rf', '%2e%2e'];
    for (const name of names) workspace.write(`in/${name}`, `${name}\n`);
    workspace.write('job.json', {
      name: 'odd',
      input: { from: 'in/*', split: { by: 'file' } },
      steps: [{ name: 'only', output: 'files', run: 'read -r n; printf "%s\\n" "$n" > "$BATCHCTL_OUTPUT_DIR/$n"' }],
    });
    const job = await workspace.submit();
    expect((await workspace.work()).code).to.equal(0);
    const facts = await factsOf(await workspace.platform(), job);
    expect(facts).to.deep.include(SUCCEEDED);
    expect(Object.values(facts.outputs.only ?? {}).sort()).to.deep.equal(names.map((name) => `${name}\n`).sort());
    const fetched = await workspace.run(['fetch', job, '-o', 'out/']);
    expect(fetched.code, fetched.stderr).to.equal(0);
    expect(existsSync(workspace.path('pwned'))).to.equal(false);
  });

  for (const { limit, rest, step } of [
    { limit: 'maxRunning of a job', rest: { maxRunning: 1 }, step: {} },
    { limit: 'maxRunning of a step', rest: {}, step: { maxRunning: 1 } },
    { limit: 'needs.slots: all', rest: {}, step: { needs: { slots: 'all' } } },
  ]) {
    it(`${limit} keeps a worker with four slots from running two at a time`, async () => {
      workspace.write('job.json', {
        name: 'one-by-one',
        input: { split: { by: 'range', from: 1, to: 4 } },
        steps: [{ name: 'only', run: `cd ${workspace.dir}; echo 1 >> ran; sleep 0.1; echo -1 >> ran`, ...step }],
        ...rest,
      });
      const job = await workspace.submit();
      expect((await workspace.work({}, '--slots', '4')).code).to.equal(0);
      expect(await factsOf(await workspace.platform(), job)).to.deep.include({ ...SUCCEEDED, counted: { only: 4 } });
      expect(workspace.lines('ran')).to.deep.equal(['1', '-1', '1', '-1', '1', '-1', '1', '-1']);
    });
  }

  it('leaves a task that needs more than the worker has to others, and its worker leaves', async () => {
    workspace.write('job.json', {
      name: 'large',
      input: { split: { by: 'range', from: 1, to: 1 } },
      steps: [{ name: 'only', needs: { slots: 3 }, run: 'echo fits' }],
    });
    const job = await workspace.submit();
    const small = await workspace.work();
    expect(small.code, small.stderr).to.equal(0);
    const platform = await workspace.platform();
    expect(await factsOf(platform, job)).to.deep.include({ state: 'running', queued: 1, dead: [] });
  });
});
