// Protects: infra up creates the workers' role with the permissions they need, and touches no role that others created.
import { expect } from 'chai';
import { randomId } from '../../src/lib/id.ts';
import { forSuite } from '../support/fixture.ts';
import { accountClients, createPolicy, createRole, trustDocument } from '../support/grid/account-clients.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { callsOf, deniedBy, printedPolicy } from '../support/iam.ts';
import { rejection } from '../support/rejection.ts';
import { StackWorkspace } from './stack-workspace.ts';

const READS_VPCS = { Effect: 'Allow', Action: 'ec2:DescribeVpcs', Resource: '*' };

describe('infra up for roles', () => {
  const cloud = forSuite(() => startCloud());
  const others = forSuite(() => accountClients(cloud));
  const workspace = forSuite(() => new StackWorkspace(cloud));
  beforeEach(() => workspace.configure());

  const infra = (verb: string, ...args: readonly string[]) => workspace.output('infra', verb, '--only', 'iam', ...args);
  /** What a command does to each resource. */
  const actions = async (verb: string, ...args: readonly string[]) => {
    const lines = await workspace.answer(['infra', verb, '--only', 'iam', ...args]);
    return lines.map(({ kind, name, action }) => `${action} ${kind} ${name}`);
  };
  const upActions = () => actions('up', '--yes');
  const worker = () => ({ RoleName: `${workspace.stack}-worker` });
  const trustOf = async ({ iam } = others): Promise<string> =>
    decodeURIComponent((await iam.getRole(worker())).Role?.AssumeRolePolicyDocument ?? '');
  const workerPolicy = async ({ iam } = others) => {
    const { PolicyDocument: text = '' } = await iam.getRolePolicy({ ...worker(), PolicyName: 'batchctl' });
    return JSON.parse(decodeURIComponent(text));
  };

  it('creates the role with its policy, and its instance profile, once', async () => {
    const name = `${workspace.stack}-worker`;
    expect(await upActions()).to.deep.equal([`create role ${name}`, `create profile ${name}`]);
    expect(JSON.parse(await trustOf())).to.deep.equal(JSON.parse(trustDocument('ec2.amazonaws.com')));
    expect(await workerPolicy()).to.deep.equal(await printedPolicy(workspace, 'worker'));
    const profile = await others.iam.getInstanceProfile({ InstanceProfileName: name });
    expect(profile.InstanceProfile?.Roles?.map(({ RoleName }) => RoleName)).to.deep.equal([name]);
    cloud.takeCalls();
    expect(await upActions()).to.deep.equal([`keep role ${name}`, `keep profile ${name}`]);
    expect(cloud.takeChanges().map(({ action }) => action)).to.deep.equal([]);
  });

  it('calls only IAM and STS, and asks which workers would lose the role', async () => {
    cloud.takeCalls();
    await actions('plan');
    await upActions();
    await infra('status');
    const requests = cloud.takeCalls();
    const calls = requests.filter(({ action }) => action !== 'DescribeAutoScalingGroups');
    expect(calls.length).to.be.below(requests.length);
    expect([...new Set(calls.map(({ service }) => service))].sort()).to.deep.equal(['iam', 'sts']);
    const admin = await printedPolicy(workspace, 'admin');
    const iamOnly = { Statement: admin.Statement.filter(({ Action }) => Action[0]?.startsWith('iam:')) };
    const facts = { account: cloud.account, stack: workspace.stack };
    const permissions = calls.flatMap((call) => callsOf(call, facts));
    expect(deniedBy(iamOnly, permissions)).to.deep.equal([]);
  });

  it('reads no role when only the data or the grid is planned', async () => {
    cloud.takeCalls();
    for (const part of ['data', 'grid']) await workspace.output('infra', 'plan', '--only', part);
    expect(cloud.takeCalls().filter(({ action }) => /Role/.test(action))).to.deep.equal([]);
  });

  it('reports drift, and repairs it', async () => {
    await upActions();
    const { iam } = others;
    const name = `${workspace.stack}-worker`;
    await iam.deleteRolePolicy({ ...worker(), PolicyName: 'batchctl' });
    await iam.removeRoleFromInstanceProfile({ InstanceProfileName: name, ...worker() });
    const status = await infra('status');
    expect(status.code).to.equal(11);
    expect(status.lines.map(({ state, differences }) => [state, ...differences])).to.deep.equal([
      ['differs', 'its policy'],
      ['differs', `role none → ${name}`],
    ]);
    expect(await upActions()).to.deep.equal([`change role ${name}`, `change profile ${name}`]);
    expect(await infra('status')).to.include({ code: 0 });
  });

  it('keeps policies that others attached to the role, until the role is removed', async () => {
    await upActions();
    const PolicyArn = await createPolicy(others, randomId(6), READS_VPCS);
    await others.iam.attachRolePolicy({ ...worker(), PolicyArn });
    const PolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement: READS_VPCS });
    await others.iam.putRolePolicy({ ...worker(), PolicyName: 'theirs', PolicyDocument });
    expect(await infra('status')).to.include({ code: 0 });
    await workspace.down();
    expect((await rejection(others.iam.getRole(worker()))).name).to.equal('NoSuchEntityException');
  });

  it("sets the boundary, and creates the manager's role only if a manager is configured", async () => {
    const permissionsBoundary = await createPolicy(others, randomId(6), READS_VPCS);
    workspace.configure({ iam: { permissionsBoundary }, manager: {} });
    expect(await upActions()).to.include(`create role ${workspace.stack}-manager`);
    for (const role of ['worker', 'manager']) {
      const { Role } = await others.iam.getRole({ RoleName: `${workspace.stack}-${role}` });
      expect(Role?.PermissionsBoundary?.PermissionsBoundaryArn).to.equal(permissionsBoundary);
    }
    // Without a manager in the configuration, the manager's role is left over.
    workspace.configure({ iam: { permissionsBoundary } }, workspace.stack);
    const left = (await infra('status')).lines.filter(({ state }) => state === 'leftOver').map(({ name }) => name);
    expect(left).to.deep.equal([`${workspace.stack}-manager`, `${workspace.stack}-manager`]);
  });

  it('uses the service and ARN names of China in the regions there', async () => {
    workspace.configure({ region: 'cn-north-1' });
    await upActions();
    const china = accountClients(cloud, { region: 'cn-north-1' });
    expect(await trustOf(china)).to.include('"ec2.amazonaws.com.cn"');
    const policy = JSON.stringify(await workerPolicy(china));
    expect(policy).to.include('arn:aws-cn:s3:::').and.not.include('arn:aws:');
    china.close();
  });

  it('refuses a role of that name that someone else created, and says how to continue', async () => {
    await createRole(others, worker().RoleName, 'lambda.amazonaws.com');
    const { code, stderr } = await infra('up', '--yes');
    expect(code).to.equal(7);
    expect(stderr).to.include('was not made by batchctl').and.include('workerProfile');
    expect(await trustOf()).to.include('lambda');
  });

  describe('with an existing instance profile', () => {
    /** Configures a profile that another person created, whose role has a policy. */
    const useProfileWith = async (statement: object): Promise<string> => {
      const name = `theirs-${randomId(6)}`;
      const { iam } = others;
      await createRole(others, name);
      const PolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement: statement });
      await iam.putRolePolicy({ RoleName: name, PolicyName: 'theirs', PolicyDocument });
      await iam.createInstanceProfile({ InstanceProfileName: name });
      await iam.addRoleToInstanceProfile({ InstanceProfileName: name, RoleName: name });
      workspace.configure({ iam: { workerProfile: name } });
      return name;
    };

    it('changes nothing, and says what its role lacks, as far as it can be read', async () => {
      const name = await useProfileWith({
        Effect: 'Allow',
        Action: ['s3:*', 'autoscaling:*', 'SQS:Get*'],
        Resource: '*',
      });
      cloud.takeCalls();
      const { code, lines, stderr } = await infra('up', '--yes');
      expect(code).to.equal(0);
      expect(lines.map(({ action, lacks }) => [action, lacks[0]?.what])).to.deep.equal([
        [
          'keep',
          `its role ${name} does not allow sqs:ListQueueTags, sqs:ReceiveMessage, sqs:DeleteMessage, sqs:ChangeMessageVisibility, sqs:SendMessage, ec2:DescribeSpotPriceHistory`,
        ],
      ]);
      expect(stderr).to.include('infra policies --for worker');
      expect(cloud.takeCalls().filter(({ action }) => !/^(Get|List)/.test(action))).to.deep.equal([]);
      cloud.failNext('iam:ListRolePolicies', 403, 'AccessDenied');
      expect((await infra('plan')).lines.map(({ lacks }) => lacks)).to.deep.equal([[]]);
      await workspace.down();
      const { InstanceProfile } = await others.iam.getInstanceProfile({ InstanceProfileName: name });
      expect(InstanceProfile?.Roles).to.have.length(1);
    });

    it('accepts a role that allows everything', async () => {
      await useProfileWith([{ Effect: 'Allow', Action: '*', Resource: '*' }]);
      expect((await infra('plan')).lines.map(({ lacks }) => lacks)).to.deep.equal([[]]);
    });

    it('fails if that instance profile does not exist', async () => {
      workspace.configure({ iam: { workerProfile: 'missing' } });
      const { code, stderr } = await infra('up', '--yes');
      expect(code).to.be.oneOf([3, 4]);
      expect(stderr).to.include('missing').and.include('iam.workerProfile');
    });
  });
});
