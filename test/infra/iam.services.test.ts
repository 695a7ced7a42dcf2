// Protects: infra up creates the workers' role with the permissions they need, and touches no role that others created.
import {
  AddRoleToInstanceProfileCommand,
  AttachRolePolicyCommand,
  CreateInstanceProfileCommand,
  CreatePolicyCommand,
  CreateRoleCommand,
  DeleteRolePolicyCommand,
  GetInstanceProfileCommand,
  GetRoleCommand,
  GetRolePolicyCommand,
  PutRolePolicyCommand,
  RemoveRoleFromInstanceProfileCommand,
} from '@aws-sdk/client-iam';
import { expect } from 'chai';
import type { PolicyDocument } from '../../src/infra/policy.ts';
import { randomId } from '../../src/lib/id.ts';
import { forSuite } from '../support/fixture.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { othersIn } from '../support/grid/leftovers.ts';
import { allows, callsOf } from '../support/iam.ts';
import { StackWorkspace, well } from './stack-workspace.ts';

const trustOf = (service: string): string =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { Service: service }, Action: 'sts:AssumeRole' }],
  });

const SOME_POLICY = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: 'ec2:DescribeVpcs', Resource: '*' }],
});

describe('infra up for roles', () => {
  const cloud = forSuite(() => startCloud());
  const others = forSuite(() => othersIn(cloud));
  const workspace = forSuite(() => new StackWorkspace(cloud));
  beforeEach(() => workspace.configure());

  const infra = (verb: string, ...args: readonly string[]) => workspace.here('infra', verb, '--only', 'iam', ...args);
  const rows = async (verb: string, ...args: readonly string[]) => {
    const lines = await well(infra(verb, ...args));
    return lines.map(({ kind, name, action }) => `${action} ${kind} ${name}`);
  };
  const worker = () => ({ RoleName: `${workspace.stack}-worker` });
  const policyThere = async ({ iam } = others) => {
    const { PolicyDocument: text = '' } = await iam.send(
      new GetRolePolicyCommand({ ...worker(), PolicyName: 'batchctl' }),
    );
    return JSON.parse(decodeURIComponent(text));
  };
  const policyOf = async (role: string): Promise<PolicyDocument> =>
    JSON.parse((await workspace.run(['infra', 'policies', '--for', role])).stdout);

  it('creates the role with its policy, and its instance profile, once', async () => {
    const name = `${workspace.stack}-worker`;
    expect(await rows('up', '--yes')).to.deep.equal([`create role ${name}`, `create profile ${name}`]);
    const { Role } = await others.iam.send(new GetRoleCommand(worker()));
    expect(JSON.parse(decodeURIComponent(Role?.AssumeRolePolicyDocument ?? ''))).to.deep.equal(
      JSON.parse(trustOf('ec2.amazonaws.com')),
    );
    expect(await policyThere()).to.deep.equal(await policyOf('worker'));
    const profile = await others.iam.send(new GetInstanceProfileCommand({ InstanceProfileName: name }));
    expect(profile.InstanceProfile?.Roles?.map(({ RoleName }) => RoleName)).to.deep.equal([name]);
    cloud.takeCalls();
    expect(await rows('up', '--yes')).to.deep.equal([`keep role ${name}`, `keep profile ${name}`]);
    const changes = cloud.takeCalls().filter(({ action }) => !/^(Get|List|Describe)/.test(action));
    expect(changes.map(({ action }) => action)).to.deep.equal([]);
  });

  it('calls only IAM and STS, and asks which workers would lose the role', async () => {
    cloud.takeCalls();
    await rows('plan');
    await rows('up', '--yes');
    await infra('status');
    const asked = cloud.takeCalls();
    const isOfGroups = ({ action }: { action: string }): boolean => action === 'DescribeAutoScalingGroups';
    expect(asked.some(isOfGroups)).to.equal(true);
    const calls = asked.filter((call) => !isOfGroups(call));
    expect([...new Set(calls.map(({ service }) => service))].sort()).to.deep.equal(['iam', 'sts']);
    const admin = await policyOf('admin');
    const iamAlone = { ...admin, Statement: admin.Statement.filter(({ Action }) => Action[0]?.startsWith('iam:')) };
    const asking = { account: cloud.account, stack: workspace.stack };
    const denied = calls.flatMap((call) => callsOf(call, asking)).filter((call) => !allows(iamAlone, call));
    expect(denied).to.deep.equal([]);
  });

  it('reads no role when only the data or the grid is planned', async () => {
    cloud.takeCalls();
    for (const part of ['data', 'grid']) await workspace.here('infra', 'plan', '--only', part);
    expect(cloud.takeCalls().filter(({ action }) => /Role/.test(action))).to.deep.equal([]);
  });

  it('reports drift, and repairs it', async () => {
    await rows('up', '--yes');
    const { iam } = others;
    const name = `${workspace.stack}-worker`;
    await iam.send(new DeleteRolePolicyCommand({ ...worker(), PolicyName: 'batchctl' }));
    const held = { InstanceProfileName: name, ...worker() };
    await iam.send(new RemoveRoleFromInstanceProfileCommand(held));
    const status = await infra('status');
    expect(status.code).to.equal(11);
    expect(status.lines.map(({ state, differences }) => [state, ...differences])).to.deep.equal([
      ['differs', 'its policy'],
      ['differs', `role none → ${name}`],
    ]);
    expect(await rows('up', '--yes')).to.deep.equal([`change role ${name}`, `change profile ${name}`]);
    expect(await infra('status')).to.include({ code: 0 });
  });

  it('keeps policies that others attached to the role, until the role is removed', async () => {
    await rows('up', '--yes');
    const PolicyName = randomId(6);
    const made = await others.iam.send(new CreatePolicyCommand({ PolicyName, PolicyDocument: SOME_POLICY }));
    await others.iam.send(new AttachRolePolicyCommand({ ...worker(), PolicyArn: made.Policy?.Arn }));
    await others.iam.send(new PutRolePolicyCommand({ ...worker(), PolicyName: 'theirs', PolicyDocument: SOME_POLICY }));
    expect(await infra('status')).to.include({ code: 0 });
    await well(workspace.downHere());
    const gone = await others.iam.send(new GetRoleCommand(worker())).catch((error: Error) => error.name);
    expect(gone).to.equal('NoSuchEntityException');
  });

  it("sets the boundary, and creates the manager's role only if a manager is configured", async () => {
    const PolicyName = randomId(6);
    const made = await others.iam.send(new CreatePolicyCommand({ PolicyName, PolicyDocument: SOME_POLICY }));
    const permissionsBoundary = made.Policy?.Arn ?? '';
    workspace.configure({ iam: { permissionsBoundary }, manager: {} });
    const names = await rows('up', '--yes');
    expect(names).to.include(`create role ${workspace.stack}-manager`);
    for (const who of ['worker', 'manager']) {
      const { Role } = await others.iam.send(new GetRoleCommand({ RoleName: `${workspace.stack}-${who}` }));
      expect(Role?.PermissionsBoundary?.PermissionsBoundaryArn).to.equal(permissionsBoundary);
    }
    // The stack has no manager any more, so its role is left over.
    workspace.configure({ iam: { permissionsBoundary } }, workspace.stack);
    const left = (await infra('status')).lines.filter(({ state }) => state === 'leftOver').map(({ name }) => name);
    expect(left).to.deep.equal([`${workspace.stack}-manager`, `${workspace.stack}-manager`]);
  });

  it('uses the service and ARN names of China in the regions there', async () => {
    workspace.configure({ region: 'cn-north-1' });
    await rows('up', '--yes');
    const china = othersIn(cloud, 'cn-north-1');
    const { Role } = await china.iam.send(new GetRoleCommand(worker()));
    expect(decodeURIComponent(Role?.AssumeRolePolicyDocument ?? '')).to.include('"ec2.amazonaws.com.cn"');
    const policy = JSON.stringify(await policyThere(china));
    expect(policy).to.include('arn:aws-cn:s3:::').and.not.include('arn:aws:');
    china.close();
  });

  it('refuses a role of that name that someone else created, and says how to continue', async () => {
    await others.iam.send(
      new CreateRoleCommand({ ...worker(), AssumeRolePolicyDocument: trustOf('lambda.amazonaws.com') }),
    );
    const { code, stderr } = await infra('up', '--yes');
    expect(code).to.equal(7);
    expect(stderr).to.include('was not made by batchctl').and.include('workerProfile');
    const { Role } = await others.iam.send(new GetRoleCommand(worker()));
    expect(decodeURIComponent(Role?.AssumeRolePolicyDocument ?? '')).to.include('lambda');
  });

  describe('with an existing instance profile', () => {
    const given = async (statement: object): Promise<string> => {
      const name = `theirs-${randomId(6)}`;
      const { iam } = others;
      await iam.send(new CreateRoleCommand({ RoleName: name, AssumeRolePolicyDocument: trustOf('ec2.amazonaws.com') }));
      const PolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement: statement });
      await iam.send(new PutRolePolicyCommand({ RoleName: name, PolicyName: 'theirs', PolicyDocument }));
      await iam.send(new CreateInstanceProfileCommand({ InstanceProfileName: name }));
      await iam.send(new AddRoleToInstanceProfileCommand({ InstanceProfileName: name, RoleName: name }));
      workspace.configure({ iam: { workerProfile: name } });
      return name;
    };

    it('changes nothing, and says what its role lacks, as far as it can be read', async () => {
      const name = await given({ Effect: 'Allow', Action: ['s3:*', 'autoscaling:*', 'SQS:Get*'], Resource: '*' });
      cloud.takeCalls();
      const { code, lines, stderr } = await infra('up', '--yes');
      expect(code).to.equal(0);
      expect(lines.map(({ action, lacks }) => [action, lacks[0]?.what])).to.deep.equal([
        [
          'keep',
          `its role ${name} does not allow sqs:ReceiveMessage, sqs:DeleteMessage, sqs:ChangeMessageVisibility, sqs:SendMessage, ec2:DescribeSpotPriceHistory`,
        ],
      ]);
      expect(stderr).to.include('infra policies --for worker');
      expect(cloud.takeCalls().filter(({ action }) => !/^(Get|List)/.test(action))).to.deep.equal([]);
      cloud.failNext('iam:ListRolePolicies', 403, 'AccessDenied');
      expect((await infra('plan')).lines.map(({ lacks }) => lacks)).to.deep.equal([[]]);
      expect(await workspace.here('infra', 'down', '--confirm', workspace.stack)).to.include({ code: 0 });
      const there = await others.iam.send(new GetInstanceProfileCommand({ InstanceProfileName: name }));
      expect(there.InstanceProfile?.Roles).to.have.length(1);
    });

    it('accepts a role that allows everything', async () => {
      await given([{ Effect: 'Allow', Action: '*', Resource: '*' }]);
      expect((await infra('plan')).lines.map(({ lacks }) => lacks)).to.deep.equal([[]]);
    });

    it('fails if that instance profile does not exist', async () => {
      workspace.configure({ iam: { workerProfile: 'nobodys' } });
      const { code, stderr } = await infra('up', '--yes');
      expect(code).to.be.oneOf([3, 4]);
      expect(stderr).to.include('nobodys').and.include('iam.workerProfile');
    });
  });
});
