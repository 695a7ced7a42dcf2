import { existsSync } from 'node:fs';
import { bytesChecksum } from '../../lib/file-checksum.ts';
import { eachParallel } from '../../lib/parallel.ts';
import { formatCount, formatMany } from '../../lib/units.ts';
import { deliveryOf } from '../../model/delivery.ts';
import { orderOf } from '../../model/job.ts';
import { isS3Uri } from '../../model/s3-uri.ts';
import type { TaskBits } from '../../model/task-set.ts';
import type { JobView } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { chooseStep, type FileNamer, fileNamer } from '../fetch/names.ts';
import { MANIFEST, MARKER, type Place, type PlacedFile, type PlaceManifest, parseManifest } from '../fetch/place.ts';
import { type OutputSource, outputSource, verifiedOutput } from '../fetch/verified.ts';
import { listPublished } from '../listing.ts';
import { isDeliverableHere, openPlace } from './deliver.ts';

/** Files compared at a time. */
const IN_FLIGHT = 16;
/** The content of a marker. */
const EMPTY = { size: 0, checksum: bytesChecksum(new Uint8Array()) };

export interface DeliveryChanges {
  readonly to: string;
  /** When it was delivered, ISO-8601 UTC. */
  readonly when: string;
  /** `2 of 3 files were removed or altered (a.csv, b.csv)` */
  readonly found: string;
}

/**
 * The changes at a job's place since its outputs were delivered there; null if there are none, if it was not
 * delivered, or if the place is on another machine. Compares the place, and what its manifest says of it, with the job's
 * own outputs: sizes and checksums. Reads nothing of a bucket. Throws as `verifiedOutput` does.
 */
export async function deliveryChanges(
  platform: Platform,
  view: JobView,
  signal: AbortSignal,
): Promise<DeliveryChanges | null> {
  const delivery = deliveryOf(view);
  if (delivery?.state !== 'delivered' || delivery.delivered === null || !isDeliverableHere(view)) return null;
  const { to, when, outputs } = delivery.delivered;
  const found = await changedFiles(platform, view, { to, outputs }, signal);
  return found === null ? null : { to, when, found };
}

/** `2 of 3 files were removed or altered (a.csv, b.csv)`; null for none. `outputs`: how many were delivered. */
async function changedFiles(
  platform: Platform,
  view: JobView,
  { to, outputs }: { readonly to: string; readonly outputs: number },
  signal: AbortSignal,
): Promise<string | null> {
  // Opening a directory would create it.
  if (!isS3Uri(to) && !existsSync(to)) return 'all of its files were removed';
  const chosen = chooseStep(view, undefined);
  const source = outputSource(platform.store, view, chosen.step.name);
  const place = await openPlace(platform, to, source);
  const bytes = await place.read(MANIFEST);
  if (bytes === null) return `${MANIFEST} was removed`;
  const manifest = parseManifest(to, bytes);
  // A later job delivers to the same place: this one's files were replaced as its job file says.
  if (manifest.job !== view.record.job) {
    if (mayBeReplaced(view, manifest)) return null;
    return `its files were replaced by those of job ${manifest.job}`;
  }
  const tasks = await listPublished(platform.store, view.record.job, chosen.step.name, chosen.total);
  const { nameOf } = fileNamer(platform.store, view, chosen, view.record.spec.deliver?.name);
  const files = await ownFiles({ source, nameOf, tasks }, signal);
  // Outputs that came after the delivery were never there.
  const delivered = withoutLate(files, manifest, tasks.count - outputs);
  const marker = view.record.spec.deliver?.marker ?? MARKER;
  const changed = await changedNames(place, { files: delivered, marker }, signal);
  if (!isSameList(delivered, manifest.files)) changed.push(MANIFEST);
  return describeChanges(delivered.length, changed.sort());
}

/** Another job's outputs may stand there: those of a later job of the same name. */
const mayBeReplaced = ({ record }: JobView, { name, createdAt }: PlaceManifest): boolean =>
  name === record.spec.name && createdAt > orderOf(record);

/** The files that the place has according to the job's own record, by task, then name. */
async function ownFiles(
  { source, nameOf, tasks }: { readonly source: OutputSource; readonly nameOf: FileNamer; readonly tasks: TaskBits },
  signal: AbortSignal,
): Promise<readonly PlacedFile[]> {
  const files: PlacedFile[] = [];
  await eachParallel(
    tasks,
    IN_FLIGHT,
    async (task) => {
      for (const { name, size, checksum } of (await verifiedOutput(source, task)).files)
        files.push({ name: await nameOf(task, name), task, size, checksum });
    },
    signal,
  );
  return files.sort(inOrder);
}

const inOrder = (a: PlacedFile, b: PlacedFile): number => a.task - b.task || (a.name < b.name ? -1 : 1);

/** Without the files of up to `late` tasks that the manifest lacks. If it lacks more, lines were removed from it. */
function withoutLate(files: readonly PlacedFile[], manifest: PlaceManifest, late: number): readonly PlacedFile[] {
  const named = new Set(manifest.files.map(({ task }) => task));
  const absent = new Set(files.flatMap(({ task }) => (named.has(task) ? [] : [task])));
  return absent.size <= late ? files.filter(({ task }) => named.has(task)) : files;
}

function isSameList(own: readonly PlacedFile[], listed: readonly PlacedFile[]): boolean {
  if (own.length !== listed.length) return false;
  const sorted = listed.toSorted(inOrder);
  return own.every(({ name, task, size, checksum }, index) => {
    const other = sorted[index];
    return other?.name === name && other.task === task && other.size === size && other.checksum === checksum;
  });
}

async function changedNames(
  place: Place,
  { files, marker }: { readonly files: readonly PlacedFile[]; readonly marker: string },
  signal: AbortSignal,
): Promise<string[]> {
  const changed: string[] = [];
  await eachParallel(
    files,
    IN_FLIGHT,
    async (file, ends) => {
      if (!(await place.holds(file.name, file, ends))) changed.push(file.name);
    },
    signal,
  );
  if (!(await place.holds(marker, EMPTY, signal))) changed.push(marker);
  return changed;
}

/** How many files are named. */
const NAMED = 3;

function describeChanges(files: number, changed: readonly string[]): string | null {
  if (changed.length === 0) return null;
  const named = changed.slice(0, NAMED).join(', ');
  const more = changed.length > NAMED ? ', ...' : '';
  const were = changed.length === 1 ? 'was' : 'were';
  return `${formatCount(changed.length)} of ${formatMany(files, 'file')} ${were} removed or altered (${named}${more})`;
}
