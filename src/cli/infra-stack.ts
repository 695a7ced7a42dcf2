import type { AwsProfile } from '../config/load-config.ts';
import { BatchctlError, isKind } from '../errors.ts';
import type { PlanStep } from '../infra/plan.ts';
import { KINDS, STACK_PARTS } from '../infra/resource.ts';
import type { OpenStack, StackReleases } from '../infra/stack.ts';
import type { StackRelease } from '../jobs/release/stack-release.ts';
import type { JsonSchema } from '../lib/json.ts';
import { jobKey } from '../model/keys.ts';
import { choice, objectOf } from './command.ts';
import type { Context } from './context.ts';
import type { Column } from './render.ts';

/** Opens the profile's stack for `work`, then closes it. Throws `config` if the profile isn't on AWS. */
export async function withStack<T>(ctx: Context, work: (stack: OpenStack) => Promise<T>): Promise<T> {
  const [profile, { openStack }] = await Promise.all([awsProfile(ctx), import('../infra/stack.ts')]);
  const tables = {
    open: async () => (await ctx.platform()).ledger(),
    drop: async () => {
      const [{ dropTables }, platform] = await Promise.all([import('../platform/aws-ledger.ts'), ctx.platform()]);
      return dropTables(profile, platform, async (job) => (await platform.store.head(jobKey(job))) !== null);
    },
  };
  const stack = await openStack(profile, { tables, releases: releasesOf(ctx, profile) });
  try {
    return await work(stack);
  } finally {
    await stack.close();
  }
}

/** Opened on first use: someone who only administers roles may have no access to the store. */
function releasesOf(ctx: Context, profile: AwsProfile): StackReleases {
  let opened: Promise<StackRelease> | null = null;
  const release = (): Promise<StackRelease> => {
    opened ??= openReleases(ctx, profile);
    return opened;
  };
  return {
    look: async () => (await release()).look(),
    make: async () => (await release()).make(),
    remove: async () => {
      try {
        await (await release()).remove();
      } catch (error) {
        // The bucket is already gone.
        if (!isKind(error, 'notFound')) throw error;
      }
    },
    wanted: async () => (await release()).wanted(),
    inForce: async () => (await release()).inForce(),
    missing: async () => (await release()).missing(),
  };
}

/** The profile, if it is on AWS. Throws `config` otherwise. */
export async function awsProfile(ctx: Context): Promise<AwsProfile> {
  const { profile } = await ctx.config();
  if (profile.backend === 'aws') return profile;
  throw new BatchctlError(
    'config',
    `expected a profile with "backend": "aws", found ${profile.name}: ${profile.backend} needs no infrastructure`,
    { hint: 'select one with --profile; docs/configuration.md shows how to write one' },
  );
}

/** The releases of a profile's stack, in its store. Makes no request yet. */
export async function openReleases(ctx: Context, { groups, ledger }: AwsProfile): Promise<StackRelease> {
  const [{ StackRelease }, platform] = await Promise.all([import('../jobs/release/stack-release.ts'), ctx.platform()]);
  const setups = Object.fromEntries(Object.entries(groups).map(([group, { setup }]) => [group, setup]));
  const ca = ledger.kind === 'postgres' || ledger.kind === 'mysql' ? ledger.ca : null;
  return new StackRelease({ store: platform.store, clock: platform.clock, who: platform.who, paths: { setups, ca } });
}

/** Restricts a command to a part, so that people with different permissions can each do theirs. */
export const ONLY = { '--only <part>': choice('only this part; asks AWS for nothing else', STACK_PARTS) } as const;

/** Differences of a resource that batchctl doesn't own. */
export const MISSING_SCHEMA: JsonSchema = {
  type: 'array',
  description: "settings missing on a resource that batchctl doesn't own and won't change",
  items: objectOf({
    what: {
      type: 'string',
      description: 'a missing setting of a resource that batchctl did not create, and does not change',
    },
    fix: { type: 'string', description: 'a command that fixes it' },
  }),
};

export const NOTES: JsonSchema = {
  type: 'array',
  items: { type: 'string' },
  description: 'settings that a person changed, and that are kept',
};

export const STEP_OUTPUT: JsonSchema = objectOf({
  part: { enum: STACK_PARTS, description: 'the part of the stack' },
  kind: { enum: KINDS },
  name: { type: 'string', description: 'its name in the account' },
  action: {
    enum: ['create', 'change', 'open', 'keep'],
    description: 'open: missing parts are created when the ledger is opened',
  },
  changes: { type: 'array', items: { type: 'string' }, description: 'its changes' },
  notes: NOTES,
  lacks: MISSING_SCHEMA,
});

export const STEP_COLUMNS: readonly Column<PlanStep>[] = [
  { title: 'part', value: ({ part }) => part },
  { title: 'kind', value: ({ kind }) => kind },
  { title: 'name', value: ({ name }) => name },
  { title: 'action', value: ({ action }) => action },
  { title: 'changes', value: ({ changes, notes }) => [...changes, ...notes].join('; ') },
];

export function missingLines(
  rows: readonly (Pick<PlanStep, 'name' | 'lacks'> & { readonly kind: string })[],
): readonly string[] {
  return rows.flatMap(({ kind, name, lacks }) =>
    lacks.map(({ what, fix }) => `${kind} ${name}: ${what}; batchctl does not own it, so fix it with: ${fix}`),
  );
}
