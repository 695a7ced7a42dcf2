import { isKind } from '../errors.ts';
import { isDenied } from '../jobs/denied-job.ts';
import { readEntries } from '../jobs/journal.ts';
import { ownValue } from '../lib/json.ts';
import type { JournalEntry, TaskSets } from '../model/journal.ts';
import { ordersPrefix } from '../model/keys.ts';
import { taskSetHas } from '../model/task-set.ts';
import type { JobView } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Dispatcher, RunningAttempt } from './dispatcher.ts';
import type { JobCache } from './job-cache.ts';
import type { EndReason } from './outcome.ts';

/**
 * Reads the journals of the jobs that run here, as every heartbeat does, and ends the attempts that a person ended: of
 * a cancelled job, of one that was paused at once (also if it was resumed since), and of killed and skipped tasks. A journal that can't be read (damaged,
 * denied, or of a later version) goes to `onTrouble`; decisions about other jobs are still obeyed.
 */
export async function obeyJournals(
  store: ObjectStore,
  jobs: JobCache,
  dispatcher: Dispatcher,
  onTrouble: (job: string, error: unknown) => void = () => undefined,
): Promise<void> {
  const oldest = new Map<string, JobView>();
  for (const { task } of dispatcher.running()) {
    const known = oldest.get(task.message.job);
    if (known === undefined || task.view.next < known.next) oldest.set(task.message.job, task.view);
  }
  for (const [job, view] of oldest) {
    try {
      await obeyJournal(store, await jobs.refresh(view), view, dispatcher);
    } catch (error) {
      if (!isKind(error, 'newer', 'corrupt') && !isDenied(error)) throw error;
      onTrouble(job, error);
    }
  }
}

async function obeyJournal(store: ObjectStore, now: JobView, seen: JobView, dispatcher: Dispatcher): Promise<void> {
  if (now.next === seen.next) return;
  const ofJob = (attempt: RunningAttempt): boolean => attempt.task.message.job === seen.record.job;
  if (now.cancelled) dispatcher.end('cancel', ofJob);
  else if (now.paused?.now === true) dispatcher.end('pause', ofJob);
  else await obeyEntries(store, seen, dispatcher, ofJob);
}

/**
 * Each attempt obeys the kills, the skips and the pauses that a person has ended by now, after the journal entry at its
 * admission: by number, so no clock matters.
 */
async function obeyEntries(
  store: ObjectStore,
  oldest: JobView,
  dispatcher: Dispatcher,
  ofJob: (attempt: RunningAttempt) => boolean,
): Promise<void> {
  const entries = await readEntries(store, oldest.record.job, oldest.next);
  for (const [at, entry] of entries.entries()) {
    const ending = endingOf(entry);
    if (ending === null) continue;
    dispatcher.end(ending.reason, (attempt) => {
      const { message, view } = attempt.task;
      const { tasks } = ending;
      const isMeant = tasks === null || taskSetHas(ownValue(tasks, message.step), message.task);
      return ofJob(attempt) && oldest.next + at >= view.next && isMeant;
    });
  }
}

/** Which attempts an entry ends, and why; `tasks` null: all of the job. Null: none. */
function endingOf(entry: JournalEntry): { readonly reason: EndReason; readonly tasks: TaskSets | null } | null {
  switch (entry.what) {
    case 'pause':
      return entry.now ? { reason: 'pause', tasks: null } : null;
    case 'skip':
      return { reason: 'skip', tasks: entry.tasks };
    case 'kill':
      return { reason: entry.mode === 'fail' ? 'killFail' : 'kill', tasks: entry.tasks };
    default:
      return null;
  }
}

/** Orders for a worker from a person or a release: leave now, finish and leave, finish and be replaced. */
export type Order = 'stop' | 'drain' | 'replace';
const ORDERS: readonly Order[] = ['replace', 'drain', 'stop'];

/** The strongest order given to this worker; null for none. An unknown one drains it. */
export async function readOrders(store: ObjectStore, worker: string): Promise<Order | null> {
  let strongest: Order | null = null;
  for await (const { key } of store.list(ordersPrefix(worker))) {
    const bytes = await store.read(key);
    if (bytes === null) continue;
    const { order }: { order?: unknown } = JSON.parse(new TextDecoder().decode(bytes));
    const known = ORDERS.find((one) => one === order) ?? 'drain';
    if (strongest === null || ORDERS.indexOf(known) > ORDERS.indexOf(strongest)) strongest = known;
  }
  return strongest;
}
