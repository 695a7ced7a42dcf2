import type { AwsClients } from '../adapters/aws/clients.ts';
import type { AwsProfile } from '../config/load-config.ts';
import { BucketResource } from './bucket.ts';
import { gridFacts, gridResources, managerResources } from './grid.ts';
import { DomainsResource, domainsOf, type SqlTables, TablesResource } from './ledger.ts';
import { GivenProfileResource, InstanceProfileResource } from './profile.ts';
import { QueueResource, queuesOf } from './queue.ts';
import type { Found, Left, Part, Resource } from './resource.ts';
import { RoleResource } from './role.ts';
import type { BootRelease } from './user-data.ts';

export interface StackParts {
  readonly profile: AwsProfile;
  readonly clients: AwsClients;
  readonly tables: SqlTables;
  readonly releases: StackReleases;
}

/** A stack's releases, and which one new instances are to run. */
export interface StackReleases extends ReleaseSource {
  /** As `up` makes it. */
  wanted(): Promise<BootRelease>;
  /** As it is. */
  inForce(): Promise<BootRelease>;
  /** Keys that an instance of the release in force would fetch in vain, setups aside; null before the first release. */
  missing(): Promise<readonly string[] | null>;
}

/**
 * All that a profile's stack has in its account, in the order in which it is made; or one part of it. `boots` tells
 * which release templates are to name.
 */
export function resourcesOf(parts: StackParts, only: Part | null, boots: 'wanted' | 'inForce'): readonly Resource[] {
  const { profile, clients, releases } = parts;
  const grid = { profile, clients, release: () => releases[boots]() };
  const facts = gridFacts(grid);
  const all = [
    ...dataOf(parts),
    ...iamOf(parts),
    // Before the templates that name it.
    releaseResource(releases),
    ...gridResources(grid, facts),
    ...managerResources(grid, facts),
  ];
  return only === null ? all : all.filter(({ part }) => part === only);
}

function dataOf({ profile, clients, tables }: StackParts): readonly Resource[] {
  const { ledger } = profile;
  const queues = queuesOf(profile).map((queue) => new QueueResource(queue, { profile, clients }));
  return [new BucketResource(profile, clients), ...queues, ...ledgerOf()];

  function ledgerOf(): readonly Resource[] {
    if (ledger.kind === 'store') return [];
    if (ledger.kind === 'simpledb') return [new DomainsResource(domainsOf(profile), clients)];
    return [new TablesResource(ledger.url, tables)];
  }
}

/** The manager's only where there is to be one. */
function iamOf({ profile, clients }: StackParts): readonly Resource[] {
  const { workerProfile, managerProfile } = profile.iam;
  const of = (who: 'worker' | 'manager', given: string | null): readonly Resource[] =>
    given === null
      ? [new RoleResource(who, profile, clients), new InstanceProfileResource(who, profile, clients)]
      : [new GivenProfileResource(given, who, profile, clients)];
  return [...of('worker', workerProfile), ...(profile.manager === null ? [] : of('manager', managerProfile))];
}

/** How a stack's releases are kept, for whoever makes the stack: given, as the store is opened elsewhere. */
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
 * The program that new instances run. `up` makes its own program the current release, but where a person took just that
 * back. What runs goes on with what it has: `infra release --roll` replaces it.
 */
function releaseResource(source: ReleaseSource): Resource {
  return {
    part: 'grid',
    kind: 'release',
    name: 'worker bundle',
    look: async (): Promise<Found> => {
      const { current, differences, note } = await source.look();
      if (current === null) return { state: 'absent' };
      if (differences.length > 0) return { state: 'differs', differences };
      return { state: 'asItShould', ...(note !== null && { notes: [note] }) };
    },
    apply: async (): Promise<void> => {
      await source.make();
    },
    // It is no one's data, and is put again by the next `up`.
    remove: async (): Promise<Left | null> => {
      await source.remove();
      return null;
    },
  };
}
