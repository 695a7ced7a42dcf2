// Protects: infra up creates a whole stack in the right order, continues after a kill, and lets people share the work.
import { expect } from 'chai';
import { STACK_PARTS } from '../../src/infra/resource.ts';
import { forSuite } from '../support/fixture.ts';
import { accountClients } from '../support/grid/account-clients.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { stackLeftovers } from '../support/grid/leftovers.ts';
import { until } from '../support/until.ts';
import { MANAGER } from './grid-lab.ts';
import { StackWorkspace } from './stack-workspace.ts';

describe('a whole stack', () => {
  const cloud = forSuite(() => startCloud({ pace: { second: 20 } }));
  const others = forSuite(() => accountClients(cloud));
  const workspace = forSuite(() => new StackWorkspace(cloud));
  beforeEach(() => workspace.configure({ manager: MANAGER }));

  it('is created in the order of its dependencies, and then not changed', async () => {
    const created = await workspace.up();
    const expected = {
      data: ['bucket', 'queue', 'queue', 'queue', 'queue'],
      iam: ['role', 'profile', 'role', 'profile'],
      grid: ['release', 'securityGroup', 'launchTemplate', 'group', 'launchTemplate', 'group'],
      manager: ['securityGroup', 'address', 'launchTemplate', 'group'],
    };
    expect(created.map(({ part, kind }) => `${part} ${kind}`)).to.deep.equal(
      Object.entries(expected).flatMap(([part, kinds]) => kinds.map((kind) => `${part} ${kind}`)),
    );
    cloud.takeCalls();
    const kept = await workspace.up();
    expect(kept.every(({ action }) => action === 'keep')).to.equal(true);
    expect(cloud.takeChanges()).to.deep.equal([]);
    const status = await workspace.answer(['infra', 'status']);
    expect(status.every(({ state }) => state === 'present')).to.equal(true);
  });

  it('is created by several people, each doing a part', async () => {
    for (const part of STACK_PARTS) {
      const created = await workspace.up('--only', part);
      expect(created.every((line) => line.part === part && line.action === 'create')).to.equal(true);
    }
    expect((await workspace.answer(['infra', 'status'])).every(({ state }) => state === 'present')).to.equal(true);
  });

  it('continues after its process was killed', async () => {
    const cut = cloud.cutAfter(60, 'lost');
    const killed = workspace.start(['infra', 'up', '--yes']);
    await cut.met;
    killed.child.kill('SIGKILL');
    await killed.ended;
    cut.end();
    await workspace.up();
    const plan = await workspace.answer(['infra', 'plan']);
    expect(plan.every(({ action }) => action === 'keep')).to.equal(true);
    const down = workspace.start(['infra', 'down', '--confirm', workspace.stack]);
    const cutAgain = cloud.cutAfter(60, 'lost');
    await cutAgain.met;
    down.child.kill('SIGKILL');
    await down.ended;
    cutAgain.end();
    await workspace.down();
    await until('nothing is left', async () => (await stackLeftovers(workspace.stack, others)).length === 0);
  });

  it('stops between two resources when it is interrupted, and says how to continue', async () => {
    const cut = cloud.cutAfter(50, 'hang');
    const { child, ended } = workspace.start(['infra', 'up', '--yes']);
    await cut.met;
    child.kill('SIGINT');
    cut.end();
    const { code, stderr } = await ended;
    expect(code, stderr).to.equal(130);
    expect(stderr).to.include('infra up');
    expect((await workspace.answer(['infra', 'status'], 11)).some(({ state }) => state === 'absent')).to.equal(true);
  });
});
