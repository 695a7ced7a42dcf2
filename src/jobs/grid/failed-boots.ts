import { randomId } from '../../lib/id.ts';
import { type BootMark, bootMark, bootOf, bootsPrefix } from '../../model/keys.ts';
import type { ObjectStore } from '../../ports/object-store.ts';

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
