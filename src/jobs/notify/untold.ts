import { parseStored } from '../../lib/json.ts';
import { LOST, noticesOfJob, noticeTry } from '../../model/keys.ts';
import type { JobView } from '../../model/view.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import type { Platform } from '../../ports/platform.ts';
import { shownReceiver, toldOf } from './receivers.ts';
import { type LostRecord, moveOf, noticesSeen, readTry } from './tell.ts';

/** Somebody who could not be told of an event of a job (yet). */
export interface Untold {
  readonly event: string;
  /** The host of a URL alone. */
  readonly to: string;
  readonly tries: number;
  /** Why the last try failed; null while one goes on, and of one that died. */
  readonly message: string | null;
  /** When it is tried again, by whoever looks then: ISO-8601 UTC. Null: nobody tries it again. */
  readonly next: string | null;
}

/** Who could not be told of a job's events, by one listing where anybody is to be told; a try that is young may be on its way. */
export async function untoldOf(platform: Platform, view: JobView): Promise<readonly Untold[]> {
  const receivers = toldOf(platform, view.record);
  if (receivers.length === 0) return [];
  const now = platform.clock.now();
  const found: Untold[] = [];
  for (const [name, seen] of await noticesSeen(platform, noticesOfJob(view.record.job))) {
    const [event = '', target = ''] = name.split('/');
    if (seen.sent) continue;
    const last = await readTry(platform, noticeTry(event, target, seen.tries.length - 1));
    const move = moveOf({ id: event }, { id: target }, seen, now);
    if (last?.failed === undefined && move.move === 'wait') continue;
    const to = receivers.find(({ id }) => id === target)?.to;
    found.push({
      ...{ event, to: to === undefined ? `a receiver of another profile (${target})` : shownReceiver(to) },
      tries: seen.tries.length,
      message: last?.failed?.message ?? null,
      next: move.move === 'givenUp' ? null : new Date(move.move === 'wait' ? move.until : now).toISOString(),
    });
  }
  return found;
}

/** What nobody tries to tell any more, of all jobs and schedules. */
export async function lostNotices(store: ObjectStore): Promise<readonly LostRecord[]> {
  const lost: LostRecord[] = [];
  for await (const key of store.keys(LOST)) {
    const bytes = await store.read(key);
    if (bytes !== null) lost.push(parseStored<LostRecord>(key, bytes));
  }
  return lost;
}
