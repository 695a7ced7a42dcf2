import { BatchctlError, isKind, isOurs } from '../../errors.ts';
import { eachParallel } from '../../lib/each-parallel.ts';
import { NEWS, newsMark, newsOf, noticesOfJob, noticesPrefix } from '../../model/keys.ts';
import type { NoticeSeen } from '../../model/notice.ts';
import { eventsOf, type NewsEvent } from '../../model/notify.ts';
import type { JobView } from '../../model/view.ts';
import type { Notice } from '../../ports/notifier.ts';
import type { ObjectEntry } from '../../ports/object-store.ts';
import type { Platform } from '../../ports/platform.ts';
import { ABANDONED_MS } from '../discard.ts';
import { readView } from '../journal.ts';
import type { Seen } from '../seen.ts';
import { firingNotice, jobNotice } from './body.ts';
import { readFiringNews } from './news-mark.ts';
import { shownReceiver, type Told, toldOf, toldOfFiring } from './receivers.ts';
import { noticesSeen, type TellPoint, tell } from './tell.ts';
import { Watchfulness } from './watchfulness.ts';

export interface TellerOptions {
  /** Aborted, nothing is begun any more, and what is being sent is left to others. */
  readonly signal?: AbortSignal;
  /** Told of who could not be told. */
  readonly onTrouble: (error: BatchctlError) => void;
  /** True: asks once a minute for what only counters tell of open jobs, a projection past the deadline and a job that does not begin. */
  readonly watchful: boolean;
  /** True: a keeper, who takes marks of news away once all of it is told. Else only where all processes know the same receivers. */
  readonly keeper?: boolean;
  readonly passed?: ((point: TellPoint) => void) | undefined;
  /** What `late()` of an earlier process answered. */
  readonly late?: ReadonlyMap<string, Seen>;
}

/** A round begins nothing more after so long, milliseconds: what is left the next one does. */
const ROUND_MS = 120_000;
/** After a service was away that is needed for telling, milliseconds. */
const AGAIN_MS = 60_000;
/** So many notices are remembered as done; forgotten, they are looked up again. */
const REMEMBERED = 50_000;

/** So many are told at a time: one that hangs keeps the others from nothing. */
const AT_ONCE = 8;

/**
 * Tells people of what happens, beside all that its process does otherwise. It keeps nothing that could not be read
 * again: that something was told stands in the store.
 */
export class Teller {
  readonly #platform: Platform;
  readonly #options: TellerOptions & { readonly signal: AbortSignal };
  readonly #watch: Watchfulness | null;
  /** Notices that are done with: `<event>/<receiver>`. */
  readonly #done = new Set<string>();
  /** Marks that this process took away. */
  readonly #unmarked = new Set<string>();
  /** No look at a job's notices before then, milliseconds since the epoch. */
  readonly #due = new Map<string, number>();
  readonly #running = new Map<string, Promise<void>>();
  /** Receivers that failed in this round. */
  readonly #away = new Set<string>();

  constructor(platform: Platform, options: TellerOptions) {
    this.#platform = platform;
    this.#options = { ...options, signal: options.signal ?? new AbortController().signal };
    this.#watch = options.watchful ? new Watchfulness(platform, options.late) : null;
  }

  /** A job as an onlooker sees it. Asks for nothing where nobody is told, or there is nothing new. */
  see(view: JobView): void {
    const { job } = view.record;
    if (this.#options.signal.aborted || this.#running.has(job)) return;
    const receivers = toldOf(this.#platform, view.record);
    if (receivers.length === 0) return;
    const now = this.#platform.clock.now();
    const news = this.#untold(eventsOf(view, now), receivers).length > 0 && now >= (this.#due.get(job) ?? 0);
    if (!news && !this.#marked(view) && this.#watch?.isTime(view, receivers) !== true) return;
    const work = this.#tellJob(view, receivers)
      .then(
        () => undefined,
        (error: unknown) => {
          this.#due.set(job, this.#platform.clock.now() + AGAIN_MS);
          this.#passOver(`job ${job}`)(error);
        },
      )
      .finally(() => this.#running.delete(job));
    this.#running.set(job, work);
  }

  /** A keeper's round: what killed onlookers left, and what is to be tried again. Throws where the marks can't be listed. */
  async round(): Promise<void> {
    const { store, clock } = this.#platform;
    const until = clock.monotonic() + ROUND_MS;
    this.#away.clear();
    const marks: ObjectEntry[] = [];
    for await (const entry of store.list(NEWS)) marks.push(entry);
    await eachParallel(marks, AT_ONCE, async (mark) => {
      if (this.#options.signal.aborted || clock.monotonic() >= until) return;
      const told = await this.#tellMarked(mark).catch(this.#passOver(mark.key));
      if (told === true) await store.delete([mark.key]);
    });
  }

  /** Resolves when nobody is being told here. Never rejects. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values());
  }

  /** Jobs that are projected past their deadline, each since when: for a process that comes after this one. */
  late(): ReadonlyMap<string, Seen> {
    return this.#watch?.late ?? new Map();
  }

  /** True once all that a mark speaks of is told, or given up. */
  async #tellMarked({ key, modified }: ObjectEntry): Promise<boolean> {
    const { store, clock } = this.#platform;
    const of = newsOf(key);
    if (of === null) return this.#tellFiring(key);
    await this.#running.get(of.job);
    const view = await readView(store, of.job);
    if (view === null) return true;
    const told = await this.#tellJob(view, toldOf(this.#platform, view.record));
    // One whose close is not there yet is whoever's that is about to write it, or has died.
    return told && (view.next > of.entry || clock.now() - modified >= ABANDONED_MS);
  }

  async #tellFiring(key: string): Promise<boolean> {
    const news = await readFiringNews(this.#platform, key);
    if (news === null) return false;
    const { event, schedule, period, notify } = news;
    const receivers = toldOfFiring(this.#platform, notify);
    const seen = await noticesSeen(this.#platform, noticesPrefix(event.id));
    return this.#tellAll(receivers, [event], seen, async () => firingNotice(this.#platform, event, schedule, period));
  }

  /** True once all receivers know all there is to know of the job at this moment. */
  async #tellJob(view: JobView, receivers: readonly Told[]): Promise<boolean> {
    const { job } = view.record;
    const now = this.#platform.clock.now();
    this.#due.delete(job);
    const events = [...eventsOf(view, now), ...((await this.#watch?.look(view, receivers)) ?? [])];
    const left = this.#untold(events, receivers);
    const seen = left.length === 0 ? new Map() : await noticesSeen(this.#platform, noticesOfJob(job));
    const told = await this.#tellAll(receivers, left, seen, (event) => jobNotice(this.#platform, view, event));
    if (told && view.closed !== null) await this.#unmark(view);
    return told;
  }

  async #tellAll(
    receivers: readonly Told[],
    events: readonly NewsEvent[],
    seen: ReadonlyMap<string, NoticeSeen>,
    noticeOf: (event: NewsEvent) => Promise<Notice>,
  ): Promise<boolean> {
    const { signal, passed = () => undefined, onTrouble } = this.#options;
    let told = true;
    const pairs = events.flatMap((event) =>
      receivers.filter(({ on }) => on.has(event.kind)).map((receiver) => ({ event, receiver })),
    );
    await eachParallel(pairs, AT_ONCE, async ({ event, receiver }) => {
      const name = `${event.id}/${receiver.id}`;
      if (this.#done.has(name)) return;
      if (signal.aborted || this.#away.has(receiver.id)) {
        told = false;
        return;
      }
      const notice = () => noticeOf(event);
      const telling = await tell(this.#platform, event, receiver, seen.get(name), notice, { signal, passed });
      switch (telling.outcome) {
        case 'told':
        case 'givenUp':
          if (this.#done.size >= REMEMBERED) this.#done.clear();
          this.#done.add(name);
          return;
        case 'failed':
          this.#away.add(receiver.id);
          onTrouble(troubleOf(`${event.text}: could not tell ${shownReceiver(receiver.to)}`, telling.error));
          break;
        case 'later':
          break;
        default:
          telling satisfies never;
      }
      told = false;
      const job = event.id.split('.')[0] ?? '';
      this.#due.set(job, Math.min(telling.due, this.#due.get(job) ?? Number.POSITIVE_INFINITY));
    });
    return told;
  }

  #untold(events: readonly NewsEvent[], receivers: readonly Told[]): readonly NewsEvent[] {
    return events.filter(({ id, kind }) =>
      receivers.some((told) => told.on.has(kind) && !this.#done.has(`${id}/${told.id}`)),
    );
  }

  /** Whether a closed job may have a mark left that this process takes away. */
  #marked(view: JobView): boolean {
    return view.closed !== null && this.#unmarks && this.#marksOf(view).length > 0;
  }

  get #unmarks(): boolean {
    return this.#options.keeper === true || this.#platform.remote !== true;
  }

  #marksOf({ record: { job }, news }: JobView): readonly string[] {
    const closes = news.filter(({ state }) => state !== 'paused');
    return closes.map(({ entry }) => newsMark(job, entry)).filter((key) => !this.#unmarked.has(key));
  }

  async #unmark(view: JobView): Promise<void> {
    if (!this.#unmarks) return;
    const marks = this.#marksOf(view);
    if (marks.length === 0) return;
    await this.#platform.store.delete(marks);
    for (const mark of marks) this.#unmarked.add(mark);
  }

  /** People who are not told end nobody's work: the next look tries again. */
  #passOver(about: string): (error: unknown) => undefined {
    return (error) => {
      if (this.#options.signal.aborted && isKind(error, 'interrupted')) return;
      this.#options.onTrouble(troubleOf(`${about}: nobody could be told`, error));
    };
  }
}

function troubleOf(what: string, error: unknown): BatchctlError {
  const message = `${what}: ${error instanceof Error ? error.message : String(error)}`;
  const { kind, hint = undefined } = isOurs(error) ? error : { kind: 'unexpected' as const };
  return new BatchctlError(kind, message, { ...(hint !== undefined && { hint }), cause: error });
}
