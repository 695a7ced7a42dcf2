import { setTimeout as sleep } from 'node:timers/promises';
import type * as ec2 from '@aws-sdk/client-ec2';
import { AwsClients } from '../adapters/aws/clients.ts';
import { translateErrors } from '../adapters/aws/errors.ts';
import { readIdentity, requireAccount } from '../adapters/aws/identity.ts';
import type { AwsProfile } from '../config/load-config.ts';
import { partitionOf } from '../lib/stack-names.ts';
import { jitter, wait } from '../lib/wait.ts';

export interface AwsContext {
  readonly profile: AwsProfile;
  readonly clients: AwsClients;
}

/**
 * Opens a profile's account, and finds out which it is: ARNs contain it. Throws `config` for another account than the
 * profile's, `credentials`, `unavailable`.
 */
export async function openAccount(profile: AwsProfile): Promise<AwsContext & { readonly account: string }> {
  const { region, endpoints, aws } = profile;
  const clients = new AwsClients({ region, endpoints, profile: aws.profile, account: profile.account });
  try {
    await requireAccount(clients);
    const account = profile.account ?? (await readIdentity(clients)).account;
    return { account, profile: { ...profile, account }, clients };
  } catch (error) {
    await clients.close();
    throw error;
  }
}

interface AwsCall {
  readonly what: string;
  readonly action: string;
  /** The end of an ARN: `security-group/*`. */
  readonly resource: string;
  /** By default the profile's. */
  readonly region?: string;
}

/** Sends a request to EC2, Auto Scaling or IAM; translates errors. */
export function callAws<T>(
  { profile, clients }: AwsContext,
  { what, action, resource, region = profile.region }: AwsCall,
  work: () => Promise<T>,
): Promise<T> {
  const service = action.slice(0, action.indexOf(':'));
  const { account } = profile;
  const arn = `arn:${partitionOf(region)}:${service}:${region}:${account ?? '*'}:${resource}`;
  return translateErrors({ what, action, resource: arn, profile: clients.profile }, work);
}

/** The SDK and a client, loaded when they are first needed. */
export const loadEc2 = ({ clients }: Pick<AwsContext, 'clients'>, region?: string) =>
  Promise.all([import('@aws-sdk/client-ec2'), clients.ec2(region)]);
export const loadAutoScaling = ({ clients }: Pick<AwsContext, 'clients'>) =>
  Promise.all([import('@aws-sdk/client-auto-scaling'), clients.autoScaling()]);

/** As `callAws`, with EC2's commands and client. */
export const callEc2 = <T>(
  place: AwsContext,
  doing: AwsCall,
  work: (...open: Awaited<ReturnType<typeof loadEc2>>) => Promise<T>,
): Promise<T> => callAws(place, doing, async () => work(...(await loadEc2(place, doing.region))));

/** The items of all pages of a list. */
export async function collectPages<Page, T>(
  pages: AsyncIterable<Page>,
  of: (page: Page) => readonly T[] | undefined,
): Promise<readonly T[]> {
  const found: T[] = [];
  for await (const page of pages) found.push(...(of(page) ?? []));
  return found;
}

/** States of instances that AWS charges for, at least for their volumes (EC2: instance lifecycle). */
const ALIVE = ['pending', 'running', 'stopping', 'stopped'];

/** Instances that match and have not terminated. */
export function describeAlive(
  sdk: typeof ec2,
  client: ec2.EC2Client,
  filters: readonly ec2.Filter[],
): Promise<readonly ec2.Instance[]> {
  const Filters = [...filters, { Name: 'instance-state-name', Values: ALIVE }];
  const pages = sdk.paginateDescribeInstances({ client }, { Filters });
  return collectPages(pages, (page) => page.Reservations?.flatMap(({ Instances = [] }) => Instances));
}

/** How long the next call may not know a new resource, milliseconds. */
const PATIENCE_MS = 120_000;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;

/** Errors by which AWS says that an earlier change isn't known everywhere yet. */
const CONSISTENCY_ERRORS = new Set([
  'NoSuchBucket',
  'OperationAborted',
  'QueueDoesNotExist',
  'QueueDeletedRecently',
  'NoSuchDomain',
  'NoSuchEntity',
  'ConcurrentModification',
  'EntityTemporarilyUnmodifiable',
]);

/**
 * Retries while AWS says that an earlier change isn't known everywhere yet, for at most two minutes. `also` adds errors
 * that pass, by name or by a pattern of the message.
 */
export async function retryUntilConsistent<T>(
  attempt: () => Promise<T>,
  also: readonly (string | RegExp)[] = [],
): Promise<T> {
  const end = performance.now() + PATIENCE_MS;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    try {
      return await attempt();
    } catch (error) {
      // The SDK appends `Exception` to IAM's error codes.
      const name = error instanceof Error ? error.name.replace(/Exception$/, '') : '';
      const message = error instanceof Error ? error.message : '';
      const passes =
        CONSISTENCY_ERRORS.has(name) ||
        also.some((one) => (typeof one === 'string' ? one === name : one.test(message)));
      if (!passes || performance.now() + pause > end) throw error;
      await sleep(pause);
    }
  }
}

const NOT_SEEN = 'NotSeen';

/** Looks for what was just created, until AWS shows it. */
export function waitUntilVisible<T>(find: () => Promise<T | null>): Promise<T> {
  const seen = async (): Promise<T> => {
    const found = await find();
    if (found !== null) return found;
    throw Object.assign(new Error('it was created, but is not visible'), { name: NOT_SEEN });
  };
  return retryUntilConsistent(seen, [NOT_SEEN]);
}

/** Milliseconds between two looks: short at first, for what takes a second, longer later, for what takes minutes. */
const FIRST_LOOK_MS = 500;
const LONGEST_LOOK_MS = 5_000;

/** Looks until the answer is yes, or returns false once the time is over. Throws the signal's reason when it aborts. */
export async function pollUntil(
  look: () => Promise<boolean>,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<boolean> {
  const end = performance.now() + timeoutMs;
  for (let pause = FIRST_LOOK_MS; ; pause = Math.min(1.5 * pause, LONGEST_LOOK_MS)) {
    if (await look()) return true;
    const left = end - performance.now();
    if (left <= 0) return false;
    await wait(Math.min(jitter(pause), left), signal);
    signal.throwIfAborted();
  }
}
