import { isKind } from '../../errors.ts';
import { randomId } from '../../lib/id.ts';
import { parseStored } from '../../lib/json.ts';
import { BOOTS_KEPT, bootSecondsOf } from '../../model/capacity.ts';
import { type BootMark, bootMark, bootOf, bootsPrefix, bootTimesKey } from '../../model/keys.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import type { Platform } from '../../ports/platform.ts';
import type { LaunchTrouble } from '../../ports/worker-group.ts';

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

/** So many boots in a row that fail hold a group: nothing starts its instances by itself. */
const HOLDS = 3;

/** A boot of an instance that failed: its setup, or what came before it. The instance ended itself. */
export interface FailedBoot {
  readonly instance: string;
  /** Milliseconds since the epoch, by the store's clock. */
  readonly at: number;
  /** What it did last: `packages`, `bundle`, `setup`, `start` ...; null where its mark doesn't say. */
  readonly step: string | null;
  readonly code: number | null;
  /** The last line that it wrote; `workers logs INSTANCE` has all of them. */
  readonly line: string | null;
}

/** A group that is held: `scale` by a person lifts it, and a new release. */
export interface Hold {
  readonly group: string;
  /** Boots that failed in a row. */
  readonly failed: number;
  readonly last: FailedBoot;
}

/** Why a group is held, and what lifts that, in words. */
export function heldText({ group, failed, last }: Hold): string {
  const what = last.line ?? last.step ?? 'its boot log says why';
  return `group ${group} is held: the last ${failed} instances could not be set up (${what}); batchctl workers logs ${last.instance}; batchctl scale 1 --group ${group} tries again`;
}

/**
 * Why a group is held at zero; null where it isn't. One listing. Boots are told apart by the time at which the store
 * got their marks: no instance's clock counts.
 */
export async function readHold(store: ObjectStore, group: string): Promise<Hold | null> {
  const failed = await failedInARow(store, group);
  const last = failed.at(-1);
  if (last === undefined || failed.length < HOLDS) return null;
  return { group, failed: failed.length, last: await readFailed(store, last) };
}

/** Boots of a group that failed since one went well, or was said to, oldest first. */
export async function failedBoots(store: ObjectStore, group: string): Promise<readonly FailedBoot[]> {
  return Promise.all((await failedInARow(store, group)).map((mark) => readFailed(store, mark)));
}

/** Takes it that a group's next boots go better. Does nothing where none failed; answers whether the group was held. */
export async function liftHold(store: ObjectStore, group: string, who: string): Promise<boolean> {
  const failed = await failedInARow(store, group);
  if (failed.length === 0) return false;
  const body = `${JSON.stringify({ format: 1, what: 'lifted', who, failed: failed.length })}\n`;
  await store.put(bootMark(group, randomId(12), 'lifted'), body);
  return failed.length >= HOLDS;
}

interface Mark {
  readonly key: string;
  readonly who: string;
  readonly what: BootMark;
  readonly at: number;
}

async function failedInARow(store: ObjectStore, group: string): Promise<readonly Mark[]> {
  const marks: Mark[] = [];
  for await (const { key, modified } of store.list(bootsPrefix(group))) {
    const mark = bootOf(key);
    if (mark !== null) marks.push({ key, ...mark, at: modified });
  }
  // S3 tells whole seconds: what went well in the same one counts as later, and lets the group go on.
  marks.sort((a, b) => a.at - b.at || Number(a.what !== 'failed') - Number(b.what !== 'failed'));
  const well = marks.findLastIndex(({ what }) => what !== 'failed');
  return marks.slice(well + 1);
}

async function readFailed(store: ObjectStore, { key, who, at }: Mark): Promise<FailedBoot> {
  const bytes = await store.read(key);
  const said = bytes === null ? {} : parsed(new TextDecoder().decode(bytes));
  return {
    instance: who,
    at,
    step: typeof said.step === 'string' ? said.step : null,
    code: typeof said.code === 'number' ? said.code : null,
    line: typeof said.line === 'string' && said.line !== '' ? said.line : null,
  };
}

/** A mark that was cut off, or is none of ours, still says that a boot failed. */
function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

/** A boot as it was measured. */
interface BootTime {
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
  const boots = await readTimes(store, group);
  if (boots.some((boot) => boot.instance === instance)) return;
  const body: BootTimes = { format: 1, boots: [...boots, { instance, seconds }].slice(-BOOTS_KEPT) };
  await store.put(bootTimesKey(group), JSON.stringify(body));
}

/** Seconds that an instance of the group takes to boot, by what was measured. One small read. */
export async function bootSeconds(store: ObjectStore, group: string): Promise<number> {
  return bootSecondsOf((await readTimes(store, group)).map(({ seconds }) => seconds));
}

/** None where there is nothing to read, or nothing that this version can: it is only a memory. */
async function readTimes(store: ObjectStore, group: string): Promise<readonly BootTime[]> {
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
