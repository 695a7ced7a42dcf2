import type { AwsProfile } from '../config.ts';
import { isKind } from '../errors.ts';
import type { OpenStack } from '../infra/open-stack.ts';
import type { StackReleases } from '../infra/stack.ts';
import type { StackRelease } from '../jobs/release/stack-release.ts';
import { jobKey } from '../model/keys.ts';
import { awsProfile } from './aws-profile.ts';
import type { Context } from './context.ts';
import { openReleases } from './infra-releases.ts';

/** Opens the profile's stack for `work`, and closes it. Throws `config` for a profile that isn't on AWS. */
export async function withStack<T>(ctx: Context, work: (stack: OpenStack) => Promise<T>): Promise<T> {
  const [profile, { openStack }] = await Promise.all([awsProfile(ctx), import('../infra/open-stack.ts')]);
  const tables = {
    open: async () => (await ctx.platform()).ledger(),
    drop: async () => {
      const [{ dropTables }, platform] = await Promise.all([import('../platform/sql-tables.ts'), ctx.platform()]);
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

/** Opened when first needed: an administrator of roles only may have no access to the store. */
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
        // Its bucket is already gone.
        if (!isKind(error, 'notFound')) throw error;
      }
    },
    wanted: async () => (await release()).wanted(),
    inForce: async () => (await release()).inForce(),
    missing: async () => (await release()).missing(),
  };
}
