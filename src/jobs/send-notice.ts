import { isBatchctlError } from '../errors.ts';
import { randomId } from '../lib/id.ts';
import { readStored } from '../lib/json.ts';
import type { JobStatus } from '../model/answers/status.ts';
import { jobNoticesPrefix, LOST_PREFIX, lostKey, noticeSentKey, noticeTryKey, parseNoticeKey } from '../model/keys.ts';
import { type NewsEvent, type NoticeMove, type NoticeState, noticeMove } from '../model/notify.ts';
import type { JobView } from '../model/view.ts';
import type { Notice } from '../ports/notifier.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import { jobReceivers, type NoticeReceiver, shownReceiver } from './receivers.ts';

/** Each point is passed right after what it names: crash tests stop the notifying process there. */
export type NotifyPoint = 'notice-claimed' | 'notice-sent' | 'notice-marked';

/** One try to notify one receiver of one event, by the process that claims its number. A failure is written into it. */
interface TryRecord {
  readonly format: 1;
  readonly id: string;
  readonly who: string;
  /** Why it failed; absent while it is in progress, and if its process died. */
  readonly failed?: { readonly kind: string; readonly message: string };
}

/** A notification that is not retried any more, for `doctor`. */
interface LostRecord {
  readonly format: 1;
  readonly event: string;
  readonly to: string;
  readonly text: string;
}

/** The result for one notice. `due`: milliseconds since the epoch from when it may be tried (again). */
type NoticeOutcome =
  | { readonly outcome: 'told' | 'givenUp' }
  | { readonly outcome: 'later'; readonly due: number }
  | { readonly outcome: 'failed'; readonly due: number; readonly error: Error };

interface SendOptions {
  readonly signal: AbortSignal;
  readonly passed: (point: NotifyPoint) => void;
}

/** The records of all notices below a prefix, by `<event>/<receiver>`. One listing. */
export async function listNotices(
  { store }: Pick<Platform, 'store'>,
  prefix: string,
): Promise<ReadonlyMap<string, NoticeState>> {
  const seen = new Map<string, { tries: number[]; sent: boolean }>();
  for await (const { key, modified } of store.list(prefix)) {
    const found = parseNoticeKey(key);
    if (found === null) continue;
    const name = `${found.event}/${found.target}`;
    const notice = seen.get(name) ?? { tries: [], sent: false };
    seen.set(name, notice);
    if (found.number === null) notice.sent = true;
    else notice.tries[found.number] = modified;
  }
  return seen;
}

/**
 * Notifies one receiver of one event, unless that was done, is in progress, or must wait. A try is claimed by its
 * number (law 2), so if two processes find the same event, only one sends it; if that one dies after its claim, the
 * next try follows. A receiver gets an event twice only if the process dies after sending and before marking it.
 */
export async function sendNotice(
  platform: Platform,
  event: NewsEvent,
  told: NoticeReceiver,
  seen: NoticeState | undefined,
  notice: () => Promise<Notice>,
  { signal, passed }: SendOptions,
): Promise<NoticeOutcome> {
  const { store, clock, who, notices } = platform;
  const move = moveOf(event, told, seen ?? NEVER, clock.now());
  if (move.move === 'none') return { outcome: 'told' };
  if (move.move === 'wait') return { outcome: 'later', due: move.until };
  if (move.move === 'givenUp') {
    const lost: LostRecord = { format: 1, event: event.id, to: shownReceiver(told.to), text: event.text };
    await store.put(lostKey(event.id, told.id), JSON.stringify(lost));
    return { outcome: 'givenUp' };
  }
  const key = noticeTryKey(event.id, told.id, move.number);
  const mine: TryRecord = { format: 1, id: randomId(16), who };
  const { created } = await store.put(key, JSON.stringify(mine), { ifAbsent: true });
  const due = dueAfter(event, told, seen ?? NEVER, clock.now());
  // If the key exists, it may be from our own first put, whose answer was lost.
  if (!created && (await readStored<TryRecord>(store, key))?.id !== mine.id) return { outcome: 'later', due };
  passed('notice-claimed');
  try {
    await notices?.notifier.send(told, await notice(), signal);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const { kind, message } = isBatchctlError(error) ? error : { kind: 'unexpected', message: error.message };
    await store.put(key, JSON.stringify({ ...mine, failed: { kind, message } } satisfies TryRecord));
    return { outcome: 'failed', due, error };
  }
  passed('notice-sent');
  await store.put(noticeSentKey(event.id, told.id), '{"format":1}');
  passed('notice-marked');
  return { outcome: 'told' };
}

const NEVER: NoticeState = { tries: [], sent: false };

const moveOf = (
  event: Pick<NewsEvent, 'id'>,
  told: Pick<NoticeReceiver, 'id'>,
  seen: NoticeState,
  now: number,
): NoticeMove => noticeMove(seen, spreadOf(`${event.id}/${told.id}`), now);

function dueAfter(event: NewsEvent, told: NoticeReceiver, { tries }: NoticeState, now: number): number {
  const next = moveOf(event, told, { tries: [...tries, now], sent: false }, now);
  return next.move === 'wait' ? next.until : now;
}

/** A number from 0 to 1 derived from a text: the same everywhere. */
function spreadOf(text: string): number {
  let hash = 0;
  for (const char of text) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) % 65_536;
  return hash / 65_536;
}

type UnnotifiedReceiver = JobStatus['untold'][number];

/**
 * The receivers that could not be notified of a job's events. One listing, if there are receivers; a recent try may
 * still be in progress.
 */
export async function unnotifiedReceivers(platform: Platform, view: JobView): Promise<readonly UnnotifiedReceiver[]> {
  const receivers = jobReceivers(platform, view.record);
  if (receivers.length === 0) return [];
  const now = platform.clock.now();
  const found: UnnotifiedReceiver[] = [];
  for (const [name, seen] of await listNotices(platform, jobNoticesPrefix(view.record.job))) {
    const [event = '', target = ''] = name.split('/');
    if (seen.sent) continue;
    const last = await readStored<TryRecord>(platform.store, noticeTryKey(event, target, seen.tries.length - 1));
    const move = moveOf({ id: event }, { id: target }, seen, now);
    if (last?.failed === undefined && move.move === 'wait') continue;
    const to = receivers.find(({ id }) => id === target)?.to;
    found.push({
      event,
      to: to === undefined ? `a receiver of another profile (${target})` : shownReceiver(to),
      tries: seen.tries.length,
      message: last?.failed?.message ?? null,
      next: move.move === 'givenUp' ? null : new Date(move.move === 'wait' ? move.until : now).toISOString(),
    });
  }
  return found;
}

/** Notifications of all jobs and schedules that are not retried any more. */
export async function listLostNotices(store: ObjectStore): Promise<readonly LostRecord[]> {
  const lost: LostRecord[] = [];
  for await (const key of store.keys(LOST_PREFIX)) {
    const record = await readStored<LostRecord>(store, key);
    if (record !== null) lost.push(record);
  }
  return lost;
}
