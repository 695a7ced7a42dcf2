import { hostname } from 'node:os';
import { BatchctlError, isOurs } from '../../errors.ts';
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
import type { PlaceManifest } from '../fetch/manifest.ts';
import { checkDistinct, fileNamer } from '../fetch/names.ts';
import { type Place, Superseded } from '../fetch/place.ts';
import { Tally } from '../fetch/tally.ts';
import type { OutputSource } from '../fetch/verified.ts';
import { append, refreshView } from '../journal.ts';
import { listPublished } from '../listing.ts';
import { whileMarked } from './due-mark.ts';

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
  const source = { store, job, step };
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
  return new BatchctlError('refused', `the outputs of ${whose} are there: ${standing.job}`, {
    hint: `batchctl fetch ${job} -o ${to} --yes replaces them, if it is a bucket; or name another place in deliver.to`,
  });
}
