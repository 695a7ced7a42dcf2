import { nullIfUnreadable } from '../errors.ts';
import { randomId } from '../lib/id.ts';
import { readStored } from '../lib/json.ts';
import { BOOTS_KEPT, bootSecondsOf } from '../model/capacity.ts';
import type { LaunchTrouble, MachineTermination } from '../model/group-status.ts';
import { type BootMark, bootLogKey, bootMark, bootsPrefix, bootTimesKey, parseBootMark } from '../model/keys.ts';
import type { ObjectStore } from '../ports/object-store.ts';

export interface Boots {
  /** Null if the group isn't held. */
  readonly hold: Hold | null;
  /** The last failed boot since a successful one, if there are too few to hold the group. */
  readonly trouble: LaunchTrouble | null;
}

/**
 * The recent boots of a group's instances: one listing, ordered by the store's time, as instances' clocks don't matter;
 * and one read if the last boot failed.
 */
export async function readBoots(store: ObjectStore, group: string): Promise<Boots> {
  const marks = await failedMarks(store, group);
  const newest = marks.at(-1);
  if (newest === undefined) return { hold: null, trouble: null };
  const last = await readFailed(store, newest);
  if (marks.length >= HOLD_THRESHOLD) return { hold: { group, failed: marks.length, last }, trouble: null };
  const why = last.line ?? last.step ?? 'its boot log shows why';
  const message = `${last.instance} could not be set up: ${why}`;
  return { hold: null, trouble: { code: 'setup', message, at: last.at } };
}

/** This many failed boots in a row hold a group: no instance is then started automatically. */
const HOLD_THRESHOLD = 3;

/** A failed boot of an instance: its setup failed, or something before it. The instance terminated itself. */
export interface FailedBoot {
  readonly instance: string;
  /** Milliseconds since the epoch, by the store's clock. */
  readonly at: number;
  /** Its last step: `packages`, `bundle`, `setup`, `start` ...; null if its mark doesn't say. */
  readonly step: string | null;
  readonly code: number | null;
  /** The last line that it wrote; `workers logs INSTANCE` shows all. */
  readonly line: string | null;
}

/** A group that is held, until a person uses `scale` or a new release is published. */
export interface Hold {
  readonly group: string;
  /** Number of boots that failed in a row. */
  readonly failed: number;
  readonly last: FailedBoot;
}

export function holdText({ group, failed, last }: Hold): string {
  const what = last.line ?? last.step ?? 'its boot log shows why';
  return `group ${group} is held: the last ${failed} instances could not be set up (${what}); batchctl workers logs ${last.instance}; batchctl scale 1 --group ${group} tries again`;
}

/** Why a group is held at zero, or null. */
export const readHold = async (store: ObjectStore, group: string): Promise<Hold | null> =>
  (await readBoots(store, group)).hold;

/** A group's failed boots since one succeeded or the hold was lifted, oldest first. */
export async function failedBoots(store: ObjectStore, group: string): Promise<readonly FailedBoot[]> {
  return Promise.all((await failedMarks(store, group)).map((mark) => readFailed(store, mark)));
}

/** Clears a group's record of failed boots. Does nothing if none failed; returns whether the group was held. */
export async function liftHold(store: ObjectStore, group: string, who: string): Promise<boolean> {
  const failed = await failedMarks(store, group);
  if (failed.length === 0) return false;
  const body = `${JSON.stringify({ format: 1, what: 'lifted', who, failed: failed.length })}\n`;
  await store.put(bootMark(group, randomId(12), 'lifted'), body);
  return failed.length >= HOLD_THRESHOLD;
}

/**
 * Marks the boots of instances that ended themselves and could not say so: whose role, or the bucket's key, lets them
 * write nothing. Otherwise each watcher's round would start such instances again. Only what was launched since the
 * group's last worker started, or since a person lifted its hold, counts: `ended` is newest first. Usually a listing and
 * one or two requests.
 */
export async function markSilentBoots(
  store: ObjectStore,
  group: string,
  ended: readonly MachineTermination[],
): Promise<void> {
  if (ended.length === 0) return;
  const [marks, times] = await Promise.all([readMarks(store, group), store.head(bootTimesKey(group))]);
  const well = Math.max(times?.modified ?? 0, ...marks.filter(({ what }) => what !== 'failed').map(({ at }) => at));
  const silent: MachineTermination[] = [];
  for (const each of ended.slice(0, HOLD_THRESHOLD)) {
    if (each.launchedAt === null || each.launchedAt <= well || marks.some(({ who }) => who === each.instance)) break;
    if ((await store.head(bootLogKey(each.instance))) !== null) break;
    silent.push(each);
  }
  for (const { instance, launchedAt, endedAt } of silent.reverse()) {
    const seconds = Math.round((endedAt - (launchedAt ?? endedAt)) / 1_000);
    const line = `it ended ${seconds} s after its launch without writing anything to ${store.location}: its role, or the key of the bucket, may not allow it; aws ec2 get-console-output --instance-id ${instance}`;
    const body = { format: 1, what: 'failed', instance, group, step: null, code: null, line };
    await store.put(bootMark(group, instance, 'failed'), `${JSON.stringify(body)}\n`, { ifAbsent: true });
  }
}

interface Mark {
  readonly key: string;
  readonly who: string;
  readonly what: BootMark;
  readonly at: number;
}

async function failedMarks(store: ObjectStore, group: string): Promise<readonly Mark[]> {
  const marks = await readMarks(store, group);
  const well = marks.findLastIndex(({ what }) => what !== 'failed');
  return marks.slice(well + 1);
}

/** Oldest first. */
async function readMarks(store: ObjectStore, group: string): Promise<readonly Mark[]> {
  const marks: Mark[] = [];
  for await (const { key, modified } of store.list(bootsPrefix(group))) {
    const mark = parseBootMark(key);
    if (mark !== null) marks.push({ key, ...mark, at: modified });
  }
  // S3 has times in whole seconds: in the same second, success counts as later and ends the hold.
  return marks.sort((a, b) => a.at - b.at || Number(a.what !== 'failed') - Number(b.what !== 'failed'));
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

/** A mark that is truncated or not ours still shows that a boot failed. */
function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

interface BootTime {
  readonly instance: string;
  /** From launch to the worker's first heartbeat. */
  readonly seconds: number;
}

/** Overwritten each time: if two workers write at once, one measurement is lost, which doesn't matter. */
interface BootTimes {
  readonly format: 1;
  /** The latest, oldest first. */
  readonly boots: readonly BootTime[];
}

/** A longer time isn't a boot: the instance was stopped, or its clock is wrong. Seconds. */
const MAX_BOOT_SECONDS = 3_600;

/** Records how long a group's instance took to boot; once per instance, however many workers it has. */
export async function recordBootTime(
  store: ObjectStore,
  group: string,
  { instance, seconds }: BootTime,
): Promise<void> {
  if (!(seconds > 0 && seconds <= MAX_BOOT_SECONDS)) return;
  const boots = await readTimes(store, group);
  if (boots.some((boot) => boot.instance === instance)) return;
  const body: BootTimes = { format: 1, boots: [...boots, { instance, seconds }].slice(-BOOTS_KEPT) };
  await store.put(bootTimesKey(group), JSON.stringify(body));
}

/** Measured seconds that an instance of the group takes to boot. One small read. */
export async function bootSeconds(store: ObjectStore, group: string): Promise<number> {
  return bootSecondsOf((await readTimes(store, group)).map(({ seconds }) => seconds));
}

/** Empty if there is nothing that this version can read, because the times are only a cache. */
async function readTimes(store: ObjectStore, group: string): Promise<readonly BootTime[]> {
  const boots = (await readStored<BootTimes>(store, bootTimesKey(group)).catch(nullIfUnreadable))?.boots;
  return (Array.isArray(boots) ? boots : []).filter((boot) => Number.isFinite(boot?.seconds));
}
