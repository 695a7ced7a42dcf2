// Protects: a failed job can be inspected and repaired through a manager with the same answers as without one.
import { expect } from 'chai';
import { userAtHost } from '../../src/lib/this-machine.ts';
import { type Answer, fixSession } from '../support/fix-session.ts';
import { ManagedWorkspace } from '../support/manager/managed-workspace.ts';
import { Workspace } from '../support/workspace.ts';
import { claimsResult, expectedTotals, layClaims } from './claims-run.ts';

describe('inspecting and repairing a failed job through a manager', () => {
  it('every command answers as it does without a manager', async () => {
    const [here, there] = await Promise.all([sessionOf(new Workspace()), sessionOf(await ManagedWorkspace.make())]);
    expect(there.find(({ words }) => words === 'total')?.answer).to.equal('22');
    for (const [place, answer] of there.entries()) expect(answer).to.deep.equal(here[place]);
    expect(there).to.have.length(here.length);
  });

  it('the claims example reaches its totals from files that only the caller has', async () => {
    const workspace = await ManagedWorkspace.make();
    try {
      layClaims(workspace);
      const { code, stdout, stderr } = await workspace.run(['submit', 'job.yaml', '--run-key', 'claims-1', '--json']);
      expect(code, stderr).to.equal(0);
      const { job, created } = JSON.parse(stdout);
      expect(created).to.equal(true);
      expect((await workspace.work()).code).to.equal(0);
      const { outputs } = await claimsResult(workspace, job);
      expect(outputs.totals).to.equal(expectedTotals());
      const again = await workspace.run(['submit', 'job.yaml', '--run-key', 'claims-1', '--json']);
      expect(JSON.parse(again.stdout)).to.deep.equal({ job, runKey: 'claims-1', created: false, emptyInputs: [] });
    } finally {
      await workspace.remove();
    }
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
