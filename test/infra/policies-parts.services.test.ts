// Protects: people who set up one part of a stack get a policy that suffices for it, and for nothing else.
import { expect } from 'chai';
import type { PolicyDocument } from '../../src/infra/policy.ts';
import { STACK_PARTS, type StackPart } from '../../src/infra/resource.ts';
import { roleName } from '../../src/lib/stack-names.ts';
import { actionsOf, type Call, deniedBy, idleGrants, printedPolicy, takePermissions } from '../support/iam.ts';
import { CHANGED_GROUPS, STRANGER, Strangers } from './strangers.ts';

/** The most characters of a managed policy, not counting white space (IAM: quotas). */
const MOST = 6_144;

describe("the parts of the administrator's policy", function () {
  this.timeout(400_000);
  const strangers = new Strangers();
  const { cloud, workspace } = strangers;
  const calls: Record<StackPart, Call[]> = { data: [], iam: [], grid: [], manager: [] };
  const policies: Partial<Record<StackPart, PolicyDocument>> = {};
  const policyOf = (part: StackPart): PolicyDocument => policies[part] ?? { Version: '2012-10-17', Statement: [] };

  before(async () => {
    const profile = await strangers.configure();
    const { stack } = workspace;
    const facts = { stack, boundary: profile.iam.permissionsBoundary };
    /** Counts the requests of `act` as those of the administrator of a part. */
    const as = async (part: StackPart, act: () => Promise<unknown>): Promise<void> => {
      cloud.takeCalls();
      await act();
      calls[part].push(...takePermissions(cloud, facts, ({ accessKeyId }) => accessKeyId !== STRANGER));
    };
    for (const part of STACK_PARTS) {
      await as(part, async () => {
        await workspace.answer(['infra', 'plan', '--only', part]);
        await workspace.up('--only', part);
        await workspace.answer(['infra', 'status', '--only', part]);
      });
    }
    // The role of an existing profile is read; instances without a public address need routes.
    workspace.configure({ ...profile, iam: { ...profile.iam, workerProfile: roleName(stack, 'worker') } }, stack);
    await as('iam', () => workspace.answer(['infra', 'plan', '--only', 'iam']));
    workspace.configure({ ...profile, network: { publicIp: false } }, stack);
    for (const part of ['grid', 'manager'] as const) {
      await as(part, () => workspace.answer(['infra', 'plan', '--only', part], 3));
    }
    await strangers.changeStack();
    await strangers.openSecurityGroup(`${stack}-manager`);
    const groups = CHANGED_GROUPS;
    const changed = { ...profile, groups, tags: { team: 'claims' } };
    workspace.configure(changed, stack);
    for (const part of STACK_PARTS) {
      await as(part, async () => {
        await workspace.answer(['infra', 'status', '--only', part], 11);
        await workspace.up('--only', part);
      });
    }
    workspace.configure({ ...changed, ledger: { kind: 'simpledb', domains: 1 } }, stack);
    await as('data', () => workspace.answer(['infra', 'status', '--only', 'data'], 11));
    // Enough versions of the templates that the first ones are deleted.
    for (const count of [1, 2, 3, 4, 5]) {
      const larger = { ...groups, gpu: { ...groups.gpu, disk: `${30 + count}GB` } };
      const manager = { ...profile.manager, instance: count % 2 === 0 ? 't4g.small' : 't4g.medium' };
      workspace.configure({ ...profile, groups: larger, manager }, stack);
      for (const part of ['grid', 'manager'] as const) await as(part, () => workspace.up('--only', part));
    }
    for (const part of STACK_PARTS) policies[part] = await printedPolicy(workspace, 'admin', '--only', part);
    await workspace.down('--delete-data', '--timeout', '1s');
  });

  for (const part of STACK_PARTS) {
    it(`let an administrator of only ${part} do everything for it, and no more`, () => {
      const policy = policyOf(part);
      expect(deniedBy(policy, calls[part])).to.deep.equal([]);
      expect(idleGrants(policy, calls[part])).to.deep.equal([]);
      expect(JSON.stringify(policy).length).to.be.below(MOST);
    });
  }

  it('let only an administrator of roles create one or change its permissions', () => {
    for (const part of STACK_PARTS) {
      const writes = actionsOf(policyOf(part)).filter((action) => /^iam:(Create|Put|Attach|Update)/.test(action));
      const forbidden = writes.filter((action) => action !== 'iam:CreateServiceLinkedRole');
      if (part !== 'iam') expect(forbidden, part).to.deep.equal([]);
    }
  });

  it('exist only for the administrator: --only is rejected for other roles', async () => {
    const { code, stderr } = await workspace.run(['infra', 'policies', '--for', 'worker', '--only', 'iam']);
    expect(code).to.equal(2);
    expect(stderr).to.include('--only requires --for admin');
  });
});
