// Protects: a failed job can be inspected and repaired through a manager with the same answers as without one.
import { expect } from 'chai';
import { userAtHost } from '../../src/lib/this-machine.ts';
import { expectExit, jsonOf } from '../support/expect-exit.ts';
import { type Answer, fixSession } from '../support/fix-session.ts';
import { forEachTest } from '../support/fixture.ts';
import { ManagedWorkspace } from '../support/manager/managed-workspace.ts';
import { Workspace } from '../support/workspace.ts';
import { claimsResult, copyClaimsExample, expectedTotals } from './claims-run.ts';

describe('inspecting and repairing a failed job through a manager', () => {
  it('every command answers as it does without a manager', async () => {
    const [here, there] = await Promise.all([sessionOf(new Workspace()), sessionOf(await ManagedWorkspace.make())]);
    expect(there.find(({ words }) => words === 'total')?.answer).to.equal('22');
    for (const [place, answer] of there.entries()) expect(answer).to.deep.equal(here[place]);
    expect(there).to.have.length(here.length);
  });

  describe('the claims example', () => {
    const workspace = forEachTest(() => ManagedWorkspace.make());

    it('reaches its totals from files that only the caller has', async () => {
      copyClaimsExample(workspace);
      const submit = ['submit', 'job.yaml', '--run-key', 'claims-1', '--json'];
      const { job, created } = jsonOf(await workspace.run(submit));
      expect(created).to.equal(true);
      expectExit(await workspace.work());
      const { outputs } = await claimsResult(workspace, job);
      expect(outputs.totals).to.equal(expectedTotals());
      const again = jsonOf(await workspace.run(submit));
      expect(again).to.deep.equal({ job, runKey: 'claims-1', created: false, added: 0, emptyInputs: [] });
    });
  });
});

/** The person differs; everything else must be equal. */
async function sessionOf(workspace: Workspace): Promise<readonly Answer[]> {
  try {
    const text = JSON.stringify(await fixSession(workspace));
    return JSON.parse(text.replaceAll('token:caller', userAtHost())) as readonly Answer[];
  } finally {
    await workspace.remove();
  }
}
