import { isOurs } from '../errors.ts';
import { randomId } from '../lib/id.ts';
import { parseStored } from '../lib/json.ts';
import { DENIED, type EntryWhat, type JournalEntry } from '../model/journal.ts';
import { deniedMark, journalKey } from '../model/keys.ts';
import type { JobView } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import { holeIn, readEntries } from './journal.ts';
import { pauseForAccess } from './watch/guards.ts';

/**
 * A job whose job.json its workers may not read. Without it they have no view, so they pause it by its journal alone. If
 * they may not use that either, they leave a mark beside the open marks, and whoever would raise a group for the job
 * pauses it instead: else machines would be started that can do nothing but leave.
 */
interface DeniedMark {
  readonly format: 1;
  /** The worker. */
  readonly who: string;
  /** What was denied, and the entry that allows it. */
  readonly detail: string;
}

/** What a worker does with a message of such a job: drop it as the journal says, or give it back as nothing says more. */
export type Unread = 'paused' | 'cancelled' | 'gone' | 'unsaid';

/** After these alone a job is known to run, whatever its job.json says. */
const RUNS: readonly EntryWhat[] = ['sent', 'resend', 'pause', 'resume', 'adjust', 'kill', 'open'];

/** True for an error by which a policy, or a key, denies something. */
export const isDenied = (error: unknown): boolean => isOurs(error) && error.denied !== undefined;

/** Pauses the job, or leaves the mark. Throws as the store does for what is no denial. */
export async function reportUnread(platform: Platform, job: string, detail: string): Promise<Unread> {
  const { store, who } = platform;
  const said = await pauseUnread(platform, job, detail).catch((error: unknown) => {
    if (isDenied(error)) return null;
    throw error;
  });
  if (said !== null) return said;
  const mark: DeniedMark = { format: 1, who, detail };
  await store.put(deniedMark(job), JSON.stringify(mark), { ifAbsent: true }).catch((error: unknown) => {
    if (!isDenied(error)) throw error;
  });
  return 'unsaid';
}

/** What the journal says, after a pause was appended if the job runs; null where it doesn't say that it runs. */
async function pauseUnread({ store, who, clock }: Platform, job: string, detail: string): Promise<Unread | null> {
  const id = randomId(16);
  for (;;) {
    if ((await holeIn(store, job)) !== null) return null;
    const entries = await readEntries(store, job);
    const kinds = entries.map(({ what }) => what);
    if (kinds.includes('prune')) return 'gone';
    if (kinds.includes('cancel')) return 'cancelled';
    if (kinds.findLast((what) => what === 'pause' || what === 'resume') === 'pause') return 'paused';
    if (entries.length === 0 || kinds.some((what) => !RUNS.includes(what))) return null;
    const when = new Date(clock.now()).toISOString();
    const entry: JournalEntry = { format: 1, id, when, who, what: 'pause', now: false, reason: DENIED, detail };
    await store.put(journalKey(job, entries.length), JSON.stringify(entry), { ifAbsent: true });
  }
}

/** Pauses the jobs that workers have marked; answers the others. One read a job. */
export async function pauseMarked(platform: Platform, views: readonly JobView[]): Promise<readonly JobView[]> {
  const left = await Promise.all(
    views.map(async (view) => {
      const mark = await readMark(platform.store, view.record.job);
      if (mark === null) return view;
      await pauseForAccess(platform, view, DENIED, `${mark.detail} (met by ${mark.who})`);
      return null;
    }),
  );
  return left.filter((view) => view !== null);
}

/** A person says that the job can be read now: workers that are denied again say so again. */
export async function dropMark(store: ObjectStore, job: string): Promise<void> {
  await store.delete([deniedMark(job)]);
}

/** What a worker left; null: no mark. */
export async function readMark(store: ObjectStore, job: string): Promise<DeniedMark | null> {
  const bytes = await store.read(deniedMark(job));
  return bytes === null ? null : parseStored<DeniedMark>(deniedMark(job), bytes);
}
