import type { Activity } from '@aws-sdk/client-auto-scaling';
import { ScalingRequests } from '../adapters/aws/auto-scaling.ts';
import { translateErrors } from '../adapters/aws/errors.ts';
import type { AwsProfile } from '../config/load-config.ts';
import { BatchctlError, isKind } from '../errors.ts';
import { gridName, roleName } from '../lib/stack-names.ts';
import { formatDuration, formatMany } from '../lib/units.ts';
import { Arns } from './arns.ts';
import { type AwsContext, pollUntil } from './call-aws.ts';
import { CHECK_GROUP } from './check.ts';
import { IamAccess } from './iam.ts';
import { aliveInstances } from './inventory.ts';
import type { Kind, RemovalOptions, Resource } from './resource.ts';
import { resourcesOf, type StackParts } from './stack.ts';

// What `infra check` tries in its own stack besides its job. Nothing here needs a removal of its own: the removal of the
// stack empties the bucket of all versions, and the role of all policies.

/** How long a try waits, and where it says what it saw. */
interface Try {
  readonly see: (text: string) => void;
  readonly limitMs: number;
  readonly signal: AbortSignal;
}

/** Resources that IAM holds for all regions. */
const GLOBAL: readonly Kind[] = ['role', 'profile'];
/** Resources whose tags name their home. The bucket has a name of its own; domains and releases have no tags. */
const TAGGED: readonly Kind[] = [...GLOBAL, 'queue', 'securityGroup', 'launchTemplate', 'group'];

/** Another home whose stack has the same name, and the kinds of resources that it finds under its own names. */
interface Neighbour {
  readonly where: string;
  readonly profile: AwsProfile;
  readonly kinds: readonly Kind[];
}

function neighboursOf(profile: AwsProfile): readonly Neighbour[] {
  const { region, bucket } = profile;
  const elsewhere = region === 'us-east-1' ? 'eu-west-1' : 'us-east-1';
  return [
    {
      where: 'another bucket',
      profile: { ...profile, bucket: { ...bucket, name: `${bucket.name}-other` } },
      kinds: TAGGED,
    },
    // IAM has no regions, so its requests are the same: only the home that they compare is another one.
    { where: `the region ${elsewhere}`, profile: { ...profile, region: elsewhere }, kinds: GLOBAL },
  ];
}

/** As an `infra down --delete-data` that waits for nothing. */
const ALL: RemovalOptions = { deleteData: true, force: true, outcomeOf: () => null, note: () => undefined };

/**
 * Lets stacks of the same name, in another bucket and in another region, look at all tagged resources and remove them.
 * Throws `finding` unless each is refused, and everything is as it was afterwards: within the limit, as what is new may
 * not be visible everywhere at once.
 */
export async function tryNeighbours(stack: StackParts, { see, limitMs, signal }: Try): Promise<void> {
  const wait = { timeoutMs: limitMs, signal };
  for (const { where, profile, kinds } of neighboursOf(stack.profile)) {
    const theirs = resourcesOf({ ...stack, profile }, null, 'inForce').filter(({ kind }) => kinds.includes(kind));
    const taken = await waitForNone(theirs, isTaken, wait);
    if (taken.length > 0) throw finding(`a stack of this name in ${where} would take ${namesOf(taken)}`);
    const removed = await those(theirs, async (each) => (await each.remove(ALL)) === null);
    if (removed.length > 0) throw finding(`a stack of this name in ${where} could remove ${namesOf(removed)}`);
    see(`refused to a stack of this name in ${where}: ${namesOf(theirs)}`);
  }
  const ours = resourcesOf(stack, null, 'inForce').filter(({ kind }) => TAGGED.includes(kind));
  const changed = await waitForNone(ours, async (each) => (await each.look()).state !== 'asItShould', wait);
  if (changed.length > 0) throw finding(`no longer as infra up made it: ${namesOf(changed)}`);
}

/** False if a look at it is refused, because it belongs to another home. */
async function isTaken(resource: Resource): Promise<boolean> {
  try {
    await resource.look();
    return true;
  } catch (error) {
    if (isKind(error, 'refused')) return false;
    throw error;
  }
}

/** The resources of which something is still true after a while. */
async function waitForNone(
  all: readonly Resource[],
  is: (resource: Resource) => Promise<boolean>,
  wait: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<readonly Resource[]> {
  let found: readonly Resource[] = [];
  const look = async (): Promise<boolean> => {
    found = await those(all, is);
    return found.length === 0;
  };
  await pollUntil(look, wait);
  return found;
}

async function those(
  all: readonly Resource[],
  is: (resource: Resource) => Promise<boolean>,
): Promise<readonly Resource[]> {
  const found: Resource[] = [];
  for (const each of all) if (await is(each)) found.push(each);
  return found;
}

const namesOf = (all: readonly Resource[]): string => all.map(({ kind, name }) => `${kind} ${name}`).join(', ');

const finding = (text: string): BatchctlError => new BatchctlError('finding', text);

/** Turns on the versions of the stack's bucket. */
export async function keepVersions({ profile, clients }: AwsContext): Promise<void> {
  const { name: Bucket, owner } = profile.bucket;
  const doing = { action: 's3:PutBucketVersioning', resource: new Arns(profile).bucket, profile: clients.profile };
  await translateErrors({ ...doing, what: `turn on versions of the bucket ${Bucket}` }, async () => {
    const [sdk, client] = await Promise.all([import('@aws-sdk/client-s3'), clients.s3('control')]);
    await client.send(
      new sdk.PutBucketVersioningCommand({
        Bucket,
        ...(owner !== null && { ExpectedBucketOwner: owner }),
        VersioningConfiguration: { Status: 'Enabled' },
      }),
    );
  });
}

/**
 * Denies workers the right to end their instances, and waits until none is left: the last one makes its group smaller, or
 * shuts down. Throws `finding` if one stays for longer than the limit. Returns why nothing was tried; null if it was.
 */
export async function tryEnding(stack: AwsContext, { see, limitMs, signal }: Try): Promise<string | null> {
  await denyEnding(stack);
  let alive = await aliveInstances(stack);
  if (alive.length === 0) return 'no instance was left when the right to end itself was denied';
  const names = alive.map(({ name }) => name).join(', ');
  const look = async (): Promise<boolean> => {
    alive = await aliveInstances(stack);
    return alive.length === 0;
  };
  if (!(await pollUntil(look, { timeoutMs: limitMs, signal }))) {
    throw finding(`${names} still runs, ${formatDuration(limitMs / 1_000)} after it was denied to end itself`);
  }
  const group = new ScalingRequests(stack.clients, gridName(stack.profile.stack, CHECK_GROUP));
  const { DesiredCapacity: wanted = 0 } = (await group.read()) ?? {};
  if (wanted > 0) throw finding(`${names} has left, but its group still wants ${formatMany(wanted, 'instance')}`);
  const cause = causeOfEnding(await group.activities());
  if (cause.includes(BY_NAME)) return `the denial came too late: ${cause}`;
  see(`${names} has left: ${cause}`);
  return null;
}

/** In the cause of an activity: the instance was ended by its name (TerminateInstanceInAutoScalingGroup). */
const BY_NAME = 'in response to a user request';

/** Why a group ended an instance last, in Auto Scaling's words. */
function causeOfEnding(activities: readonly Activity[]): string {
  const ended = activities.find(({ Description = '' }) => Description.startsWith('Terminating EC2 instance'));
  return ended?.Cause ?? 'Auto Scaling gives no cause';
}

/** From now on, the stack's workers may not end their instances, as under a service control policy that denies it. */
async function denyEnding({ profile, clients }: AwsContext): Promise<void> {
  const RoleName = roleName(profile.stack, 'worker');
  const iam = new IamAccess(clients, { kind: 'role', name: RoleName });
  await iam.translated('put a denial on', 'iam:PutRolePolicy', async () => {
    const [sdk, client] = await iam.open();
    const put = { RoleName, PolicyName: 'batchctl-check', PolicyDocument: JSON.stringify(DENIAL) };
    await client.send(new sdk.PutRolePolicyCommand(put));
  });
}

const DENIAL = {
  Version: '2012-10-17',
  Statement: [
    {
      Sid: 'Check',
      Effect: 'Deny',
      Action: ['autoscaling:TerminateInstanceInAutoScalingGroup', 'ec2:TerminateInstances'],
      Resource: '*',
    },
  ],
};
