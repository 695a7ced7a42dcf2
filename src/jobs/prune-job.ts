import { bytesChecksum } from '../lib/file-checksum.ts';
import {
  jobKey,
  jobPrefix,
  journalKey,
  journalPrefix,
  OPEN,
  openedKey,
  proofsPrefix,
  prunedKey,
} from '../model/keys.ts';
import type { JobView } from '../model/view.ts';
import type { ExactCounts } from '../ports/ledger.ts';
import type { ObjectEntry } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import { append } from './journal.ts';
import { readerOf } from './prune-choice.ts';
import { markChecksum, type PrunedMark, readPrunedMark } from './pruned.ts';
import { remainsOf } from './remains.ts';
import { recordView } from './remember.ts';
import { type Removed, type RemoveOptions, removeKeys, removeListed } from './remove-listed.ts';
import { rebuildLedger } from './verify/rebuild-ledger.ts';

/**
 * Removes what a closed job wrote, and keeps its job.json, journal, proofs and openings. First writes a journal entry:
 * from then on the job can't be reopened, and workers drop its messages. Then records the results of its steps, and
 * then removes objects. If interrupted, the job counts as pruned, and the next prune continues; several may run at
 * once. Returns null if another entry came first, so that the job must not be pruned any more. Removes nothing while an
 * open job, which it names, reads the outputs.
 */
export async function pruneJob(
  platform: Platform,
  seen: JobView,
  options: RemoveOptions,
): Promise<Removed | { readonly readBy: string } | null> {
  if (options.dryRun === true) return removeListed(platform.store, removable(platform, seen), options);
  const view = await decide(platform, seen);
  if (view.pruned === null) return null;
  const { job } = view.record;
  const mark = (await readPrunedMark(platform.store, job)) ?? (await keepMark(platform, view, view.pruned));
  // An input of a job submitted meanwhile: it can be removed once that job is closed.
  const readBy = await readerOf(platform.store, job);
  if (readBy !== null) return { readBy };
  const removed = await removeListed(platform.store, removable(platform, view), options);
  if (mark.finished && removed.objects === 0) return removed;
  await removeKeys(platform.store, platform.store.keys(`${OPEN}${job}.`));
  await forgetPruned(platform, view, mark);
  await platform.store.put(prunedKey(job), JSON.stringify({ ...mark, finished: true } satisfies PrunedMark));
  return removed;
}

/** Afterwards, a rebuilt ledger and one that counted all along agree on a pruned job. */
export async function forgetPruned(platform: Platform, view: JobView, { steps }: PrunedMark): Promise<void> {
  const ledger = await platform.ledger();
  await recordView(platform, view);
  await ledger.recordExact(view.record.job, view.round, steps);
  await ledger.forget(view.record.job);
}

/** The decision: of a concurrent retry and prune, the later one finds the other in the journal. */
async function decide(platform: Platform, seen: JobView): Promise<JobView> {
  const by = { who: platform.who, now: platform.clock.now() };
  const remains = seen.pruned === null ? await remainsOf(platform.store, seen) : {};
  const { view } = await append(platform.store, seen, by, (now) =>
    now.pruned === null && now.closed !== null && now.next === seen.next ? { what: 'prune', remains } : null,
  );
  return view;
}

async function keepMark(
  platform: Platform,
  view: JobView,
  { who, when }: NonNullable<JobView['pruned']>,
): Promise<PrunedMark> {
  const { job } = view.record;
  const bytes = await platform.store.read(journalKey(job, view.next - 1));
  const steps = await countsOf(platform, view);
  const counted = {
    format: 1,
    when,
    who,
    steps,
    finished: false,
    ...(bytes && { entry: bytesChecksum(bytes) }),
  } as const;
  const mark: PrunedMark = { ...counted, checksum: markChecksum(counted) };
  const { created } = await platform.store.put(prunedKey(job), JSON.stringify(mark), { ifAbsent: true });
  return created ? mark : ((await readPrunedMark(platform.store, job)) ?? mark);
}

/** The ledger's counts if they are exact; otherwise the store is listed a last time. */
async function countsOf(platform: Platform, view: JobView): Promise<readonly ExactCounts[]> {
  const known = await (await platform.ledger()).counts(view.record.job);
  const whole = known.length === view.record.spec.steps.length && known.every(({ exact }) => exact);
  if (!whole) return (await rebuildLedger(platform, view)).exact;
  return known.map(({ step, done, failed, bytesIn, bytesOut, seconds, counters }) => ({
    ...{ step, done, failed, bytesIn, bytesOut, seconds, counters },
  }));
}

async function* removable({ store }: Platform, { record: { job, spec } }: JobView): AsyncGenerator<ObjectEntry> {
  // opened.json records a step's number of tasks, and what was left out.
  const kept = new Set([jobKey(job), prunedKey(job), ...spec.steps.map(({ name }) => openedKey(job, name))]);
  const below = [journalPrefix(job), proofsPrefix(job)];
  for await (const entry of store.list(jobPrefix(job))) {
    if (!kept.has(entry.key) && !below.some((prefix) => entry.key.startsWith(prefix))) yield entry;
  }
}
