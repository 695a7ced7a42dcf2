import { hostname } from 'node:os';
import { BatchctlError, isOurs } from '../../errors.ts';
import { parseStored } from '../../lib/json.ts';
import { wait } from '../../lib/wait.ts';
import { isDeliveryDue, isNews } from '../../model/delivery.ts';
import { dueMark } from '../../model/keys.ts';
import { parseS3Uri } from '../../model/s3-uri.ts';
import type { JobView } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { BucketPlace } from '../fetch/bucket-place.ts';
import { chooseStep } from '../fetch/choose.ts';
import { DirectoryPlace } from '../fetch/directory-place.ts';
import { manifestHead } from '../fetch/fetch.ts';
import { fillPlace, type PlacePassed } from '../fetch/fill-place.ts';
import { checkDistinct, fileNamer } from '../fetch/names.ts';
import { type Place, type PlaceManifest, Superseded } from '../fetch/place.ts';
import { Tally } from '../fetch/tally.ts';
import { type OutputSource, outputSource } from '../fetch/verified.ts';
import { append, refreshView } from '../journal.ts';
import { listPublished } from '../listing.ts';

/** What a mark of a due delivery says. */
interface DueMark {
  readonly format: 1;
  readonly who: string;
  /** True while `who` delivers, and puts the mark again and again. */
  readonly begun: boolean;
}

/**
 * Marks that a delivery is due once the journal's entry `after` has closed the job: put before that entry, so that
 * onlookers find what a killed one left. Each put makes another object of it, by which others see that somebody is at it.
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

/** The mark as it is, with an entity tag that changes with each touch; null if it isn't there. */
export async function readDueMark(
  { store }: Pick<Platform, 'store'>,
  key: string,
): Promise<{ readonly begun: boolean; readonly text: string } | null> {
  const bytes = await store.read(key);
  if (bytes === null) return null;
  return { begun: parseStored<DueMark>(key, bytes).begun, text: Buffer.from(bytes).toString() };
}

/** True for a job whose success brings a delivery that onlookers look after. */
export function marksDelivery({ remote }: Pick<Platform, 'remote'>, view: JobView): boolean {
  const { deliverTo = null } = view.record;
  // A directory is that of one machine: workers elsewhere can't write there.
  return deliverTo !== null && (deliverTo.host === null || remote !== true);
}

/** Touches the mark for as long as `work` takes; afterwards it says that nobody is at it. */
export async function whileMarked<T>(
  platform: Pick<Platform, 'store' | 'clock' | 'who' | 'leaseSeconds' | 'remote'>,
  view: JobView,
  after: number,
  work: () => Promise<T>,
): Promise<T> {
  if (!marksDelivery(platform, view)) return work();
  await putDueMark(platform, view, after, true);
  const touching = setInterval(
    () => {
      // One that can't be touched may bring a second deliverer, which shuts this one out.
      putDueMark(platform, view, after, true).catch(() => undefined);
    },
    (platform.leaseSeconds * 1_000) / 2,
  );
  try {
    return await work();
  } catch (error) {
    // Whoever shut this one out delivers now.
    if (!(error instanceof Superseded)) await putDueMark(platform, view, after, false).catch(() => undefined);
    throw error;
  } finally {
    clearInterval(touching);
  }
}

export interface DeliverOptions {
  readonly signal?: AbortSignal;
  /** For crash tests. */
  readonly passed?: PlacePassed;
}

/**
 * True where this process may put a job's outputs: a bucket can be reached from anywhere, a directory is that of the
 * machine which submitted the job.
 */
export function deliversHere(view: JobView): boolean {
  const host = view.record.deliverTo?.host ?? null;
  return host === null || host === hostname();
}

/**
 * Delivers the outputs of a job that succeeded, unless that is done, and says so in its journal. What is there and right
 * is kept, so whoever comes after a crash finishes it. Of two at once the one that claims the place last goes on, and the
 * other answers the view as it is then. Throws what went wrong, and notes it in the journal too: for `status`, `why`, and
 * for onlookers, who wait before they try again.
 */
export async function deliver(platform: Platform, seen: JobView, options: DeliverOptions = {}): Promise<JobView> {
  const view = await refreshView(platform.store, seen);
  const { delivery } = view;
  const to = view.record.deliverTo?.place;
  if (!isDeliveryDue(view) || delivery === null || to === undefined) return view;
  const { after } = delivery;
  const by = () => ({ who: platform.who, now: platform.clock.now() });
  try {
    const { outputs, bytes } = await whileMarked(platform, view, after, () => place(platform, view, to, options));
    await options.passed?.('delivered');
    const { view: done } = await append(platform.store, view, by(), (now) =>
      isDeliveryDue(now) && now.delivery?.after === after ? { what: 'delivered', after, to, outputs, bytes } : null,
    );
    await platform.store.delete([dueMark(view.record.job, after)]);
    return done;
  } catch (error) {
    if (options.signal?.aborted === true || !(error instanceof Error)) throw error;
    if (error instanceof Superseded && error.by?.job === view.record.job) return refreshView(platform.store, view);
    const { kind, hint = null, signIn } = isOurs(error) ? error : UNEXPECTED;
    const { message } = error;
    const entry = { what: 'undelivered', after, to, kind, message, hint } as const;
    // A store that is away takes no entry either: then the error itself is all there is.
    await append(platform.store, view, by(), (now) => {
      const due = isDeliveryDue(now) && now.delivery?.after === after;
      return due && now.delivery !== null && isNews(now.delivery, message, platform.clock.now()) ? entry : null;
    }).catch(() => undefined);
    throw new BatchctlError(kind, `job ${view.record.job} succeeded, but is not delivered to ${to}: ${message}`, {
      ...(hint !== null && { hint }),
      ...(signIn !== undefined && { signIn }),
      cause: error,
    });
  }
}

const UNEXPECTED = { kind: 'unexpected', hint: undefined, signIn: undefined } as const;

async function place(
  platform: Platform,
  view: JobView,
  to: string,
  { signal, passed }: DeliverOptions,
): Promise<{ readonly outputs: number; readonly bytes: number }> {
  const { store } = platform;
  const { job, spec } = view.record;
  const chosen = chooseStep(view, undefined);
  const step = chosen.step.name;
  const { nameOf, pattern } = fileNamer(store, view, chosen, spec.deliver?.name);
  const tasks = await listPublished(store, job, step, chosen.total);
  await checkDistinct(pattern, nameOf, tasks);
  const tally = new Tally(tasks.count);
  const source = outputSource(store, view, step);
  await fillPlace({
    place: await openPlace(platform, to, source),
    ...{ source, tasks, nameOf, tally, signal, passed },
    distinct: pattern.includes('{task}') || chosen.total <= 1,
    of: manifestHead(view, step),
    marker: spec.deliver?.marker ?? '_SUCCESS',
    mayReplace: (standing) => refuseReplacing(view, to, standing),
  });
  return { outputs: tally.now.outputs, bytes: tally.now.bytes };
}

async function openPlace(platform: Platform, to: string, source: OutputSource): Promise<Place> {
  const uri = parseS3Uri(to);
  if (uri === null) return DirectoryPlace.open(to, platform, source);
  return new BucketPlace(to, await platform.bucket(uri.bucket), uri.key, source);
}

/** A later job of the same name takes the place of an earlier one's outputs, as the job file says it: nothing else does. */
function refuseReplacing(view: JobView, to: string, standing: PlaceManifest): BatchctlError | null {
  const { job, spec, createdAt } = view.record;
  if (standing.name === spec.name && standing.createdAt <= createdAt) return null;
  const whose = standing.name === spec.name ? 'a later job' : 'another job';
  return new BatchctlError('refused', `it contains the outputs of ${whose}: ${standing.job}`, {
    hint: `for a bucket, batchctl fetch ${job} -o ${to} --yes replaces them; otherwise choose another target in deliver.to`,
  });
}

const LOOK_MS = 500;

/**
 * Delivers a job for a person who waits for it: at once, whatever failed before; where another process is at it, that one
 * is waited for, unless it shows no sign of life for two leases. Answers the view after it; of a job that delivers
 * nothing, or has not succeeded, as it was. Throws as `deliver` does.
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
      // Another process has claimed the place since. Each waits longer for the other, so that one of them gets to the end.
      tried = after;
      patience *= 2;
      last = { ...last, since: clock.monotonic() };
    }
    options.signal?.throwIfAborted();
    await wait(LOOK_MS, options.signal);
  }
}
