import type { AwsProfile } from '../config/load-config.ts';
import { BucketResource } from './bucket.ts';
import { type AwsContext, openAccount } from './call-aws.ts';
import { gridFacts, gridResources, managerResources } from './grid.ts';
import { GivenProfileResource, InstanceProfileResource } from './instance-profile.ts';
import { DomainsResource, domainsOf, type SqlTables, TablesResource } from './ledger.ts';
import { QueueResource, queuesOf } from './queue.ts';
import type { KeptReason, Resource, ResourceState, StackPart } from './resource.ts';
import { RoleResource } from './role.ts';
import type { BootRelease } from './user-data.ts';

export interface StackParts extends AwsContext {
  readonly tables: SqlTables;
  readonly releases: StackReleases;
}

/** A stack's releases, and which one new instances should run. */
export interface StackReleases extends ReleaseSource {
  /** The release that `up` would make current. */
  wanted(): Promise<BootRelease>;
  inForce(): Promise<BootRelease>;
  /** Keys that instances of the current release would not find, setups apart; null before the first release. */
  missing(): Promise<readonly string[] | null>;
}

/**
 * All resources of a profile's stack, in the order of creation, or one part of them. `boots` decides which release
 * templates name.
 */
export function resourcesOf(
  parts: StackParts,
  only: StackPart | null,
  boots: 'wanted' | 'inForce',
): readonly Resource[] {
  const { profile, clients, releases } = parts;
  const grid = { profile, clients, release: () => releases[boots]() };
  const facts = gridFacts(grid);
  const all = [
    ...dataResources(parts),
    ...iamResources(parts),
    // Before the templates that name it.
    releaseResource(releases),
    ...gridResources(grid, facts),
    ...managerResources(grid, facts),
  ];
  return only === null ? all : all.filter(({ part }) => part === only);
}

function dataResources({ profile, clients, tables }: StackParts): readonly Resource[] {
  const { ledger } = profile;
  const queues = queuesOf(profile).map((queue) => new QueueResource(queue, { profile, clients }));
  return [new BucketResource(profile, clients), ...queues, ...ledgerOf()];

  function ledgerOf(): readonly Resource[] {
    if (ledger.kind === 'store') return [];
    if (ledger.kind === 'simpledb') return [new DomainsResource(domainsOf(profile), clients)];
    return [new TablesResource(ledger, tables)];
  }
}

/** The manager's only if there is to be one. */
function iamResources({ profile, clients }: StackParts): readonly Resource[] {
  const { workerProfile, managerProfile } = profile.iam;
  const of = (who: 'worker' | 'manager', given: string | null): readonly Resource[] =>
    given === null
      ? [new RoleResource(who, profile, clients), new InstanceProfileResource(who, profile, clients)]
      : [new GivenProfileResource(given, who, profile, clients)];
  return [...of('worker', workerProfile), ...(profile.manager === null ? [] : of('manager', managerProfile))];
}

/** A stack's releases, passed in because the store is opened elsewhere. */
interface ReleaseSource {
  look(): Promise<{
    readonly current: unknown;
    readonly differences: readonly string[];
    readonly note: string | null;
  }>;
  make(): Promise<unknown>;
  remove(): Promise<void>;
}

/**
 * The program of new instances. `up` makes its own program the current release, unless a person rolled back exactly
 * that one. Running instances keep theirs: `infra release --roll` replaces it.
 */
function releaseResource(source: ReleaseSource): Resource {
  return {
    part: 'grid',
    kind: 'release',
    name: 'worker bundle',
    look: async (): Promise<ResourceState> => {
      const { current, differences, note } = await source.look();
      if (current === null) return { state: 'absent' };
      if (differences.length > 0) return { state: 'differs', differences };
      return { state: 'asItShould', ...(note !== null && { notes: [note] }) };
    },
    apply: async (): Promise<void> => {
      await source.make();
    },
    // The release isn't data, and the next `up` uploads it again.
    remove: async (): Promise<KeptReason | null> => {
      await source.remove();
      return null;
    },
  };
}

/** A stack that can be inspected, made and removed. The profile's account is known. */
export interface OpenStack extends StackParts {
  readonly account: string;
  close(): Promise<void>;
}

/** Makes no request but those of `openAccount`, and throws its errors. */
export async function openStack(
  profile: AwsProfile,
  given: Pick<StackParts, 'tables' | 'releases'>,
): Promise<OpenStack> {
  const place = await openAccount(profile);
  return { ...place, ...given, close: () => place.clients.close() };
}
