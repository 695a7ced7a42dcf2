// Protects: one run key for two periods never answers December with November's results, whichever command is used.
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { forEachTest } from '../support/fixture.ts';
import { describeDirectly, describeEachWay } from '../support/manager/each-way.ts';
import { Workspace } from '../support/workspace.ts';

const OTHER_PERIOD = /the run key close belongs to job claims-\S+, with other content: period was 2026-11, is 2026-12/;
const KEYED = ['--run-key', 'close', '--period'];

describeEachWay('a run key that is used for two periods', (make) => {
  const workspace = forEachTest(make);
  beforeEach(() => {
    workspace.write('claims.csv', '1\n2\n');
    workspace.write('job.json', {
      name: 'claims',
      input: { from: 'claims.csv', split: { by: 'lines', every: 1 } },
      steps: [{ name: 'price', run: ['echo', '{period}'] }],
    });
  });

  const expectRefused = async (...args: readonly string[]): Promise<void> => {
    const { code, stdout, stderr } = await workspace.run(args);
    expect(code, stderr + stdout).to.equal(7);
    expect(stderr).to.match(OTHER_PERIOD);
    expect(stderr).to.contain("--run-key 'close-{period}' gives each period its own run");
    expect(stderr).to.match(/use --existing for that job, or --again for another run/);
  };

  it('is refused for the second by submit and run, unless the command says what is meant', async () => {
    const job = await workspace.submit(...KEYED, '2026-11');
    await expectRefused('submit', 'job.json', ...KEYED, '2026-12');
    await expectRefused('run', 'job.json', ...KEYED, '2026-12');
    expect(await workspace.submit(...KEYED, '2026-11')).to.equal(job);
    expect(await workspace.submit(...KEYED, '2026-12', '--existing')).to.equal(job);
    expect(await workspace.submit(...KEYED, '2026-12', '--again')).not.to.equal(job);
  });

  it('is told by plan, which exits as the submission would', async () => {
    await workspace.submit(...KEYED, '2026-11');
    await workspace.runSuccessfully('plan', 'job.json', ...KEYED, '2026-11');
    await expectRefused('plan', 'job.json', ...KEYED, '2026-12');
    const { stdout } = await workspace.run(['plan', 'job.json', ...KEYED, '2026-12']);
    expect(stdout).to.contain('  period was 2026-11, is 2026-12');
    for (const flag of ['--again', '--existing'])
      await workspace.runSuccessfully('plan', 'job.json', ...KEYED, '2026-12', flag);
  });

  it('says that the job keeps its labels', async () => {
    await workspace.submit(...KEYED, '2026-11', '--label', 'team=a');
    const { stderr } = await workspace.runSuccessfully('submit', 'job.json', ...KEYED, '2026-11', '--label', 'team=b');
    expect(stderr).to.match(/job claims-\S+ keeps its labels \(team=a\)/);
  });
});

describeDirectly('a one-liner with a run key that is used for two periods', () => {
  const workspace = forEachTest(() => Workspace.withLongLeases());

  it('runs November, answers it again, refuses December, and has a run for each with {period} in the key', async () => {
    workspace.write('claims.csv', '1\n');
    const run = (key: string, period: string, out: string) => {
      const flags = ['--run-key', key, '--period', period, '-o', out];
      const command = ['--', 'echo', '{period}'];
      return workspace.run(['run', '--input', 'claims.csv', '--split', 'lines:1', ...flags, ...command]);
    };
    expect((await run('close', '2026-11', 'nov.txt')).code).to.equal(0);
    expect(readFileSync(workspace.path('nov.txt'), 'utf8')).to.equal('2026-11\n');
    expect((await run('close', '2026-11', 'again.txt')).code).to.equal(0);
    const { code, stderr } = await run('close', '2026-12', 'dec.txt');
    expect(code, stderr).to.equal(7);
    expect(stderr).to.contain('period was 2026-11, is 2026-12');
    expect((await run('close-{period}', '2026-12', 'dec.txt')).code).to.equal(0);
    expect(readFileSync(workspace.path('dec.txt'), 'utf8')).to.equal('2026-12\n');
  });
});
