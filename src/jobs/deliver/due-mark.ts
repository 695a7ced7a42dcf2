import { parseStored } from '../../lib/json.ts';
import { dueMark } from '../../model/keys.ts';
import type { JobView } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { Superseded } from '../fetch/place.ts';

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
