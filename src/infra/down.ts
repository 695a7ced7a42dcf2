import type { AwsProfile } from '../config/load-config.ts';
import { bareGroup } from '../config/schema.ts';
import { BatchctlError, isBatchctlError, isKind } from '../errors.ts';
import { eachParallel } from '../lib/parallel.ts';
import { gridName, MANAGER_GROUP } from '../lib/stack-names.ts';
import { formatDuration, formatMany } from '../lib/units.ts';
import { pollUntil } from './call-aws.ts';
import { drainGroups } from './drain-groups.ts';
import { aliveInstances, type InventoryItem, takeCensus, takeInventory } from './inventory.ts';
import { DomainsResource, domainsOf } from './ledger.ts';
import type { KeptReason, Outcome, RemovalOptions, Resource } from './resource.ts';
import { type OpenStack, resourcesOf } from './stack.ts';

export interface DownOptions {
  readonly stack: OpenStack;
  /** One worker group with its queue; null: the whole stack. */
  readonly group: string | null;
  readonly deleteData: boolean;
  /** The time that workers get to drain. */
  readonly timeoutMs: number;
  /** Throws `refused` while jobs need what is to be removed. */
  readonly requireIdle: () => Promise<void>;
  readonly note: (text: string) => void;
  readonly signal: AbortSignal;
}

export interface RemovalOutcome {
  readonly kind: InventoryItem['kind'];
  readonly name: string;
  readonly outcome: Outcome;
  readonly why: string | null;
}

/** A resource that could not be removed, because that was denied or a service failed. */
export interface RemovalFailure {
  readonly kind: RemovalOutcome['kind'];
  readonly name: string;
  readonly error: BatchctlError;
}

export interface RemovalResult {
  readonly gone: readonly RemovalOutcome[];
  readonly failed: readonly RemovalFailure[];
}

const AT_ONCE = 4;
/** The longest that ended instances may take to terminate, milliseconds: they hold their security group. */
const ENDING_MS = 600_000;
/** How long deleted resources may still be listed, milliseconds. */
const SETTLING_MS = 90_000;

/** The existing resources of the stack that `removeStack` would remove. Throws `notFound` for an unknown group. */
export async function planRemoval(
  stack: OpenStack,
  group: string | null,
): Promise<{
  readonly profile: AwsProfile;
  readonly resources: readonly Resource[];
  readonly items: readonly InventoryItem[];
  /** Other homes with resources of the stack's name in the region. */
  readonly others: readonly string[];
}> {
  const census = await takeCensus(stack);
  const items = census.items.filter((item) => group === null || belongsTo(item, group));
  if (group !== null && items.length === 0 && !Object.hasOwn(stack.profile.groups, group)) {
    const known = Object.keys(stack.profile.groups).join(', ');
    throw new BatchctlError('notFound', `stack ${stack.profile.stack} has no resources of a group ${group}`, {
      hint: `the profile's groups: ${known}; batchctl infra status shows others`,
    });
  }
  const profile = widenProfile(stack.profile, items, group);
  const named = resourcesOf({ ...stack, profile }, null, 'inForce').filter(
    (each) => group === null || each.group === group,
  );
  const resources = [...formerDomains(stack, items), ...named.flatMap((each) => splitDomains(each, stack))];
  return { profile, resources, items, others: census.others };
}

/**
 * Removes a stack, or one group of it, so that nothing is in use when it goes: first its workers drain, then the groups
 * go and what they were made of, at the end what holds data. A denial or failure holds up only what the failed resource
 * still uses. If interrupted, or failed in part, it can be repeated. Returns the outcome for each resource, with a
 * final inventory. Throws `refused` while jobs are open, `credentials` once there are none to go on with.
 */
export async function removeStack(options: DownOptions): Promise<RemovalResult> {
  const { stack, group, deleteData, note } = options;
  await options.requireIdle();
  const { resources, items, others } = await planRemoval(stack, group);
  const failures = new Failures(options.signal);
  const force = !(await drainWorkers(options, items, failures));
  // A job submitted in the meantime finds no worker, and keeps its data.
  await options.requireIdle();
  const found = new Set(items.map(keyOf));
  const gone: RemovalOutcome[] = [];
  const how: RemovalOptions = {
    deleteData,
    force,
    outcomeOf: (kind, name) => gone.find((each) => each.kind === kind && each.name === name)?.outcome ?? null,
    note,
  };
  // Roles last: their policies show whose resources of an earlier version are (owner.ts).
  const ordered = [...resources].reverse().sort((one, other) => Number(isIam(one)) - Number(isIam(other)));
  const isGroup = ({ kind }: Resource): boolean => kind === 'group';
  // All groups first: until they are gone, their instances hold what the rest consists of.
  await removeGroups(ordered.filter(isGroup), how, failures);
  await waitForInstances(options, failures);
  for (const resource of [...ordered.filter(isGroup), ...ordered.filter((each) => !isGroup(each))]) {
    const { kind, name } = resource;
    const outcome =
      sharedOutcome(resource, others) ?? failures.blockedOutcome(resource, ordered) ?? (await removed(resource));
    if (outcome === null) continue;
    gone.push(outcome);
    if (outcome.outcome === 'removed') note(`removed ${kind} ${name}`);
  }
  const left = await finalInventory(options, gone, failures);
  return { gone: [...gone, ...left], failed: failures.all };

  async function removed(resource: Resource): Promise<RemovalOutcome | null> {
    const { kind, name } = resource;
    try {
      return outcomeOf(resource, await resource.remove(how), found);
    } catch (error) {
      return { kind, name, outcome: 'left', why: failures.note(resource, error) };
    }
  }
}

/** All failures of a removal as one error: the first one's kind, and each one's message. */
export function failureOf([first, ...others]: readonly RemovalFailure[]): BatchctlError | null {
  if (first === undefined) return null;
  const all = [first, ...others].map(({ error }) => error);
  const [{ kind, denied }] = [first.error];
  const hints = [...new Set(all.map(({ hint }) => hint).filter((hint) => hint !== undefined))];
  const hint = [...hints, 'run the same command again to continue'].join('; ');
  const message =
    all.length === 1
      ? first.error.message
      : `${all.length} removals failed:\n${all.map((each) => `- ${each.message}`).join('\n')}`;
  return new BatchctlError(kind, message, { hint, ...(denied !== undefined && { denied }), cause: first.error });
}

/** The failures of a removal so far, and what is still in use because of them. */
class Failures {
  readonly all: RemovalFailure[] = [];
  readonly #signal: AbortSignal;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** Records a failure that the rest can continue after, and returns its message; throws any other. */
  note({ kind, name }: Pick<RemovalFailure, 'kind' | 'name'>, error: unknown): string {
    if (this.#signal.aborted || !isBatchctlError(error)) throw error;
    const { kind: why, denied } = error;
    if (why === 'interrupted' || (why === 'credentials' && denied === undefined)) throw error;
    this.all.push({ kind, name, error });
    return error.message;
  }

  /** Names of the Auto Scaling groups that still exist. */
  get groups(): readonly string[] {
    return this.all.filter(({ kind }) => kind === 'group').map(({ name }) => name);
  }

  of({ kind, name }: Pick<RemovalFailure, 'kind' | 'name'>): RemovalFailure | undefined {
    return this.all.find((each) => each.kind === kind && each.name === name);
  }

  /** Why a resource stays: it failed before, or a failed one uses it. */
  blockedOutcome(resource: Resource, all: readonly Resource[]): RemovalOutcome | null {
    const { kind, name } = resource;
    const before = this.of(resource);
    if (before !== undefined) return { kind, name, outcome: 'left', why: before.error.message };
    const user = all.find((each) => this.of(each) !== undefined && uses(each, resource));
    return user === undefined ? null : { kind, name, outcome: 'left', why: `${user.kind} ${user.name} uses it` };
  }
}

/** Whether an existing resource still needs another one, as a group does, or the instance profile of a role. */
function uses(one: Resource, other: Resource): boolean {
  if (one.kind === 'profile') return other.kind === 'role' && other.name === one.name;
  if (one.kind !== 'group') return false;
  switch (other.kind) {
    case 'launchTemplate':
      return other.name === one.name;
    case 'securityGroup':
      return other.part === one.part;
    case 'role':
    case 'profile':
      return other.name.endsWith('-manager') === (one.part === 'manager');
    case 'queue':
      return one.part === 'manager' || other.group === one.group;
    default:
      // All machines work with the store, the ledger and the release.
      return other.kind !== 'group' && other.kind !== 'address';
  }
}

const isIam = ({ part }: Resource): boolean => part === 'iam';

/** SimpleDB's domains have no tags: another home's stack of the same name has the same ones. */
function sharedOutcome({ kind, name }: Resource, [other]: readonly string[]): RemovalOutcome | null {
  if (kind !== 'domain' || other === undefined) return null;
  return { kind, name, outcome: 'kept', why: `the stack of the same name of ${other} may use it` };
}

/** A group whose instances take minutes to end is waited for together with them, and then deleted again. */
async function removeGroups(groups: readonly Resource[], how: RemovalOptions, failures: Failures): Promise<void> {
  const asked = groups.filter((group) => failures.of(group) === undefined);
  await eachParallel(asked, AT_ONCE, async (group) => {
    try {
      await group.remove(how);
    } catch (error) {
      if (!isKind(error, 'notFinished')) failures.note(group, error);
    }
  });
}

/**
 * The resources that still exist. A deleted resource stays listed for a while: a queue for a minute (SQS: DeleteQueue).
 */
async function finalInventory(
  options: DownOptions,
  gone: readonly RemovalOutcome[],
  failures: Failures,
): Promise<readonly RemovalOutcome[]> {
  const { stack, group, signal } = options;
  let found: readonly RemovalOutcome[] = [];
  const look = async (): Promise<boolean> => {
    const items = (await takeInventory(stack)).filter((item) => group === null || belongsTo(item, group));
    found = items.flatMap((item) => leftOver(item, gone, options));
    // A remaining group keeps its instances.
    const isMachine = ({ kind }: RemovalOutcome): boolean => ['instance', 'volume', 'networkInterface'].includes(kind);
    return found.every((each) => each.outcome !== 'left' || (failures.groups.length > 0 && isMachine(each)));
  };
  await pollUntil(look, { timeoutMs: SETTLING_MS, signal });
  return found;
}

/** An address is identified by its number; it has no name. */
const keyOf = ({ kind, name }: Pick<InventoryItem, 'kind' | 'name'>): string =>
  kind === 'address' ? kind : `${kind} ${name}`;

/** Null for a resource that didn't exist. */
function outcomeOf(
  { kind, name }: Resource,
  left: KeptReason | null,
  found: ReadonlySet<string>,
): RemovalOutcome | null {
  if (left !== null) return { kind, name, outcome: 'kept', why: left.why };
  return found.has(keyOf({ kind, name })) ? { kind, name, outcome: 'removed', why: null } : null;
}

/** Resources that still exist without being reported as staying. */
function leftOver(
  { kind, name, costs }: InventoryItem,
  gone: readonly RemovalOutcome[],
  { deleteData }: DownOptions,
): readonly RemovalOutcome[] {
  const isReported = (each: RemovalOutcome): boolean =>
    each.outcome === 'left'
      ? keyOf(each) === keyOf({ kind, name }) || (each.kind === 'bucket' && kind === 'objects')
      : each.outcome === 'kept' && each.kind === kind && each.name === name;
  if (gone.some(isReported)) return [];
  const isData = kind === 'objects' || kind === 'domain';
  if (isData && !deleteData) return [{ kind, name, outcome: 'kept', why: 'data: use --delete-data to remove it' }];
  return [{ kind, name, outcome: 'left', why: costs ? 'AWS charges for it' : null }];
}

/** False if the workers did not leave in time. */
async function drainWorkers(
  { stack, timeoutMs, note, signal }: DownOptions,
  items: readonly InventoryItem[],
  failures: Failures,
): Promise<boolean> {
  const groups = items.filter(({ kind }) => kind === 'group').map(({ name }) => name);
  const left = await drainGroups({
    place: stack,
    groups,
    timeoutMs,
    progress: (count) => note(`${formatMany(count, 'instance')} draining`),
    onFailure: (name, error) => failures.note({ kind: 'group', name }, error),
    signal,
  });
  if (left === 0) return true;
  const waited = formatDuration(Math.round(timeoutMs / 1_000));
  note(
    `after ${waited} ${formatMany(left, 'instance')} had not left, and are terminated with their groups; no task is lost`,
  );
  return false;
}

async function waitForInstances({ stack, group, note, signal }: DownOptions, failures: Failures): Promise<void> {
  let alive: readonly InventoryItem[] = [];
  const isHeld = ({ part, group: name }: InventoryItem): boolean =>
    failures.groups.includes(gridName(stack.profile.stack, part === 'manager' ? MANAGER_GROUP : (name ?? '')));
  const look = async (): Promise<boolean> => {
    const all = (await aliveInstances(stack)).filter((item) => group === null || item.group === group);
    alive = all.filter((item) => !isHeld(item));
    if (alive.length > 0) note(`${formatMany(alive.length, 'instance')} terminating`);
    return alive.length === 0;
  };
  if (await pollUntil(look, { timeoutMs: ENDING_MS, signal })) return;
  throw new BatchctlError(
    'notFinished',
    `${formatMany(alive.length, 'instance')} have not terminated: ${alive[0]?.name}, ...`,
    {
      hint: 'run the same command again to continue',
    },
  );
}

const belongsTo = ({ kind, group }: InventoryItem, wanted: string): boolean =>
  group === wanted || (kind === 'queue' && group === `${wanted}-dead`);

/** Domains that the profile's ledger no longer has. */
function formerDomains({ profile, clients }: OpenStack, items: readonly InventoryItem[]): readonly Resource[] {
  const own = domainsOf(profile);
  const former = items.filter(({ kind, name }) => kind === 'domain' && !own.includes(name));
  return former.map(({ name }) => new DomainsResource([name], clients));
}

/** One resource for each of the ledger's domains, as the inventory lists them. */
const splitDomains = (each: Resource, { profile, clients }: OpenStack): readonly Resource[] =>
  each.kind === 'domain' ? domainsOf(profile).map((name) => new DomainsResource([name], clients)) : [each];

/**
 * The profile as it may once have been: with the groups that still have resources, a manager, and roles and security
 * groups of its own. Missing ones need no removal, and other owners' ones stay.
 */
function widenProfile(profile: AwsProfile, items: readonly InventoryItem[], only: string | null): AwsProfile {
  const known = (name: string): boolean => name in profile.groups || items.some(({ group }) => group === name);
  const named = items.flatMap((item) => (item.group === null ? [] : [item.group]));
  // A queue shows its group only by its name, like a dead-letter queue.
  const names = named.filter((name) => !name.endsWith('-dead') || !known(name.slice(0, -'-dead'.length)));
  // Resources are removed by their names alone, so a group's settings don't matter.
  const groups = Object.fromEntries([...names, ...(only === null ? [] : [only])].map((name) => [name, bareGroup()]));
  return {
    ...profile,
    groups: { ...groups, ...profile.groups },
    network: { ...profile.network, securityGroups: [] },
    iam: { ...profile.iam, workerProfile: null, managerProfile: null },
    manager: profile.manager ?? { instance: 't4g.small', allow: [] },
  };
}
