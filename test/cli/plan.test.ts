// Protects: plan shows whether a job will meet its deadline, and when an existing job with its run key keeps its own limits.

import { expect } from 'chai';
import { loadLines } from '../../src/cli/forecast-text.ts';
import { forEachTest, forSuite } from '../support/fixture.ts';
import { whyJobFile } from '../support/why-job.ts';
import { Workspace } from '../support/workspace.ts';

interface Answer {
  readonly finishBy: string | null;
  readonly maxCost: number | null;
  readonly requests: { readonly cost: number | null };
  readonly projected: { readonly low: string; readonly expected: string; readonly high: string } | null;
  readonly forecast: { readonly seconds: { readonly expected: number } } | null;
}

describe('batchctl plan for a job with a deadline', () => {
  const here = forSuite(() => Workspace.withLongLeases());
  before(() => {
    here.write('job.json', whyJobFile(20, 'sleep 0.2; cat'));
  });

  const text = async (...flags: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await here.run(['plan', 'job.json', '--tz', 'UTC', ...flags]);
    expect(code, stderr).to.equal(0);
    return stdout;
  };
  const json = async (...flags: readonly string[]): Promise<Answer> => JSON.parse(await text('--json', ...flags));

  it('shows the deadline with zone and distance, and how early the job will end once that is known', async () => {
    expect(await text('--finish-by', 'in 6h')).to.match(
      /^finish by: \d{4}-\d\d-\d\d \d\d:\d\d UTC \(in (6h|5h\d+m.*)\)$/m,
    );
    expect(await text()).not.to.include('finish by');
    const free = await json();
    expect(free).to.include({ finishBy: null, maxCost: null, projected: null });
    expect(free.requests.cost).to.equal(null);
    expect((await here.run(['run', 'job.json', '--slots', '2', '--quiet'])).code).to.equal(0);
    expect(await text('--finish-by', 'in 6h')).to.match(/^projected: .* UTC, (6h|5h\d+m) early$/m);
    expect(await text('--finish-by', 'in 1s')).to.match(/^projected: .* UTC, .* late$/m);
    const { finishBy, projected, forecast } = await json('--finish-by', '2099-11-30T06:00Z');
    expect(finishBy).to.equal('2099-11-30T06:00:00.000Z');
    expect(Date.parse(projected?.expected ?? '')).to.be.closeTo(
      Date.now() + (forecast?.seconds.expected ?? 0) * 1_000,
      60_000,
    );
  });

  it("says that a job with the run key keeps its deadline, and that it doesn't with --again", async () => {
    await here.submit('--run-key', 'month-end-2026-11');
    const flags = ['--run-key', 'month-end-2026-11', '--finish-by', 'in 6h'];
    expect(await text(...flags)).to.match(/job claims-\S+ keeps its limits; batchctl adjust/);
    expect(await text(...flags, '--again')).not.to.include('keeps the limits');
  });
});

describe('batchctl plan for a job with gathers', () => {
  const here = forEachTest(() => Workspace.withLongLeases());

  it('says for each gather whether it joins lines or bytes', async () => {
    const steps = [
      { name: 'rows', run: 'cat', output: 'files' },
      { name: 'all', run: 'cat', gather: true },
    ];
    const splits = { lines: { by: 'csv', every: 9 }, bytes: { by: 'file' } };
    here.write('a.csv', '1\n');
    for (const [join, split] of Object.entries(splits)) {
      here.write('job.json', { name: 'claims', input: { from: 'a.csv', split }, steps });
      expect((await here.run(['plan', 'job.json'])).stdout).to.match(
        new RegExp(`^all +default +1 +waits for all, joins ${join}$`, 'm'),
      );
      expect(JSON.parse((await here.run(['plan', 'job.json', '--json'])).stdout).steps).to.deep.equal([
        { name: 'rows', group: 'default', tasks: 1, gather: false, join: null },
        { name: 'all', group: 'default', tasks: 1, gather: true, join },
      ]);
    }
    const laid = steps.map((step) => (step.gather === true ? { ...step, input: 'dir' } : step));
    here.write('job.json', { name: 'claims', input: { from: 'a.csv', split: splits.lines }, steps: laid });
    expect((await here.run(['plan', 'job.json'])).stdout).to.match(/^all .* waits for all$/m);
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
  const here = forEachTest(() => Workspace.withLongLeases());

  it('leaves out columns of inputs that are empty', async () => {
    here.write('in.txt', '1\n2\n');
    const steps = [{ name: 'copy', run: ['cat'] }];
    const headings = async (split: object): Promise<string> => {
      here.write('job.json', { name: 'copies', input: { from: 'in.txt', split }, steps });
      return (await here.run(['plan', 'job.json'])).stdout.split('\n')[2] ?? '';
    };
    expect(await headings({ by: 'file' })).to.match(/^INPUT +SIZE$/);
    expect(await headings({ by: 'lines', every: 1 })).to.match(/^INPUT +SIZE +RECORDS$/);
  });
});

describe('a command without the job file that it needs', () => {
  const here = forEachTest(() => Workspace.withLongLeases());

  it('names the one that is here, or how to get one', async () => {
    const said = async (name: string): Promise<string> => (await here.run([name])).stderr;
    const missing = "error: missing required argument 'jobfile'\n";
    const example = 'hint: batchctl init writes an example, job.yaml; see batchctl';
    expect(await said('plan')).to.equal(`${missing}${example} plan --help\n`);
    expect(await said('run')).to.include(`${example} run --help\n`);
    here.write('job.yaml', { name: 'mine' });
    expect(await said('plan')).to.equal(`${missing}hint: batchctl plan job.yaml; see batchctl plan --help\n`);
    expect(await said('run')).to.include('hint: batchctl run job.yaml; see batchctl run --help\n');
  });
});
