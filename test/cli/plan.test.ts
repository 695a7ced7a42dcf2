// Protects: plan shows whether a job will meet its deadline, and says if an existing job of its run key keeps other limits.

import { expect } from 'chai';
import { loadLines } from '../../src/cli/forecast-text.ts';
import { forEachTest, forSuite } from '../support/fixture.ts';
import { rangeJobFile } from '../support/why-job.ts';
import { Workspace } from '../support/workspace.ts';

describe('batchctl plan for a job with a deadline', () => {
  const workspace = forSuite(() => Workspace.withLongLeases());
  before(() => {
    workspace.write('job.json', rangeJobFile(20, 'sleep 0.2; cat'));
  });

  const text = async (...flags: readonly string[]): Promise<string> => {
    const { stdout } = await workspace.runSuccessfully('plan', 'job.json', '--tz', 'UTC', ...flags);
    return stdout;
  };
  const json = async (...flags: readonly string[]) => JSON.parse(await text('--json', ...flags));

  it('shows the deadline with zone and distance, and how early the job will end once a run has been measured', async () => {
    expect(await text('--finish-by', 'in 6h')).to.match(
      /^finish by: \d{4}-\d\d-\d\d \d\d:\d\d UTC \(in (6h|5h\d+m.*)\)$/m,
    );
    expect(await text()).not.to.include('finish by');
    const plan = await json();
    expect(plan).to.include({ finishBy: null, maxCost: null, projected: null });
    expect(plan.requests.cost).to.equal(null);
    await workspace.runSuccessfully('run', 'job.json', '--slots', '2', '--quiet');
    expect(await text('--finish-by', 'in 6h')).to.match(/^projected: .* UTC, (6h|5h\d+m) early$/m);
    expect(await text('--finish-by', 'in 1s')).to.match(/^projected: .* UTC, .* late$/m);
    const before = Date.now();
    const { finishBy, projected, forecast } = await json('--finish-by', '2099-11-30T06:00Z');
    expect(finishBy).to.equal('2099-11-30T06:00:00.000Z');
    const start = Date.parse(projected.expected) - forecast.seconds.expected * 1_000;
    expect(start).to.be.within(before - 1_000, Date.now() + 1_000);
  });

  it("says that a job with the run key keeps its deadline, and that it doesn't with --again", async () => {
    await workspace.submit('--run-key', 'month-end-2026-11');
    const flags = ['--run-key', 'month-end-2026-11', '--finish-by', 'in 6h'];
    expect(await text(...flags)).to.match(/job claims-\S+ keeps its limits; batchctl adjust/);
    expect(await text(...flags, '--again')).not.to.include('keeps the limits');
  });
});

describe('batchctl plan for a job with gathers', () => {
  const workspace = forEachTest(() => Workspace.withLongLeases());

  it('says for each gather whether it joins lines or bytes', async () => {
    const steps = [
      { name: 'rows', run: 'cat', output: 'files' },
      { name: 'all', run: 'cat', gather: true },
    ];
    const splits = { guess: { by: 'csv', every: 9 }, bytes: { by: 'file' } };
    const texts: Record<string, string> = { guess: 'lines if they are text', bytes: 'bytes' };
    workspace.write('a.csv', '1\n');
    for (const [join, split] of Object.entries(splits)) {
      workspace.write('job.json', { name: 'claims', input: { from: 'a.csv', split }, steps });
      expect((await workspace.run(['plan', 'job.json'])).stdout).to.match(
        new RegExp(`^all +default +1 +waits for all, joins ${texts[join]}$`, 'm'),
      );
      expect(JSON.parse((await workspace.run(['plan', 'job.json', '--json'])).stdout).steps).to.deep.equal([
        { name: 'rows', group: 'default', tasks: 1, gather: false, join: null },
        { name: 'all', group: 'default', tasks: 1, gather: true, join },
      ]);
    }
    const withDirectory = steps.map((step) => (step.gather === true ? { ...step, input: 'dir' } : step));
    workspace.write('job.json', {
      name: 'claims',
      input: { from: 'a.csv', split: splits.guess },
      steps: withDirectory,
    });
    expect((await workspace.run(['plan', 'job.json'])).stdout).to.match(/^all .* waits for all$/m);
  });
});

describe("a forecast's text", () => {
  it('says how busy the machine was', () => {
    expect(loadLines({ load: null })).to.deep.equal([]);
    expect(loadLines({ load: { average: 7.48, cores: 2 } })).to.deep.equal([
      'this machine was busy during the rehearsal (load 7.5 on 2 processors), so the ranges are wider',
    ]);
  });
});

describe('batchctl plan for a person', () => {
  const workspace = forEachTest(() => Workspace.withLongLeases());

  it('lists the first inputs, and says how many more there are', async () => {
    const names = Array.from({ length: 23 }, (_, n) => `${String(n).padStart(2, '0')}.txt`);
    for (const name of names) workspace.write(name, 'a\n');
    const split = { by: 'file' };
    workspace.write('job.json', { name: 'many', input: { from: '*.txt', split }, steps: [{ name: 's', run: 'cat' }] });
    const of = async (...flags: readonly string[]): Promise<string> =>
      (await workspace.runSuccessfully('plan', 'job.json', ...flags)).stdout;
    const shown = async (...flags: readonly string[]) => (await of(...flags)).match(/^\d\d\.txt|^and .*/gm);
    expect(await shown()).to.deep.equal([...names.slice(0, 20), 'and 3 more']);
    expect(await shown('--limit', '2')).to.deep.equal([...names.slice(0, 2), 'and 21 more']);
    expect(await shown('--limit', '100')).to.deep.equal(names);
    const listed = async (...flags: readonly string[]): Promise<readonly number[]> => {
      const { inputs, moreInputs, bytes, tasks } = JSON.parse(await of('--json', ...flags));
      return [inputs.length, moreInputs, bytes, tasks];
    };
    expect(await listed()).to.deep.equal([23, 0, 46, 23]);
    expect(await listed('--limit', '3')).to.deep.equal([3, 20, 46, 23]);
    expect((await workspace.run(['plan', 'job.json', '--limit', '0'])).code).to.equal(2);
  });

  it('leaves out columns of inputs that are empty', async () => {
    workspace.write('in.txt', '1\n2\n');
    const steps = [{ name: 'copy', run: ['cat'] }];
    const headings = async (split: object): Promise<string> => {
      workspace.write('job.json', { name: 'copies', input: { from: 'in.txt', split }, steps });
      return (await workspace.run(['plan', 'job.json'])).stdout.split('\n')[2] ?? '';
    };
    expect(await headings({ by: 'file' })).to.match(/^INPUT +SIZE$/);
    expect(await headings({ by: 'lines', every: 1 })).to.match(/^INPUT +SIZE +RECORDS$/);
  });
});

describe('a command without the job file that it needs', () => {
  const workspace = forEachTest(() => Workspace.withLongLeases());

  it('names the one in the directory, or how to get one', async () => {
    const stderrOf = async (name: string): Promise<string> => (await workspace.run([name])).stderr;
    const missing = "error: missing required argument 'jobfile'\n";
    const example = 'hint: batchctl init writes an example, job.yaml; see batchctl';
    expect(await stderrOf('plan')).to.equal(`${missing}${example} plan --help\n`);
    expect(await stderrOf('run')).to.include(`${example} run --help\n`);
    workspace.write('job.yaml', { name: 'mine' });
    expect(await stderrOf('plan')).to.equal(`${missing}hint: batchctl plan job.yaml; see batchctl plan --help\n`);
    expect(await stderrOf('run')).to.include('hint: batchctl run job.yaml; see batchctl run --help\n');
  });
});
