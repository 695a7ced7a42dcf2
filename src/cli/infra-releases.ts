import type { AwsProfile } from '../config.ts';
import type { StackRelease } from '../jobs/release/stack-release.ts';
import type { Context } from './context.ts';

/** The releases of a profile's stack, in its store. Makes no request yet. */
export async function openReleases(ctx: Context, { groups, ledger }: AwsProfile): Promise<StackRelease> {
  const [{ StackRelease }, platform] = await Promise.all([import('../jobs/release/stack-release.ts'), ctx.platform()]);
  const setups = Object.fromEntries(Object.entries(groups).map(([group, { setup }]) => [group, setup]));
  const ca = ledger.kind === 'postgres' || ledger.kind === 'mysql' ? ledger.ca : null;
  return new StackRelease({ store: platform.store, clock: platform.clock, who: platform.who, paths: { setups, ca } });
}
