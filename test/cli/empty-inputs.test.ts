// Protects: plan, submit and the proof name an input without parts, and the other inputs are processed.
import { writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { forSuite } from '../support/fixture.ts';
import { Workspace } from '../support/workspace.ts';

const JOB = {
  name: 'empty',
  input: { from: ['full.csv', 'none.csv', 'header.csv', 'packed.csv'], split: { by: 'csv', every: 10, header: true } },
  steps: [{ name: 'count', run: ['wc', '-l'] }],
};
const EMPTY = ['none.csv', 'header.csv', 'packed.csv'];
const MESSAGE = '3 inputs have no parts (empty, or only a header): none.csv, header.csv, packed.csv';

describe('inputs without parts', () => {
  const workspace = forSuite(() => new Workspace());
  before(() => {
    workspace.write('job.json', JOB);
    workspace.write('full.csv', 'id\n1\n');
    workspace.write('none.csv', '');
    workspace.write('header.csv', 'id\n');
    writeFileSync(workspace.path('packed.csv'), gzipSync('id\n'));
  });

  it('are named by plan', async () => {
    const text = await workspace.run(['plan', 'job.json']);
    expect(text.stdout).to.contain(`warning: ${MESSAGE}`);
    const { stdout } = await workspace.run(['plan', 'job.json', '--json']);
    expect(JSON.parse(stdout)).to.deep.include({ parts: 1, emptyInputs: EMPTY });
  });

  it('are named by submit, on resubmission without the warning, and by the proof', async () => {
    const first = await workspace.run(['submit', 'job.json', '--json', '--run-key', 'k']);
    expect(first.stderr).to.contain(`warning: ${MESSAGE}`);
    const { job, emptyInputs } = JSON.parse(first.stdout);
    expect(emptyInputs).to.deep.equal(EMPTY);
    const again = await workspace.run(['submit', 'job.json', '--json', '--run-key', 'k']);
    expect(again.stderr).to.not.contain('have no part');
    expect(JSON.parse(again.stdout)).to.deep.include({ created: false, emptyInputs: EMPTY });
    expect((await workspace.work()).code).to.equal(0);
    const { verdict, warnings } = JSON.parse((await workspace.runSuccessfully('verify', job, '--json')).stdout);
    expect(verdict).to.equal('proven');
    expect(warnings).to.deep.equal(
      EMPTY.map((name) => ({ code: 'inputEmpty', message: `the input ${name} has no part` })),
    );
    expect((await workspace.run(['verify', job])).stdout).to.contain('the input header.csv has no part');
  });

  it('are not searched for if all inputs have parts', async () => {
    const { stdout } = await workspace.run(['plan', 'job.json', '--input', 'full.csv']);
    expect(stdout).to.not.contain('no part');
  });
});
