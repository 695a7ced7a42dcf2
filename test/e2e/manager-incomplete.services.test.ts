// Protects: through a manager, too, a step with tolerated failures is read only with --allow-incomplete, and the proof names it.
import { expect } from 'chai';
import { errorOf, expectExit, jsonLinesOf, jsonOf } from '../support/expect-exit.ts';
import { forSuite } from '../support/fixture.ts';
import { ManagedWorkspace } from '../support/manager/managed-workspace.ts';

describe('an input job:JOB/STEP of which tasks have no output, through a manager', () => {
  const workspace = forSuite(() => ManagedWorkspace.make({ workers: 1 }));
  let input: string;
  let incomplete: string;
  before(async () => {
    workspace.write('in.txt', '1\n2\n3\n');
    workspace.write('source.json', {
      name: 'source',
      tolerate: 1,
      input: { from: 'in.txt', split: { by: 'lines', every: 1 } },
      steps: [{ name: 'price', attempts: 1, run: 'read n; test $n != 2 && echo $n' }],
    });
    const { job } = jsonOf(await workspace.run(['run', 'source.json', '-o', 'source.txt', '--json']));
    input = `job:${job}/price`;
    incomplete = `the input ${input} is incomplete: 1 of its 3 tasks failed or were skipped`;
    workspace.write('reader.json', {
      name: 'reader',
      input: { from: [input], split: { by: 'file' } },
      steps: [{ name: 'copy', run: ['cat'] }],
    });
  });

  for (const verb of ['plan', 'submit', 'run'])
    it(`is refused by ${verb}, which says how many are missing and what to type, and no job exists`, async () => {
      const ended = expectExit(await workspace.run([verb, 'reader.json', '--json']), 7);
      expect(errorOf(ended)).to.include({ kind: 'refused', message: incomplete });
      expect(errorOf(ended).hint).to.include('--allow-incomplete');
      const jobs = jsonLinesOf(await workspace.run(['jobs', '--json']));
      expect(jobs.map(({ name }: { readonly name: string }) => name)).to.deep.equal(['source']);
    });

  it('is read with --allow-incomplete: plan and submit warn, job.json and the proof name it', async () => {
    const planned = expectExit(await workspace.run(['plan', 'reader.json', '--allow-incomplete']));
    expect(planned.stderr).to.include(`warning: ${incomplete}`);
    const submitted = await workspace.run(['submit', 'reader.json', '--allow-incomplete', '--json']);
    const { job } = jsonOf(submitted);
    expect(submitted.stderr).to.include(`warning: ${incomplete}`);
    expectExit(await workspace.run(['wait', job]));
    const proof = jsonOf(await workspace.run(['verify', job, '--json']));
    expect(proof).to.deep.include({
      verdict: 'proven',
      warnings: [{ code: 'inputIncomplete', message: incomplete }],
    });
    expect(expectExit(await workspace.run(['verify', job])).stdout).to.include(incomplete);
    const direct = JSON.parse((await workspace.direct('verify', job, '--json')).stdout);
    expect(direct.warnings).to.deep.equal(proof.warnings);
  });

  it('is planned and read by run beside a file of this machine, with the same warning', async () => {
    const words = ['reader.json', '--input', input, '--input', 'in.txt', '--allow-incomplete'];
    expect(expectExit(await workspace.run(['plan', ...words])).stderr).to.include(`warning: ${incomplete}`);
    const ran = expectExit(await workspace.run(['run', ...words, '-o', 'out.txt']));
    expect(ran.stderr).to.include(`warning: ${incomplete}`);
  });

  it('is read by a firing of a schedule that was added with --allow-incomplete, and refused to one without', async () => {
    const add = ['reader.json', '--cron', '0 6 * * *'];
    expectExit(await workspace.run(['schedule', 'add', 'strict', ...add]));
    expectExit(await workspace.run(['schedule', 'add', 'nightly', ...add, '--allow-incomplete']));
    const [{ period }] = jsonLinesOf(await workspace.run(['schedule', 'next', 'nightly', '--json']));
    const refused = await workspace.run(['schedule', 'run', 'strict', '--period', period, '--json']);
    expect(errorOf(expectExit(refused, 7)).message).to.equal(incomplete);
    const { job } = jsonOf(await workspace.run(['schedule', 'run', 'nightly', '--period', period, '--json']));
    expectExit(await workspace.run(['wait', job]));
    expect(jsonOf(await workspace.run(['verify', job, '--json'])).warnings).to.deep.equal([
      { code: 'inputIncomplete', message: incomplete },
    ]);
  });
});
