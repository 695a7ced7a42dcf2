import type { Platform } from '../../ports/platform.ts';
import type { LaunchTrouble } from '../../ports/worker-group.ts';
import { failedBoots, type Hold, readHold } from './failed-boots.ts';

export interface Boots {
  /** Null where the group isn't held. */
  readonly hold: Hold | null;
  /** The last boot that failed since one went well, where that holds nothing yet. */
  readonly trouble: LaunchTrouble | null;
}

/** How a group's instances began lately: two listings. */
export async function readBoots({ store }: Platform, group: string): Promise<Boots> {
  const [hold, failed] = await Promise.all([readHold(store, group), failedBoots(store, group)]);
  const last = failed.at(-1);
  if (hold !== null || last === undefined) return { hold, trouble: null };
  const why = last.line ?? last.step ?? 'its boot log shows why';
  return { hold, trouble: { code: 'setup', message: `${last.instance} could not be set up: ${why}`, at: last.at } };
}
