import type { Found, Left, Resource } from './resource.ts';

/** How a stack's releases are kept, for whoever makes the stack: given, as the store is opened elsewhere. */
export interface ReleaseSource {
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
export function releaseResource(source: ReleaseSource): Resource {
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
