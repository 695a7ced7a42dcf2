import { type BatchctlError, isRefusal, nullIfUnreadable } from '../errors.ts';
import { randomId } from '../lib/id.ts';
import { readStored } from '../lib/json.ts';
import { DENIED_REASON, type EntryWhat, type JournalEntry, type SECRET_REASON } from '../model/journal.ts';
import { deniedMark, journalKey } from '../model/keys.ts';
import type { JobView } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import { append, findGap, peekView, readEntries } from './journal.ts';
import { recordView } from './record-view.ts';

/**
 * A mark for a job whose job.json its workers may not read. Without it they have no view, so they pause the job through
 * its journal alone. If they may not use that either, they leave this mark next to the open marks; a process that would
 * raise a group for the job pauses it instead. Otherwise machines would be started that can only leave again.
 */
interface DeniedMark {
  readonly format: 1;
  readonly who: string;
  /** The denied request, and the entry that allows it. */
  readonly detail: string;
}

/** The journal's decision about such a job; `unsaid`: none. A worker drops or returns its messages accordingly. */
export type KnownState = 'paused' | 'cancelled' | 'gone' | 'unsaid';

/** After one of these entries, a job is known to run, whatever its job.json says. */
const RUNS: readonly EntryWhat[] = ['sent', 'resend', 'pause', 'resume', 'adjust', 'kill', 'open'];

/** True for a service's refusal of an object, by a policy or a key; not because of this machine's clock or proxy. */
export const isDenied = (error: unknown): error is BatchctlError => isRefusal(error) && error.kind !== 'config';

/** A job's view, as by `peekView`; null if it is damaged, of a newer format, or denied. */
export function peekIfReadable(store: ObjectStore, job: string): Promise<JobView | null> {
  return peekView(store, job).catch((error: unknown) => (isDenied(error) ? null : nullIfUnreadable(error)));
}

/** Pauses the job, or leaves the mark. Throws the store's errors other than denials. */
export async function reportUnreadableJob(platform: Platform, job: string, detail: string): Promise<KnownState> {
  const { store, who } = platform;
  const said = await pauseUnreadable(platform, job, detail).catch((error: unknown) => {
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

/** Pauses the job if it runs. Returns its state in the journal; null if the journal doesn't show that it runs. */
async function pauseUnreadable(
  { store, who, clock }: Platform,
  job: string,
  detail: string,
): Promise<KnownState | null> {
  const id = randomId(16);
  for (;;) {
    if ((await findGap(store, job)) !== null) return null;
    const entries = await readEntries(store, job);
    const kinds = entries.map(({ what }) => what);
    if (kinds.includes('prune')) return 'gone';
    if (kinds.includes('cancel')) return 'cancelled';
    if (kinds.findLast((what) => what === 'pause' || what === 'resume') === 'pause') return 'paused';
    if (entries.length === 0 || kinds.some((what) => !RUNS.includes(what))) return null;
    const when = new Date(clock.now()).toISOString();
    const entry: JournalEntry = { format: 1, id, when, who, what: 'pause', now: false, reason: DENIED_REASON, detail };
    await store.put(journalKey(job, entries.length), JSON.stringify(entry), { ifAbsent: true });
  }
}

/**
 * Pauses the job if a secret or an input can't be read, as every task of the step would fail for the same reason.
 * `resume` continues once a person has fixed it. Returns the view afterwards.
 */
export async function pauseForAccess(
  platform: Platform,
  view: JobView,
  reason: typeof SECRET_REASON | typeof DENIED_REASON,
  detail: string,
): Promise<JobView> {
  const { view: after, appended } = await append(platform, view, (now) =>
    now.cancelled || now.closed !== null || now.paused !== null || now.stopped !== null
      ? null
      : { what: 'pause', now: false, reason, detail },
  );
  if (appended) await recordView(platform, after);
  return after;
}

/** Pauses the jobs that workers have marked; returns the others. One read per job. */
export async function pauseDeniedJobs(platform: Platform, views: readonly JobView[]): Promise<readonly JobView[]> {
  const left = await Promise.all(
    views.map(async (view) => {
      const mark = await readDeniedMark(platform.store, view.record.job);
      if (mark === null) return view;
      await pauseForAccess(platform, view, DENIED_REASON, `${mark.detail} (met by ${mark.who})`);
      return null;
    }),
  );
  return left.filter((view) => view !== null);
}

/** Called when a person says that the job can be read now; workers that are denied again leave a new mark. */
export async function removeDeniedMark(store: ObjectStore, job: string): Promise<void> {
  await store.delete([deniedMark(job)]);
}

/** The mark that a worker left; null for none. */
export function readDeniedMark(store: ObjectStore, job: string): Promise<DeniedMark | null> {
  return readStored<DeniedMark>(store, deniedMark(job));
}
