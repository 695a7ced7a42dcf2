// Protects: `adjust --max-running none` lifts the limit on a running job.

import { expect } from 'chai';
import { whyJobFile } from '../support/why-job.ts';
import { Workspace } from '../support/workspace.ts';

describe('adjust --max-running none', () => {
  const workspace = new Workspace();
  after(() => workspace.remove());

  it('lifts the limit, and records null in the journal', async () => {
    workspace.write('job.json', whyJobFile(2, 'true', { job: { maxRunning: 1 } }));
    const job = await workspace.submit();
    const adjusted = await workspace.run(['adjust', job, '--max-running', 'none', '--json']);
    expect(adjusted.code, adjusted.stderr).to.equal(0);
    expect(JSON.parse(adjusted.stdout).changes).to.deep.equal([{ field: 'maxRunning', from: 1, to: null }]);
    const history = (await workspace.run(['history', job, '--json'])).stdout.trim().split('\n');
    expect(JSON.parse(history.at(-1) ?? '')).to.include({ what: 'adjust', maxRunning: null });
  });
});
