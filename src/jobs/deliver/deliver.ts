import { hostname } from 'node:os';
import { BatchctlError, isBatchctlError, isKind, messageOf } from '../../errors.ts';
import { parseStored } from '../../lib/json.ts';
import { wait } from '../../lib/wait.ts';
import { deliveryOf, isDeliveryDue, nextTry, shouldRecordFailure } from '../../model/delivery.ts';
import { orderOf } from '../../model/job.ts';
import { DUE_PREFIX, dueMark, parseDueMark } from '../../model/keys.ts';
import { parseS3Uri } from '../../model/s3-uri.ts';
import type { JobView } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { BucketPlace } from '../fetch/bucket-place.ts';
import { DirectoryPlace } from '../fetch/directory-place.ts';
import { manifestHead } from '../fetch/fetch.ts';
import { fillPlace, type OnPlacePoint } from '../fetch/fill-place.ts';
import { checkDistinct, chooseStep, fileNamer } from '../fetch/names.ts';
import { type Place, type PlaceManifest, SupersededError } from '../fetch/place.ts';
import { refuseForeignLinks } from '../fetch/target.ts';
import { type OutputSource, outputSource, Tally } from '../fetch/verified.ts';
import { append, readView, refreshView } from '../journal.ts';
import type { Sighting } from '../keeper-mark.ts';
import { listPublished } from '../listing.ts';
import { deliveryLine } from './delivery-line.ts';

interface DueMark {
  readonly format: 1;
  readonly who: string;
  /** True while `who` delivers and keeps renewing the mark. */
  readonly begun: boolean;
}

/**
 * Marks that a delivery is due once the journal entry `after` has closed the job. It is put before that entry, so that
 * watchers find what a killed process left. Each put creates a new object, which shows others that a process is working
 * on it.
 */
export async function putDueMark(
  { store, clock, who }: Pick<Platform, 'store' | 'clock' | 'who'>,
  view: JobView,
  after: number,
  begun: boolean,
): Promise<void> {
  const mark: DueMark & { readonly at: number } = { format: 1, who, begun, at: clock.monotonic() };
  await store.put(dueMark(view.record.job, after), JSON.stringify(mark));
}

/** The current mark, with an ETag that changes with each renewal; null if it doesn't exist. */
export async function readDueMark(
  { store }: Pick<Platform, 'store'>,
  key: string,
): Promise<{ readonly begun: boolean; readonly text: string } | null> {
  const bytes = await store.read(key);
  if (bytes === null) return null;
  return { begun: parseStored<DueMark>(key, bytes).begun, text: Buffer.from(bytes).toString() };
}

/** True for a job whose success leads to a delivery that watchers handle. */
export function isDeliveredByWatchers({ workplace }: Pick<Platform, 'workplace'>, view: JobView): boolean {
  const { deliverTo = null } = view.record;
  // A directory belongs to one machine: workers elsewhere can't write there.
  return deliverTo !== null && (deliverTo.host === null || workplace.sharesFiles);
}

/** Renews the mark during `work`; afterwards it says that no process is working on it. */
export async function withDueMark<T>(
  platform: Pick<Platform, 'store' | 'clock' | 'who' | 'leaseSeconds' | 'workplace'>,
  view: JobView,
  after: number,
  work: () => Promise<T>,
): Promise<T> {
  if (!isDeliveredByWatchers(platform, view)) return work();
  await putDueMark(platform, view, after, true);
  const touching = setInterval(
    () => {
      // If renewing fails, a second process may start to deliver and shut this one out.
      putDueMark(platform, view, after, true).catch(() => undefined);
    },
    (platform.leaseSeconds * 1_000) / 2,
  );
  try {
    return await work();
  } catch (error) {
    // The process that shut this one out delivers now.
    if (!(error instanceof SupersededError)) await putDueMark(platform, view, after, false).catch(() => undefined);
    throw error;
  } finally {
    clearInterval(touching);
  }
}

export interface DeliverOptions {
  readonly signal?: AbortSignal;
  /** For crash tests. */
  readonly passed?: OnPlacePoint | undefined;
}

/** A bucket can be reached from anywhere, a directory only on the machine that submitted the job. */
export function isDeliverableHere(view: JobView): boolean {
  const host = view.record.deliverTo?.host ?? null;
  return host === null || host === hostname();
}

/**
 * Delivers the outputs of a successful job unless already done, and records it in the journal. Correct files are kept,
 * so the next process completes an interrupted delivery. Of two at once, the one that claims the place last continues,
 * and the other returns the current view. Throws any error, and also records it in the journal for `status`, `why`, and
 * watchers, which wait before they retry.
 */
export async function deliver(platform: Platform, seen: JobView, options: DeliverOptions = {}): Promise<JobView> {
  const view = await refreshView(platform.store, seen);
  const { delivery } = view;
  const to = view.record.deliverTo?.place;
  if (!isDeliveryDue(view) || delivery === null || to === undefined) return view;
  const { after } = delivery;
  try {
    const { outputs, bytes } = await withDueMark(platform, view, after, () =>
      deliverOutputs(platform, view, to, options),
    );
    await options.passed?.('delivered');
    const { view: done } = await append(platform, view, (now) =>
      isDeliveryDue(now) && now.delivery?.after === after ? { what: 'delivered', after, to, outputs, bytes } : null,
    );
    await platform.store.delete([dueMark(view.record.job, after)]);
    return done;
  } catch (error) {
    if (options.signal?.aborted === true || !(error instanceof Error)) throw error;
    if (error instanceof SupersededError && error.by?.job === view.record.job) return refreshView(platform.store, view);
    const { kind, hint = null, signIn } = isBatchctlError(error) ? error : UNEXPECTED;
    const { message } = error;
    const entry = { what: 'undelivered', after, to, kind, message, hint } as const;
    // An unreachable store accepts no entry either, so only the error itself is left.
    await append(platform, view, (now) => {
      const due = isDeliveryDue(now) && now.delivery?.after === after;
      return due && now.delivery !== null && shouldRecordFailure(now.delivery, message, platform.clock.now())
        ? entry
        : null;
    }).catch(() => undefined);
    throw new BatchctlError(kind, `job ${view.record.job} succeeded, but is not delivered to ${to}: ${message}`, {
      ...(hint !== null && { hint }),
      ...(signIn !== undefined && { signIn }),
      cause: error,
    });
  }
}

/**
 * Delivers a delivered job once more, because files were removed or altered since, and records it. An interrupted one is
 * left to the next call: the journal says that the job is delivered. Of two at once, one continues and the other returns
 * the current view. Throws `refused` for files at the place that no delivery put there.
 */
export async function deliverAgain(platform: Platform, seen: JobView, options: DeliverOptions = {}): Promise<JobView> {
  const view = await refreshView(platform.store, seen);
  const { delivery } = view;
  const to = view.record.deliverTo?.place;
  if (deliveryOf(view)?.state !== 'delivered' || delivery === null || to === undefined) return view;
  const { after } = delivery;
  try {
    const { outputs, bytes } = await deliverOutputs(platform, view, to, options);
    const { view: done } = await append(platform, view, (now) =>
      now.delivery?.after === after ? { what: 'delivered', after, to, outputs, bytes } : null,
    );
    return done;
  } catch (error) {
    if (error instanceof SupersededError && error.by?.job === view.record.job) return refreshView(platform.store, view);
    throw error;
  }
}

const UNEXPECTED = { kind: 'unexpected', hint: undefined, signIn: undefined } as const;

async function deliverOutputs(
  platform: Platform,
  view: JobView,
  to: string,
  { signal, passed }: DeliverOptions,
): Promise<{ readonly outputs: number; readonly bytes: number }> {
  const { store } = platform;
  const { job, spec } = view.record;
  const chosen = chooseStep(view, undefined);
  const step = chosen.step.name;
  const { nameOf, pattern, distinct } = fileNamer(store, view, chosen, spec.deliver?.name);
  const tasks = await listPublished(store, job, step, chosen.total);
  await checkDistinct(pattern, nameOf, tasks);
  const tally = new Tally(tasks.count);
  const source = outputSource(store, view, step);
  await fillPlace({
    place: await openPlace(platform, to, source),
    source,
    tasks,
    nameOf,
    tally,
    signal,
    passed,
    distinct,
    of: manifestHead(view, step),
    marker: spec.deliver?.marker ?? '_SUCCESS',
    mayReplace: (standing) => refuseReplacing(view, to, standing),
    mayReplaceOthers: false,
  });
  return { outputs: tally.now.outputs, bytes: tally.now.bytes };
}

/** A directory is created. Throws `refused` if another user's link leads there. */
export async function openPlace(platform: Platform, to: string, source: OutputSource): Promise<Place> {
  const uri = parseS3Uri(to);
  if (uri === null) {
    refuseForeignLinks(to, `deliver.to ${to}`);
    return DirectoryPlace.open(to, platform, source);
  }
  return new BucketPlace(to, await platform.bucket(uri.bucket), uri.key, source);
}

/** Only a later job of the same name may replace an earlier one's outputs, and only as the job file says. */
function refuseReplacing(view: JobView, to: string, standing: PlaceManifest): BatchctlError | null {
  const { job, spec } = view.record;
  if (standing.name === spec.name && standing.createdAt <= orderOf(view.record)) return null;
  const whose = standing.name === spec.name ? 'a later job' : 'another job';
  return new BatchctlError('refused', `it contains the outputs of ${whose}: ${standing.job}`, {
    hint: `for a bucket, batchctl fetch ${job} -o ${to} --yes replaces them; otherwise choose another target in deliver.to`,
  });
}

const LOOK_MS = 500;

/**
 * Delivers at once for a waiting caller, ignoring the back-off after failures. If another process is delivering, waits
 * for it, unless it shows no sign of life for two leases. Returns the view afterwards; unchanged for a job without a
 * delivery, or one that has not succeeded. Throws as `deliver` does.
 */
export async function deliverNow(platform: Platform, seen: JobView, options: DeliverOptions = {}): Promise<JobView> {
  const { clock, leaseSeconds } = platform;
  let last = { text: '', since: clock.monotonic() };
  let [patience, tried] = [2_000 * leaseSeconds, -1];
  for (let view = seen; ; view = await refreshView(platform.store, view)) {
    if (!isDeliveryDue(view) || view.delivery === null) return view;
    const { after } = view.delivery;
    const mark = await readDueMark(platform, dueMark(view.record.job, after));
    const text = mark?.text ?? '';
    if (text !== last.text) last = { text, since: clock.monotonic() };
    const isFree = tried !== after && mark?.begun !== true;
    if (isFree || clock.monotonic() - last.since >= patience) {
      view = await deliver(platform, view, options);
      if (!isDeliveryDue(view)) return view;
      // Another process has claimed the place since. Each waits longer for the other, so that one of them completes.
      tried = after;
      patience *= 2;
      last = { ...last, since: clock.monotonic() };
    }
    options.signal?.throwIfAborted();
    await wait(LOOK_MS, options.signal);
  }
}

/** Interval between looks of a busy process. */
const BUSY_INTERVAL_MS = 60_000;

/**
 * Deliveries by a watcher, one after another, next to its other work. It starts an unclaimed delivery at its second
 * look, so that a process that follows the job comes first; and one that another process started, once its mark was not
 * renewed for two leases. Usually only one process delivers; of two, the one that came last continues.
 */
export class Deliveries {
  readonly #platform: Platform;
  readonly #signal: AbortSignal;
  readonly #log: { info(line: string): void; warn(line: string): void };
  readonly #passed: OnPlacePoint | undefined;
  readonly #queue = new Map<string, JobView>();
  /** The due marks, as first seen. */
  #seen: ReadonlyMap<string, Sighting>;
  #running: Promise<void> | null = null;
  #current: string | null = null;
  #lookedAt = Number.NEGATIVE_INFINITY;

  /**
   * When `signal` is aborted, a delivery in progress is left to other processes. `passed` is for crash tests. `seen` is
   * the result of `seen()` in an earlier process.
   */
  constructor(
    platform: Platform,
    signal: AbortSignal,
    log: { info(line: string): void; warn(line: string): void },
    passed?: OnPlacePoint,
    seen: ReadonlyMap<string, Sighting> = new Map(),
  ) {
    this.#seen = seen;
    this.#platform = platform;
    this.#signal = signal;
    this.#log = log;
    this.#passed = passed;
  }

  /** A watcher's round. Rounds are rare while it is busy, but regular, so that no job waits for an idle grid. */
  async look(busy: boolean): Promise<void> {
    const now = this.#platform.clock.monotonic();
    if (busy && now - this.#lookedAt < BUSY_INTERVAL_MS) return;
    this.#lookedAt = now;
    await this.round();
  }

  /**
   * Starts due deliveries and takes over unclaimed ones. Returns how many are in progress or soon will be, without
   * those that failed and wait.
   */
  async round(): Promise<number> {
    let left = 0;
    const seen = new Map<string, Sighting>();
    for await (const key of this.#platform.store.keys(DUE_PREFIX)) {
      const mark = parseDueMark(key);
      if (mark !== null && (await this.#consider(key, mark, seen))) left += 1;
    }
    this.#seen = seen;
    return left;
  }

  /** The marks of the last round, for a later process. */
  seen(): ReadonlyMap<string, Sighting> {
    return this.#seen;
  }

  /** Resolves when no delivery is in progress here. Never rejects. */
  async idle(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  /** True for a delivery that is worth waiting for. */
  async #consider(
    key: string,
    { job, after }: { readonly job: string; readonly after: number },
    seen: Map<string, Sighting>,
  ): Promise<boolean> {
    if (job === this.#current || this.#queue.has(job)) return true;
    const { store, clock } = this.#platform;
    try {
      const [mark, view] = await Promise.all([readDueMark(this.#platform, key), readView(store, job)]);
      if (mark === null) return false;
      const due = view !== null && isDeliveryDue(view) && view.delivery?.after === after;
      // Without its close, the mark belongs to the process that is about to write it.
      const over = view === null || (view.next > after && !due);
      const givenUp = view !== null && due && view.delivery !== null && nextTry(view.delivery) === null;
      if (over || givenUp) await store.delete([key]);
      if (view === null || !due || !this.#mayTry(view)) return false;
      const known = this.#seen.get(key);
      const first = known?.is === mark.text ? known : { is: mark.text, since: clock.monotonic() };
      seen.set(key, first);
      const patience = mark.begun ? 2_000 * this.#platform.leaseSeconds : 0;
      if (first === known && clock.monotonic() - first.since >= patience) this.#begin(job, view);
      return true;
    } catch (error) {
      if (isKind(error, 'unavailable', 'full', 'credentials')) throw error;
      this.#warn(job, error);
      return false;
    }
  }

  #mayTry(view: JobView): boolean {
    if (!isDeliverableHere(view) || !isDeliveredByWatchers(this.#platform, view) || view.delivery === null)
      return false;
    const next = nextTry(view.delivery);
    return next !== null && next <= this.#platform.clock.now();
  }

  #begin(job: string, view: JobView): void {
    this.#queue.set(job, view);
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
  }

  async #run(): Promise<void> {
    const signal = this.#signal;
    const options = { signal, passed: this.#passed };
    for (const [job, view] of this.#queue) {
      this.#current = job;
      this.#queue.delete(job);
      try {
        if (signal.aborted) continue;
        const delivery = deliveryOf(await deliver(this.#platform, view, options));
        if (delivery?.state === 'delivered') this.#log.info(`job ${job}: ${deliveryLine(delivery)}`);
      } catch (error) {
        if (!signal.aborted) this.#warn(job, error);
      } finally {
        this.#current = null;
      }
    }
  }

  #warn(job: string, error: unknown): void {
    this.#log.warn(`job ${job}: ${messageOf(error)}`);
  }
}
