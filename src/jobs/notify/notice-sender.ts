import { BatchctlError, isBatchctlError, isKind, messageOf } from '../../errors.ts';
import { eachParallel, Permits } from '../../lib/parallel.ts';
import { jobNoticesPrefix, NEWS_PREFIX, newsMark, noticesPrefix, parseNewsMark } from '../../model/keys.ts';
import { eventsOf } from '../../model/news.ts';
import type { NewsEvent, NoticeState } from '../../model/notify.ts';
import type { JobView } from '../../model/view.ts';
import type { Notice } from '../../ports/notifier.ts';
import type { ObjectEntry } from '../../ports/object-store.ts';
import type { Platform } from '../../ports/platform.ts';
import { ABANDONED_MS } from '../discard.ts';
import { readView } from '../journal.ts';
import type { Sighting } from '../keeper-mark.ts';
import { firingReceivers, jobReceivers, type NoticeReceiver, shownReceiver } from '../receivers.ts';
import { listNotices, type NotifyPoint, sendNotice } from '../send-notice.ts';
import { CounterWatch } from './counter-watch.ts';
import { readFiringNews } from './news-mark.ts';
import { firingNotice, jobNotice } from './notice.ts';

interface NoticeSenderOptions {
  /** When aborted, nothing new is sent, and what is in progress is left to others. */
  readonly signal?: AbortSignal;
  /** Called with receivers that could not be notified. */
  readonly onTrouble: (error: BatchctlError) => void;
  /** True: checks once a minute for what only counters show: a projection past the deadline, a job that can't start. */
  readonly checksCounters: boolean;
  /**
   * True: a manager or tick, which removes marks once all receivers were notified. Others remove them only if all
   * processes know the same receivers.
   */
  readonly keeper?: boolean;
  readonly passed?: ((point: NotifyPoint) => void) | undefined;
  /** The result of `late()` in an earlier process. */
  readonly late?: ReadonlyMap<string, Sighting>;
}

/** A round starts nothing more after this time, milliseconds; the next one continues. */
const ROUND_MS = 120_000;

/** Wait after a service that notifications need was unreachable, milliseconds. */
const RETRY_MS = 60_000;

/** Jobs read, and notified of, at a time: a thousand may end in one minute, and receivers may hang. */
const AT_ONCE = 8;

/**
 * Notifies people of events, next to the other work of its process. The store records what was sent, so all of its
 * state can be read again.
 */
export class NoticeSender {
  readonly #platform: Platform;
  readonly #options: NoticeSenderOptions & { readonly signal: AbortSignal };
  readonly #watch: CounterWatch | null;
  readonly #memory = new NoticeMemory();
  readonly #jobs = new Permits(AT_ONCE);
  readonly #tries = new Permits(AT_ONCE);
  readonly #unmarked = new Set<string>();
  /** Jobs, and marks, that are not read before this time, milliseconds since the epoch. */
  readonly #notBefore = new Map<string, number>();
  readonly #running = new Map<string, Promise<void>>();
  /** Views of jobs that were seen while a notification about them was in progress. */
  readonly #seenSince = new Map<string, JobView>();

  constructor(platform: Platform, options: NoticeSenderOptions) {
    this.#platform = platform;
    this.#options = { ...options, signal: options.signal ?? new AbortController().signal };
    this.#watch = options.checksCounters ? new CounterWatch(platform, options.late) : null;
  }

  /** Called with a job as a watcher sees it. Makes no request without receivers or new events. */
  observe(view: JobView): void {
    const { job } = view.record;
    if (this.#options.signal.aborted) return;
    if (this.#running.has(job)) {
      this.#seenSince.set(job, view);
      return;
    }
    const receivers = jobReceivers(this.#platform, view.record);
    if (receivers.length === 0) return;
    const now = this.#platform.clock.now();
    const news = this.#hasDueNotice(eventsOf(view, now), receivers, now) && now >= (this.#notBefore.get(job) ?? 0);
    if (!news && !this.#hasRemovableMark(view) && this.#watch?.isTime(view, receivers) !== true) return;
    const work = this.#jobs
      .with(() => this.#notifyJob(view, receivers))
      .then(
        () => undefined,
        (error: unknown) => {
          this.#notBefore.set(job, this.#platform.clock.now() + RETRY_MS);
          this.#reportTrouble(`job ${job}`)(error);
        },
      )
      .finally(() => {
        this.#running.delete(job);
        const later = this.#seenSince.get(job);
        this.#seenSince.delete(job);
        if (later !== undefined) this.observe(later);
      });
    this.#running.set(job, work);
  }

  /** A round of a manager or tick: what killed watchers left, and due retries. Throws if the marks can't be listed. */
  async round(): Promise<void> {
    const { store, clock } = this.#platform;
    const until = clock.monotonic() + ROUND_MS;
    const marks: ObjectEntry[] = [];
    for await (const entry of store.list(NEWS_PREFIX)) {
      if (clock.now() >= (this.#notBefore.get(entry.key) ?? 0)) marks.push(entry);
    }
    await eachParallel(marks, AT_ONCE, async (mark) => {
      if (this.#options.signal.aborted || clock.monotonic() >= until) return;
      const due = await this.#notifyMarked(mark).catch(this.#reportTrouble(mark.key));
      if (due === null) {
        await store.delete([mark.key]);
        this.#notBefore.delete(mark.key);
      } else if (due !== undefined) this.#notBefore.set(mark.key, due);
    });
  }

  /** Resolves when no notification is in progress here. Never rejects. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values());
  }

  /** Jobs that are projected past their deadline, each since when, for a later process. */
  late(): ReadonlyMap<string, Sighting> {
    return this.#watch?.late ?? new Map();
  }

  /** Null once everything about a mark was sent or given up; else the time of the next try. */
  async #notifyMarked({ key, modified }: ObjectEntry): Promise<number | null> {
    const { store, clock } = this.#platform;
    const of = parseNewsMark(key);
    if (of === null) return this.#notifyFiring(key);
    await this.#running.get(of.job);
    const view = await readView(store, of.job);
    if (view === null) return null;
    const due = await this.#notifyJob(view, jobReceivers(this.#platform, view.record));
    // Without its close, the mark belongs to a process that is about to write it, or has died.
    return due ?? (view.next > of.entry || clock.now() - modified >= ABANDONED_MS ? null : 0);
  }

  async #notifyFiring(key: string): Promise<number | null> {
    const news = await readFiringNews(this.#platform, key);
    if (news === null) return 0;
    const { event, schedule, period, notify } = news;
    const receivers = firingReceivers(this.#platform, notify);
    const seen = await listNotices(this.#platform, noticesPrefix(event.id));
    return this.#notifyAll(receivers, [event], seen, async () => firingNotice(this.#platform, event, schedule, period));
  }

  /** Null once all receivers know everything about the job at this moment; else the time of the next try. */
  async #notifyJob(view: JobView, receivers: readonly NoticeReceiver[]): Promise<number | null> {
    const { job } = view.record;
    const now = this.#platform.clock.now();
    this.#notBefore.delete(job);
    const events = [...eventsOf(view, now), ...((await this.#watch?.look(view, receivers)) ?? [])];
    const seen = this.#hasDueNotice(events, receivers, now)
      ? await listNotices(this.#platform, jobNoticesPrefix(job))
      : new Map<string, NoticeState>();
    const due = await this.#notifyAll(receivers, events, seen, (event) => jobNotice(this.#platform, view, event));
    if (due === null && view.closed !== null) await this.#removeMarks(view);
    return due;
  }

  /** Null once everything was sent; else the time of the next try, 0 for any later process. */
  async #notifyAll(
    receivers: readonly NoticeReceiver[],
    events: readonly NewsEvent[],
    seen: ReadonlyMap<string, NoticeState>,
    noticeOf: (event: NewsEvent) => Promise<Notice>,
  ): Promise<number | null> {
    let due: number | null = null;
    await eachParallel(pairsOf(events, receivers), AT_ONCE, async ({ event, receiver }) => {
      const left = await this.#tries.with(() =>
        this.#notifyOne(event, receiver, seen.get(noticeName(event, receiver)), () => noticeOf(event)),
      );
      if (left !== null) due = Math.min(left, due ?? left);
    });
    return due;
  }

  async #notifyOne(
    event: NewsEvent,
    receiver: NoticeReceiver,
    seen: NoticeState | undefined,
    notice: () => Promise<Notice>,
  ): Promise<number | null> {
    const { signal, passed = () => undefined, onTrouble } = this.#options;
    const { clock } = this.#platform;
    const due = this.#memory.due(event, receiver);
    if (due === null || due > clock.now()) return due;
    if (signal.aborted) return 0;
    const telling = await sendNotice(this.#platform, event, receiver, seen, notice, { signal, passed });
    switch (telling.outcome) {
      case 'told':
      case 'givenUp':
        this.#memory.done(event, receiver);
        return null;
      case 'failed':
        this.#memory.suspend(receiver, clock.now());
        onTrouble(troubleOf(`${event.text}: could not notify ${shownReceiver(receiver.to)}`, telling.error));
        break;
      case 'later':
        break;
      default:
        telling satisfies never;
    }
    this.#memory.later(event, receiver, telling.due);
    return telling.due;
  }

  /** Whether any receiver must be notified of one of these now. */
  #hasDueNotice(events: readonly NewsEvent[], receivers: readonly NoticeReceiver[], now: number): boolean {
    return pairsOf(events, receivers).some(({ event, receiver }) => {
      const due = this.#memory.due(event, receiver);
      return due !== null && due <= now;
    });
  }

  /** Whether a closed job may have a mark left that this process removes. */
  #hasRemovableMark(view: JobView): boolean {
    return view.closed !== null && this.#removesMarks && this.#marksOf(view).length > 0;
  }

  get #removesMarks(): boolean {
    return this.#options.keeper === true || !this.#platform.workplace.paysRequests;
  }

  #marksOf({ record: { job }, news }: JobView): readonly string[] {
    const closes = news.filter(({ state }) => state !== 'paused');
    return closes.map(({ entry }) => newsMark(job, entry)).filter((key) => !this.#unmarked.has(key));
  }

  async #removeMarks(view: JobView): Promise<void> {
    if (!this.#removesMarks) return;
    const marks = this.#marksOf(view);
    if (marks.length === 0) return;
    await this.#platform.store.delete(marks);
    for (const mark of marks) {
      this.#unmarked.add(mark);
      this.#notBefore.delete(mark);
    }
  }

  /** Receivers that can't be notified must not stop other work: the next look retries. */
  #reportTrouble(about: string): (error: unknown) => undefined {
    return (error) => {
      if (this.#options.signal.aborted && isKind(error, 'interrupted')) return;
      this.#options.onTrouble(troubleOf(`${about}: no one could be notified`, error));
    };
  }
}

const pairsOf = (
  events: readonly NewsEvent[],
  receivers: readonly NoticeReceiver[],
): readonly { readonly event: NewsEvent; readonly receiver: NoticeReceiver }[] =>
  events.flatMap((event) => receivers.filter(({ on }) => on.has(event.kind)).map((receiver) => ({ event, receiver })));

function troubleOf(what: string, error: unknown): BatchctlError {
  const message = `${what}: ${messageOf(error)}`;
  const { kind, hint = undefined } = isBatchctlError(error) ? error : { kind: 'unexpected' as const };
  return new BatchctlError(kind, message, { ...(hint !== undefined && { hint }), cause: error });
}

/** Number of remembered notices; others are looked up again. */
const REMEMBERED = 50_000;

/** After a failure, a receiver gets nothing for this long, milliseconds: it may hang and delay others. */
const SUSPEND_MS = 60_000;

type EventId = Pick<NewsEvent, 'id'>;

type ReceiverId = Pick<NoticeReceiver, 'id'>;

/** One process's knowledge of notices (pairs of event and receiver). The store records the sent ones. */
class NoticeMemory {
  readonly #done = new Set<string>();
  /** Milliseconds since the epoch, as for all times here. */
  readonly #due = new Map<string, number>();
  readonly #suspendedUntil = new Map<string, number>();

  /** When to try (again), 0 for at once; null: done. */
  due(event: EventId, receiver: ReceiverId): number | null {
    const name = noticeName(event, receiver);
    if (this.#done.has(name)) return null;
    return Math.max(this.#due.get(name) ?? 0, this.#suspendedUntil.get(receiver.id) ?? 0);
  }

  done(event: EventId, receiver: ReceiverId): void {
    const name = noticeName(event, receiver);
    this.#due.delete(name);
    if (this.#done.size >= REMEMBERED) this.#done.clear();
    this.#done.add(name);
  }

  later(event: EventId, receiver: ReceiverId, due: number): void {
    if (this.#due.size >= REMEMBERED) this.#due.clear();
    this.#due.set(noticeName(event, receiver), due);
  }

  suspend({ id }: ReceiverId, now: number): void {
    this.#suspendedUntil.set(id, now + SUSPEND_MS);
  }
}

const noticeName = (event: EventId, receiver: ReceiverId): string => `${event.id}/${receiver.id}`;
