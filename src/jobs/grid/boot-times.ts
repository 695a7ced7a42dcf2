import { isKind } from '../../errors.ts';
import { parseStored } from '../../lib/json.ts';
import { BOOTS_KEPT, bootSecondsOf } from '../../model/capacity.ts';
import { bootTimesKey } from '../../model/keys.ts';
import type { ObjectStore } from '../../ports/object-store.ts';

/** A boot as it was measured. */
export interface BootTime {
  readonly instance: string;
  /** From its launch to its worker's first sign of life. */
  readonly seconds: number;
}

/** A memory, overwritten: of two workers that write at once one is forgotten, which costs nothing. */
interface BootTimes {
  readonly format: 1;
  /** The latest, oldest first. */
  readonly boots: readonly BootTime[];
}

/** What is longer than this was no boot: the instance was stopped, or its clock is wrong. Seconds. */
const NO_BOOT = 3_600;

/** Notes how long a group's instance took to boot; once an instance, whatever its workers' number. */
export async function noteBoot(store: ObjectStore, group: string, { instance, seconds }: BootTime): Promise<void> {
  if (!(seconds > 0 && seconds <= NO_BOOT)) return;
  const boots = await readBoots(store, group);
  if (boots.some((boot) => boot.instance === instance)) return;
  const body: BootTimes = { format: 1, boots: [...boots, { instance, seconds }].slice(-BOOTS_KEPT) };
  await store.put(bootTimesKey(group), JSON.stringify(body));
}

/** Seconds that an instance of the group takes to boot, by what was measured. One small read. */
export async function bootSeconds(store: ObjectStore, group: string): Promise<number> {
  return bootSecondsOf((await readBoots(store, group)).map(({ seconds }) => seconds));
}

/** None where there is nothing to read, or nothing that this version can: it is only a memory. */
async function readBoots(store: ObjectStore, group: string): Promise<readonly BootTime[]> {
  const key = bootTimesKey(group);
  const bytes = await store.read(key);
  if (bytes === null) return [];
  try {
    const { boots } = parseStored<BootTimes>(key, bytes);
    return (Array.isArray(boots) ? boots : []).filter((boot) => Number.isFinite(boot?.seconds));
  } catch (error) {
    if (isKind(error, 'newer', 'corrupt')) return [];
    throw error;
  }
}
