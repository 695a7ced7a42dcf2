import type { DeliveryStatus } from './answers/status.ts';
import type { JournalEntry } from './journal.ts';
import type { DeliveryFacts, JobView } from './view.ts';

/** After this many failed tries watchers leave it to a person. */
const MOST_TRIES = 8;
const FIRST_WAIT_MS = 60_000;
const LONGEST_WAIT_MS = 3_600_000;
/** The minimum interval between entries for the same failure, milliseconds. */
const MIN_ENTRY_INTERVAL_MS = 30_000;

/** Null for a job without a delivery. */
export function deliveryOf(view: JobView): DeliveryStatus | null {
  const { deliverTo = null } = view.record;
  if (deliverTo === null) return null;
  const { place: to, host } = deliverTo;
  const { delivered = null, failed = null } = view.delivery ?? {};
  return { to, host, state: stateOfDelivery(view), delivered, failed };
}

function stateOfDelivery(view: JobView): DeliveryStatus['state'] {
  const { closed, delivery } = view;
  if (view.cancelled) return 'none';
  if (closed === null || delivery === null) return 'waiting';
  if (closed.state !== 'succeeded') return 'none';
  if (delivery.delivered !== null) return 'delivered';
  if (view.pruned !== null) return 'none';
  if (delivery.failed === null) return 'due';
  return delivery.failed.tries >= MOST_TRIES ? 'givenUp' : 'failing';
}

/** True for a job that succeeded and whose outputs aren't delivered yet. */
export function isDeliveryDue(view: JobView): boolean {
  const state = deliveryOf(view)?.state;
  return state === 'due' || state === 'failing' || state === 'givenUp';
}

/** When a watcher may retry (milliseconds since the epoch); null: only a person may. */
export function nextTry({ failed }: Pick<DeliveryFacts, 'failed'>): number | null {
  if (failed === null) return 0;
  if (failed.tries >= MOST_TRIES) return null;
  return Date.parse(failed.when) + Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (failed.tries - 1));
}

/** Whether another failure is worth an entry, so that repeated tries, by hand or by cron, don't fill the journal. */
export function shouldRecordFailure({ failed }: Pick<DeliveryFacts, 'failed'>, message: string, now: number): boolean {
  if (failed === null || failed.message !== message) return true;
  return failed.tries < MOST_TRIES && now - Date.parse(failed.when) >= MIN_ENTRY_INTERVAL_MS;
}

/** The facts after the journal's entry number `number`. An entry that opens a job again ends its delivery. */
export function deliveryAfter(before: JobView, entry: JournalEntry): DeliveryFacts | null {
  const facts = before.delivery;
  switch (entry.what) {
    case 'close':
      return { after: before.next, delivered: null, failed: null };
    case 'retry':
    case 'retry-rest':
    case 'skip':
    case 'unskip':
    case 'accept':
    case 'extend':
      return null;
    case 'delivered': {
      if (facts === null || facts.after !== entry.after) return facts;
      const { to, when, who, outputs, bytes } = entry;
      return { ...facts, delivered: { to, when, who, outputs, bytes }, failed: null };
    }
    case 'undelivered': {
      if (facts === null || facts.after !== entry.after || facts.delivered !== null) return facts;
      const { when, who, kind, message, hint } = entry;
      return { ...facts, failed: { tries: (facts.failed?.tries ?? 0) + 1, when, who, kind, message, hint } };
    }
    default:
      return facts;
  }
}
