import type { AwsClients } from '../adapters/aws/clients.ts';
import { nullOnError } from '../adapters/aws/errors.ts';
import type { AwsProfile } from '../config/load-config.ts';
import { BatchctlError } from '../errors.ts';
import { homeOf } from '../lib/home.ts';
import { once } from '../lib/once.ts';
import { FORMER_TAG, HOME_TAG, roleName, STACK_TAG } from '../lib/stack-names.ts';
import { Arns } from './arns.ts';
import { statementsOf } from './policy.ts';
import { fromTagList, type TagList, tagsOf } from './tags.ts';

/** The profile in whose name resources are looked at, and the clients of its account. */
interface Looker {
  readonly profile: AwsProfile;
  readonly clients: AwsClients;
}

/**
 * Whether resources with the stack's tag and no home are this home's: earlier versions recorded none. The bucket shows
 * it, if such a version made it; an existing bucket has no tags, so the workers' role must, by its policy at first. A
 * home that was made since can have neither.
 */
export const formerHome = (place: Looker): (() => Promise<boolean>) => once(() => readFormerHome(place));

/**
 * Null if a resource is this home's, by its tags; otherwise its owner, for people. `isFormerHome` is asked only about a
 * resource with the stack's tag and no home.
 */
export async function foreignOwner(
  place: Looker,
  tags: FoundTags,
  isFormerHome: () => Promise<boolean> = () => readFormerHome(place),
): Promise<string | null> {
  const { stack } = place.profile;
  const [owner, home] = [tags[STACK_TAG], tags[HOME_TAG]];
  if (owner !== stack) return owner === undefined ? 'was not made by batchctl' : `belongs to the stack ${owner}`;
  if (home === homeOf(place.profile)) return null;
  if (home !== undefined) return `belongs to the stack ${stack} of ${home}`;
  return (await isFormerHome()) ? null : unmarkedText(place.profile);
}

/** For a resource of an earlier version, of which nothing shows whose it is. */
export const unmarkedText = ({ stack }: Pick<AwsProfile, 'stack'>): string =>
  `belongs to a stack ${stack} that an earlier version made, maybe another one than this`;

/** The fix for a resource of another owner. */
export const ownerHint = (profile: AwsProfile, others = ''): string =>
  `use another stack name in the profile${others}; if it is this stack's, tag it ${HOME_TAG}=${homeOf(profile)}`;

/** Throws `refused` for an existing resource (`the security group x`) that isn't this home's. */
export async function requireOurs(place: Looker, what: string, tags: TagList, others = ''): Promise<void> {
  const owner = await foreignOwner(place, fromTagList(tags));
  if (owner === null) return;
  throw new BatchctlError('refused', `${what} exists, and ${owner}`, { hint: ownerHint(place.profile, others) });
}

/**
 * Whether a role's inline policy (percent-encoded JSON) is for this home: it names a queue of the profile's groups in
 * the region, and exactly the prefix in the bucket.
 */
export function namesHome(document: string | undefined, who: 'worker' | 'manager', profile: AwsProfile): boolean {
  const named = statementsOf(document ?? '').flatMap(({ Resource = [] }) => Resource);
  const arns = new Arns(profile);
  // The role is in this account, whether the profile named it then and does so now, or not.
  const queues = new Set(arns.queues.map(withoutAccount));
  return (
    named.some((arn) => queues.has(withoutAccount(arn))) &&
    arns.objects(HOME_OBJECTS[who]).every((arn) => named.includes(arn))
  );
}

const withoutAccount = (arn: string): string => arn.replace(/^((?:[^:]*:){4})[^:]*/, '$1');

/** Objects that the policy of a role has named in each version. */
const HOME_OBJECTS = { worker: 'jobs/*/steps/*', manager: '*' } as const;

async function readFormerHome(place: Looker): Promise<boolean> {
  const read = place.profile.bucket.existing ? formerByRole(place) : formerByBucket(place);
  // Denied: someone who makes one part of a stack may not read the others.
  return (await nullOnError(read, /^AccessDenied/)) ?? false;
}

async function formerByRole({ profile, clients }: Looker): Promise<boolean> {
  const [{ GetRoleCommand, GetRolePolicyCommand }, client] = await Promise.all([
    import('@aws-sdk/client-iam'),
    clients.iam(),
  ]);
  const RoleName = roleName(profile.stack, 'worker');
  const found = await nullOnError(client.send(new GetRoleCommand({ RoleName })), MISSING);
  const tags = fromTagList(found?.Role?.Tags);
  if (tags[HOME_TAG] !== undefined || !isFormer(profile, tags)) return isFormer(profile, tags);
  const asked = client.send(new GetRolePolicyCommand({ RoleName, PolicyName: ROLE_POLICY }));
  return namesHome((await nullOnError(asked, MISSING))?.PolicyDocument, 'worker', profile);
}

async function formerByBucket({ profile, clients }: Looker): Promise<boolean> {
  const { name: Bucket, owner } = profile.bucket;
  const [{ GetBucketTaggingCommand }, client] = await Promise.all([
    import('@aws-sdk/client-s3'),
    clients.s3('control'),
  ]);
  const at = { Bucket, ...(owner !== null && { ExpectedBucketOwner: owner }) };
  const found = await nullOnError(client.send(new GetBucketTaggingCommand(at)), 'NoSuchTagSet', 'NoSuchBucket');
  return isFormer(profile, fromTagList(found?.TagSet));
}

const MISSING = /^NoSuchEntity/;

type FoundTags = Readonly<Record<string, string | undefined>>;

/** Of a stack of this name, made by a version that recorded no home. This home, if it has recorded one since. */
function isFormer(profile: AwsProfile, { [STACK_TAG]: stack, [HOME_TAG]: home, [FORMER_TAG]: former }: FoundTags) {
  return stack === profile.stack && (home === undefined || (home === homeOf(profile) && former !== undefined));
}

/** The tags of a bucket or role that shows whose the resources of an earlier version are, given those that it has. */
export const lastingTags = (profile: AwsProfile, found: FoundTags): Readonly<Record<string, string>> => ({
  ...tagsOf(profile),
  ...(isFormer(profile, found) && { [FORMER_TAG]: 'true' }),
});

/** The name of the only inline policy of a role. */
export const ROLE_POLICY = 'batchctl';
