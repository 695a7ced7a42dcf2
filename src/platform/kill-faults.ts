import type { ObjectStore } from '../ports/object-store.ts';

/** Crash tests kill this process at decisive writes (`killStore`). */
export async function withKills(store: ObjectStore): Promise<ObjectStore> {
  if (process.env.BATCHCTL_TEST_KILL === undefined) return store;
  const [{ killStore }, { killPoints }] = await Promise.all([
    import('../adapters/faults/kill-store.ts'),
    import('../lib/kill-point.ts'),
  ]);
  return killStore(store, killPoints(process.env));
}
