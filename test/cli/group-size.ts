import type { Platform } from '../../src/ports/platform.ts';

/** Stores the size of a group `gpu` that should have two workers, and has no supervisor to start them. */
export async function putGroupSize({ store }: Platform): Promise<void> {
  const size = { format: 1, desired: 2, min: 0, max: 4, mode: 'manual', until: null, after: null, slots: null };
  await store.put('groups/gpu.json', JSON.stringify(size));
}
