import { existsSync } from 'node:fs';
import { bytesChecksum } from '../../lib/file-checksum.ts';
import { eachParallel } from '../../lib/parallel.ts';
import { formatCount, formatMany } from '../../lib/units.ts';
import { deliveryOf } from '../../model/delivery.ts';
import { isS3Uri } from '../../model/s3-uri.ts';
import type { JobView } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { chooseStep } from '../fetch/names.ts';
import { MANIFEST, type Place, type PlaceManifest, parseManifest } from '../fetch/place.ts';
import { outputSource } from '../fetch/verified.ts';
import { isDeliverableHere, openPlace } from './deliver.ts';

/** Files compared at a time. */
const IN_FLIGHT = 16;
/** What a marker contains. */
const EMPTY = { size: 0, checksum: bytesChecksum(new Uint8Array()) };

export interface DeliveryChanges {
  readonly to: string;
  /** When it was delivered, ISO-8601 UTC. */
  readonly when: string;
  /** `2 of 3 files were removed or altered (a.csv, b.csv)` */
  readonly found: string;
}

/**
 * What has changed at a job's place since its outputs were delivered there; null if nothing has, if it was not
 * delivered, or if the place is on another machine. Compares each file's size and checksum; reads nothing of a bucket.
 */
export async function deliveryChanges(
  platform: Platform,
  view: JobView,
  signal: AbortSignal,
): Promise<DeliveryChanges | null> {
  const delivery = deliveryOf(view);
  if (delivery?.state !== 'delivered' || delivery.delivered === null || !isDeliverableHere(view)) return null;
  const { to, when } = delivery.delivered;
  const found = await changedFiles(platform, view, to, signal);
  return found === null ? null : { to, when, found };
}

/** `2 of 3 files were removed or altered (a.csv, b.csv)`; null for none. */
async function changedFiles(
  platform: Platform,
  view: JobView,
  to: string,
  signal: AbortSignal,
): Promise<string | null> {
  // Opening a directory would create it.
  if (!isS3Uri(to) && !existsSync(to)) return 'all of its files were removed';
  const { step } = chooseStep(view, undefined);
  const place = await openPlace(platform, to, outputSource(platform.store, view, step.name));
  const bytes = await place.read(MANIFEST);
  if (bytes === null) return `${MANIFEST} was removed`;
  const manifest = parseManifest(to, bytes);
  // A later job delivers to the same place: this one's files were replaced as its job file says.
  if (manifest.job !== view.record.job) return null;
  return describeChanges(manifest, await changedNames(place, manifest, signal));
}

async function changedNames(place: Place, { files, marker }: PlaceManifest, signal: AbortSignal) {
  const changed: string[] = [];
  await eachParallel(
    files,
    IN_FLIGHT,
    async (file, ends) => {
      if (!(await place.holds(file.name, file, ends))) changed.push(file.name);
    },
    signal,
  );
  if (marker !== undefined && !(await place.holds(marker, EMPTY, signal))) changed.push(marker);
  return changed.sort();
}

/** How many files are named. */
const NAMED = 3;

function describeChanges({ files }: PlaceManifest, changed: readonly string[]): string | null {
  if (changed.length === 0) return null;
  const named = changed.slice(0, NAMED).join(', ');
  const more = changed.length > NAMED ? ', ...' : '';
  const were = changed.length === 1 ? 'was' : 'were';
  return `${formatCount(changed.length)} of ${formatMany(files.length, 'file')} ${were} removed or altered (${named}${more})`;
}
