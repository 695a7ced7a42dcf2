// Protects: `adjust --max-running none` lifts the limit on a running job.

import { expect } from 'chai';
import { forSuite } from '../support/fixture.ts';
import { rangeJobFile } from '../support/why-job.ts';
import { Workspace } from '../support/workspace.ts';

describe('adjust --max-running none', () => {
  const workspace = forSuite(() => new Workspace());

  it('lifts the limit, and records null in the journal', async () => {
    workspace.write('job.json', rangeJobFile(2, 'true', { job: { maxRunning: 1 } }));
    const job = await workspace.submit();
    const { stdout } = await workspace.runSuccessfully('adjust', job, '--max-running', 'none', '--json');
    expect(JSON.parse(stdout).changes).to.deep.equal([{ field: 'maxRunning', from: 1, to: null }]);
    const history = (await workspace.runSuccessfully('history', job, '--json')).stdout.trim().split('\n');
    expect(JSON.parse(history.at(-1) ?? '')).to.include({ what: 'adjust', maxRunning: null });
  });
});
