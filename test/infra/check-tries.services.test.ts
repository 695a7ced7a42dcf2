// Protects: infra check notices a stack of the same name that would take or change its resources, and a worker that keeps
// an instance which it may not end.
import { expect } from 'chai';
import { AwsClients } from '../../src/adapters/aws/clients.ts';
import { checkProfile, newCheckStack } from '../../src/infra/check.ts';
import { keepVersions, tryEnding, tryNeighbours } from '../../src/infra/check-tries.ts';
import type { StackParts } from '../../src/infra/stack.ts';
import { homeOf } from '../../src/lib/home.ts';
import { HOME_TAG } from '../../src/lib/stack-names.ts';
import { useTestKeys } from '../support/aws-keys.ts';
import { awsProfile } from '../support/aws-profile.ts';
import { forEachTest, forSuite } from '../support/fixture.ts';
import { accountClients } from '../support/grid/account-clients.ts';
import { accountState } from '../support/grid/account-state.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { rejection } from '../support/rejection.ts';
import { until } from '../support/until.ts';
import { down, stackParts, stackResources, up } from './grid-lab.ts';

/** Milliseconds that a try waits which is to fail. */
const SOON = 200;

describe('what infra check tries', () => {
  const cloud = forSuite(() => startCloud({ sqs: 'moto', pace: { second: 1 } }));
  const account = forSuite(() => accountClients(cloud));
  const stack = forEachTest(() => openCheck());
  let seen: string[];
  beforeEach(async () => {
    seen = [];
    await up(stackResources(stack.profile, stack.clients));
    cloud.takeCalls();
  });
  afterEach(() => down(stackResources(stack.profile, stack.clients)));

  /** A check's stack in a bucket of the account. */
  async function openCheck(): Promise<StackParts & { close(): Promise<void> }> {
    useTestKeys();
    const given = { region: 'us-east-1', account: cloud.account, stack: 'own', bucket: 'own' };
    const profile = checkProfile(
      await awsProfile(given, { AWS_ENDPOINT_URL: cloud.url }),
      newCheckStack(),
      't4g.small',
    );
    const { region, endpoints } = profile;
    const clients = new AwsClients({ region, endpoints, profile: null, account: cloud.account });
    return { ...stackParts(profile, clients), close: () => clients.close() };
  }
  const named = (what: string): string => `${stack.profile.stack}-${what}`;
  const options = (limitMs: number) => ({
    see: (text: string): void => {
      seen.push(text);
    },
    limitMs,
    signal: new AbortController().signal,
  });
  const neighbours = (limitMs = SOON) => tryNeighbours(stack, options(limitMs));

  describe('as stacks of the same name', () => {
    it('is refused for each tagged resource in another bucket, for those of IAM in another region, and changes nothing', async () => {
      const before = await accountState([account]);
      await neighbours();
      const iam = `role ${named('worker')}, profile ${named('worker')}`;
      expect(seen).to.have.length(2);
      expect(seen[0])
        .to.match(/^refused to a stack of this name in another bucket: /)
        .and.include(`queue ${named('default')}, `)
        .and.include(`queue ${named('default-dead')}`)
        .and.include(iam)
        .and.include(`securityGroup ${named('worker')}`)
        .and.include(`launchTemplate ${named('default')}`)
        .and.include(`group ${named('default')}`);
      expect(seen[1]).to.equal(`refused to a stack of this name in the region eu-west-1: ${iam}`);
      expect(cloud.takeChanges()).to.deep.equal([]);
      expect(await accountState([account])).to.deep.equal(before);
    });

    it('finds what another home has got, by its kind and name', async () => {
      const other = homeOf({ ...stack.profile, bucket: { ...stack.profile.bucket, name: named('other') } });
      const { LaunchTemplates: [{ LaunchTemplateId = '' } = {}] = [] } = await account.ec2.describeLaunchTemplates({
        LaunchTemplateNames: [named('default')],
      });
      const Tags = [{ Key: HOME_TAG, Value: other }];
      await account.ec2.createTags({ Resources: [LaunchTemplateId], Tags });
      expect(await rejection(neighbours())).to.deep.include({
        kind: 'finding',
        message: `a stack of this name in another bucket would take launchTemplate ${named('default')}`,
      });
      // Before the resources were looked at, none is removed.
      expect((await account.ec2.describeLaunchTemplates({})).LaunchTemplates).to.have.length(1);
      await account.ec2.createTags({
        Resources: [LaunchTemplateId],
        Tags: [{ Key: HOME_TAG, Value: homeOf(stack.profile) }],
      });

      const elsewhere = { Key: HOME_TAG, Value: homeOf({ ...stack.profile, region: 'eu-west-1' }) };
      await account.iam.tagRole({ RoleName: named('worker'), Tags: [elsewhere] });
      const { message } = await rejection(neighbours());
      expect(message).to.equal(`a stack of this name in the region eu-west-1 would take role ${named('worker')}`);
      await account.iam.tagRole({
        RoleName: named('worker'),
        Tags: [{ Key: HOME_TAG, Value: homeOf(stack.profile) }],
      });
    });

    it('finds what was changed meanwhile, and waits for what is not visible yet', async () => {
      const { QueueUrl } = await account.sqs.getQueueUrl({ QueueName: named('default') });
      const setLease = (seconds: number) =>
        account.sqs.setQueueAttributes({ QueueUrl, Attributes: { VisibilityTimeout: String(seconds) } });
      await setLease(30);
      expect((await rejection(neighbours())).message).to.equal(
        `no longer as infra up made it: queue ${named('default')}`,
      );
      await setLease(60);
      let late = 3;
      const isLate = ({ action, body }: { readonly action: string; readonly body: string }): boolean =>
        action === 'GetRole' && body.includes(named('worker')) && late-- > 0;
      cloud.failNext(isLate, 404, 'NoSuchEntity', 'not yet', 3);
      await neighbours(60_000);
      expect(late).to.be.at.most(0);
    });
  });

  it('turns on versions in the bucket of the check', async () => {
    await keepVersions(stack);
    const { Status } = await account.s3.getBucketVersioning({ Bucket: stack.profile.stack });
    expect(Status).to.equal('Enabled');
    cloud.failNext(({ url }) => url.searchParams.has('versioning'), 403, 'AccessDenied', 'no');
    expect(await rejection(keepVersions(stack))).to.deep.include({
      kind: 'credentials',
      denied: `s3:PutBucketVersioning on arn:aws:s3:::${stack.profile.stack}`,
    });
  });

  describe('with a worker that may not end its instance', () => {
    afterEach(() => cloud.grid.failLaunches(null));
    const AutoScalingGroupName = () => named('default');
    const ending = (limitMs = 60_000) => tryEnding(stack, options(limitMs));
    /** Begins the try, and waits until it has seen the instance. */
    async function begin(): Promise<{ readonly over: ReturnType<typeof ending> }> {
      cloud.takeCalls();
      const over = ending();
      const looks = (): boolean => cloud.takeCalls().some(({ action }) => action === 'DescribeInstances');
      await until('it looks at the instances', looks);
      return { over };
    }
    async function launch(): Promise<string> {
      await account.scaling.setDesiredCapacity({ AutoScalingGroupName: AutoScalingGroupName(), DesiredCapacity: 1 });
      const [{ id } = { id: '' }] = await cloud.grid.serves(AutoScalingGroupName(), 1);
      await account.scaling.setInstanceProtection({
        AutoScalingGroupName: AutoScalingGroupName(),
        InstanceIds: [id],
        ProtectedFromScaleIn: false,
      });
      return id;
    }

    it('denies it to the role of the check alone, and sees how the group ended the instance', async () => {
      const id = await launch();
      const { over } = await begin();
      await account.scaling.setDesiredCapacity({ AutoScalingGroupName: AutoScalingGroupName(), DesiredCapacity: 0 });
      expect(await over).to.equal(null);
      expect(seen).to.have.length(1);
      expect(seen[0])
        .to.match(new RegExp(`^${id} has left: At .* a user request explicitly set group desired capacity`))
        .and.not.include('in response to a user request');
      const { PolicyNames = [] } = await account.iam.listRolePolicies({ RoleName: named('worker') });
      expect(PolicyNames).to.have.members(['batchctl', 'batchctl-check']);
      const { PolicyDocument = '' } = await account.iam.getRolePolicy({
        RoleName: named('worker'),
        PolicyName: 'batchctl-check',
      });
      expect(JSON.parse(decodeURIComponent(PolicyDocument))).to.containSubset({
        Statement: [{ Effect: 'Deny', Action: ['autoscaling:TerminateInstanceInAutoScalingGroup'], Resource: '*' }],
      });
    });

    it('finds an instance that stays, and a group that replaces one', async () => {
      const id = await launch();
      expect(await rejection(ending(SOON))).to.deep.include({
        kind: 'finding',
        message: `${id} still runs, 200ms after it was denied to end itself`,
      });
      cloud.grid.failLaunches('quota');
      const { over } = await begin();
      cloud.grid.kill(id);
      expect((await rejection(over)).message).to.equal(`${id} has left, but its group still wants 1 instance`);
    });

    it('does not count an instance that ended itself before the denial was in force, nor none', async () => {
      expect(await ending()).to.include('no instance was left');
      const InstanceId = await launch();
      const { over } = await begin();
      await account.scaling.terminateInstanceInAutoScalingGroup({ InstanceId, ShouldDecrementDesiredCapacity: true });
      expect(await over).to.match(/^the denial came too late: At .* in response to a user request/);
      expect(seen).to.deep.equal([]);
    });
  });
});
