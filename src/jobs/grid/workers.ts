import { BatchctlError } from '../../errors.ts';
import type { LedgerWorker, WorkerState } from '../../ports/ledger.ts';
import type { Platform } from '../../ports/platform.ts';

/** A worker as it is shown. `lost`: it did not say that it left, and has not been seen for four heartbeats. */
export interface SeenWorker extends Omit<LedgerWorker, 'state'> {
  readonly state: WorkerState | 'lost';
}

/** How long one that was lost, and one that left, is still listed, milliseconds. */
const LOST_MS = 3_600_000;
const LEFT_MS = 24 * 3_600_000;

/** The workers of a group (or all groups), oldest first; `left` adds those that left within a day. */
export async function listWorkers(
  platform: Platform,
  { group, left }: { readonly group: string | undefined; readonly left: boolean },
): Promise<readonly SeenWorker[]> {
  const now = platform.clock.now();
  const ledger = await platform.ledger();
  const seen = await ledger.workers({ since: now - (left ? LEFT_MS : LOST_MS) });
  return seen
    .filter((worker) => left || worker.state !== 'gone')
    .filter((worker) => group === undefined || worker.group.split(',').includes(group))
    .map((worker) => asSeen(worker, now, platform.leaseSeconds))
    .sort((a, b) => a.startedAt - b.startedAt || (a.worker < b.worker ? -1 : 1));
}

/** A heartbeat comes each third of a lease. */
function asSeen(worker: LedgerWorker, now: number, leaseSeconds: number): SeenWorker {
  const lost = worker.state !== 'gone' && now - worker.seenAt > (4 * leaseSeconds * 1_000) / 3;
  return lost ? { ...worker, state: 'lost' } : worker;
}

/**
 * The worker with that id, or whose id alone begins so; or the one of that instance: its last, where it had several.
 * Throws `notFound`, and `usage` where several begin so.
 */
export async function findWorker(platform: Platform, text: string): Promise<LedgerWorker> {
  const workers = await (await platform.ledger()).workers({});
  const there = workers.filter(({ host }) => host === text && /^i-[0-9a-f]+$/.test(text));
  const last = there.find(({ state }) => state !== 'gone') ?? there[0];
  if (last !== undefined) return last;
  const begin = workers.filter(({ worker }) => text !== '' && worker.startsWith(text));
  const found = workers.find(({ worker }) => worker === text) ?? begin[0];
  if (found === undefined) {
    throw new BatchctlError('notFound', `there is no worker ${text}`, { hint: 'batchctl workers lists them' });
  }
  if (found.worker !== text && begin.length > 1) {
    const some = begin.slice(0, 5).map(({ worker }) => worker);
    throw new BatchctlError('usage', `${begin.length} workers match ${text}: ${some.join(', ')}`, {
      hint: 'use more characters of the id',
    });
  }
  return found;
}

/** Orders a worker to finish and leave, or to give its tasks back and leave. Throws `notFound` if it isn't up. */
export async function orderWorker(platform: Platform, text: string, order: 'drain' | 'stop'): Promise<LedgerWorker> {
  const worker = await findWorker(platform, text);
  const [group = worker.group] = worker.group.split(',');
  await (await platform.group(group)).order(worker.worker, order);
  return worker;
}
