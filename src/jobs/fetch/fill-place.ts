import { BatchctlError } from '../../errors.ts';
import { randomId } from '../../lib/id.ts';
import { eachParallel } from '../../lib/parallel.ts';
import { outKey } from '../../model/keys.ts';
import { type FileNamer, NameRegistry } from './names.ts';
import {
  CLAIMS,
  MANIFEST,
  manifestBytes,
  type Place,
  type PlacedFile,
  type PlaceManifest,
  parseManifest,
  ShutOutError,
  SupersededError,
} from './place.ts';
import { type OutputSource, type Tally, verifiedOutput } from './verified.ts';

/** Outputs put at a time. */
const IN_FLIGHT = 16;
/** How often all files are checked, if a delivery that was shut out may still change one. */
const LOOKS = 5;

/**
 * Each point is passed right after what it names: the files are planned, the place is claimed, earlier deliveries are
 * shut out, a file is put; before the manifest, and the marker, are written; after the marker; the delivery ends.
 */
export type PlacePoint =
  | 'place-plan'
  | 'place-claim'
  | 'place-shut'
  | 'place-file'
  | 'place-manifest'
  | 'place-marker'
  | 'place-marked'
  | 'delivered';

/** Tests stop or kill a delivery here. */
export type OnPlacePoint = (point: PlacePoint) => void | Promise<void>;

export interface FillOptions {
  readonly place: Place;
  readonly source: OutputSource;
  readonly tasks: Iterable<number>;
  readonly nameOf: FileNamer;
  /** True if every task has a distinct name by construction, so names need not be remembered. */
  readonly distinct: boolean;
  readonly tally: Tally;
  readonly signal: AbortSignal | undefined;
  readonly of: Pick<PlaceManifest, 'job' | 'name' | 'step' | 'round' | 'createdAt'> & { readonly close: number };
  /** The file written last. */
  readonly marker: string;
  /** Returns why another job's outputs may not be replaced; null: they may. */
  readonly mayReplace: (standing: PlaceManifest) => BatchctlError | null;
  /** False: files that no delivery put there are not replaced. */
  readonly mayReplaceOthers: boolean;
  /** For crash tests. */
  readonly passed?: OnPlacePoint | undefined;
}

/**
 * Puts each output into a place under its name, removes what earlier deliveries put and this one doesn't contain, then
 * writes the manifest, then the marker. When the marker is visible, so is all of this delivery, and nothing of another.
 * The delivery first claims the place with create-if-absent under the next generation, and shuts out earlier
 * generations (ADR 37). Files with the right size and checksum are kept, so the same call completes an interrupted one.
 * Throws `refused` if another job's outputs, or files of others, are there or are being put, `SupersededError` once a later delivery has begun.
 */
export async function fillPlace(filling: FillOptions): Promise<void> {
  const { place, marker, passed = () => undefined } = filling;
  const planned = await plan(filling);
  const fresh = await place.isEmpty();
  const { generation, manifest, before, brokenOff } = await claimPlace(filling, planned);
  try {
    const earlier = before === null ? brokenOff : [before, ...brokenOff];
    const markers = new Set([marker, ...earlier.map((each) => each.marker)]);
    const unmark = once(async () => {
      for (const each of markers) if ((await place.read(each)) !== null) await place.remove(each);
    });
    // While anything changes, the place must not look complete.
    if (before === null || !isSame(before, manifest)) await unmark();
    await putAll(filling, planned.files, { fresh, unmark });
    if (place.allowsLateWrites && brokenOff.length > 0) await recheckUntilStable(filling, planned.files, unmark);
    await removeLeftovers(filling, earlier, manifest.files, unmark);
    await passed('place-manifest');
    await place.publish('manifest', MANIFEST);
    await passed('place-marker');
    // Publish even if the marker exists: only a delivery that isn't shut out passes this point.
    await place.publish('marker', marker);
    await passed('place-marked');
    await place.removeClaims(0, generation);
  } catch (error) {
    if (error instanceof ShutOutError) throw await explainShutOut(filling, generation);
    throw error;
  }
}

interface Plan {
  readonly outputs: number;
  /** In task order. */
  readonly files: readonly PlannedFile[];
}

interface PlannedFile extends PlacedFile {
  /** The object that contains the bytes; absent if the task's single object holds them. */
  readonly key?: string;
}

async function plan(filling: FillOptions): Promise<Plan> {
  const { place, source, nameOf, distinct, tally, marker } = filling;
  const taken = new NameRegistry();
  const files: PlannedFile[] = [];
  let outputs = 0;
  const one = async (task: number): Promise<void> => {
    const output = await verifiedOutput(source, task);
    for (const file of output.files) {
      const name = await nameOf(task, file.name);
      if (!distinct) taken.claim(name, task);
      await place.refuseInput(name);
      refuseReservedName(name, marker);
      const { size, checksum, key } = file;
      files.push({ name, task, size, checksum, ...(key !== outKey(source.job, source.step, task) && { key }) });
    }
    outputs += 1;
    if (output.files.length === 0) tally.add({ outputs: 1 });
  };
  await eachParallel(filling.tasks, IN_FLIGHT, one, filling.signal);
  return { outputs, files: files.sort((a, b) => a.task - b.task || (a.name < b.name ? -1 : 1)) };
}

interface PlaceClaim {
  readonly generation: number;
  readonly manifest: PlaceManifest;
  /** The last completed delivery to this place; null: none. */
  readonly before: PlaceManifest | null;
  readonly brokenOff: readonly PlaceManifest[];
}

/** Claims the place and shuts out other deliveries. Throws `refused` and `SupersededError` before anything has changed. */
async function claimPlace(filling: FillOptions, planned: Plan): Promise<PlaceClaim> {
  const { place, signal, passed = () => undefined } = filling;
  for (;;) {
    signal?.throwIfAborted();
    const found = await readDeliveries(place);
    refuseConflicts(filling, found.all);
    await refuseFilesOfOthers(filling, planned, found.all);
    const generation = 1 + Math.max(0, ...found.all.map(({ generation: other }) => other));
    const manifest = manifestOf(filling, generation, planned);
    await passed('place-plan');
    if (!(await place.claim(generation, manifestBytes(manifest)))) continue;
    await passed('place-claim');
    // Decide again about deliveries that began meanwhile: only the highest generation writes.
    const { all, delivered, claimed } = await readDeliveries(place);
    const others = all.filter(({ id }) => id !== manifest.id);
    const later = others.findLast((other) => other.generation >= generation);
    if (later !== undefined || others.length === all.length) {
      await place.removeClaims(generation, generation);
      continue;
    }
    const brokenOff = claimed.filter(({ id }) => id !== manifest.id);
    for (const each of brokenOff) await place.shutOut(each.generation);
    await passed('place-shut');
    // One of them may have completed before it was shut out.
    const before = brokenOff.length === 0 ? delivered : (await readDeliveries(place)).delivered;
    return { generation, manifest, before, brokenOff };
  }
}

function manifestOf({ of, marker }: FillOptions, generation: number, planned: Plan): PlaceManifest {
  const files = planned.files.map(({ key: _, ...file }) => file);
  return {
    format: 1,
    ...of,
    generation,
    id: randomId(16),
    marker,
    outputs: planned.outputs,
    bytes: files.reduce((sum, { size }) => sum + size, 0),
    files,
  };
}

async function readDeliveries(place: Place) {
  // Claims first: a delivery that completes meanwhile has written its manifest before its claim is removed.
  const claims = await place.claims();
  const found = await place.read(MANIFEST);
  const delivered = found === null ? null : parseManifest(place.text, found);
  const claimed = claims.map(({ generation, bytes }) => ({ ...parseManifest(place.text, bytes), generation }));
  return { delivered, claimed, all: delivered === null ? claimed : [delivered, ...claimed] };
}

const isSameJobStep = (other: PlaceManifest, of: FillOptions['of']): boolean =>
  other.job === of.job && other.step === of.step;

function refuseConflicts(filling: FillOptions, standing: readonly PlaceManifest[]): void {
  const { place, of, mayReplace } = filling;
  for (const other of standing) {
    if (!isSameJobStep(other, of)) {
      const refusal = mayReplace(other);
      if (refusal !== null) throw refusal;
    } else if (other.round > of.round || other.close > of.close) {
      throw new SupersededError(place.text, other);
    }
  }
}

/**
 * Throws `refused` if a name is taken by a file that no delivery put there, unless it has the very bytes of the output.
 * A place without such files is compared by names alone.
 */
async function refuseFilesOfOthers(
  { place, marker, mayReplaceOthers, signal = new AbortController().signal }: FillOptions,
  { files }: Plan,
  earlier: readonly PlaceManifest[],
): Promise<void> {
  if (mayReplaceOthers || (await place.isEmpty())) return;
  const known = new Set(earlier.flatMap((each) => [...each.files.map(({ name }) => name), each.marker]));
  const refuse = (name: string): never => {
    throw new BatchctlError('refused', `${place.text} has ${name}, which no delivery put there`, {
      hint: 'move it away or choose another target; fetch replaces it with --yes',
    });
  };
  if (!known.has(marker) && (await place.has(marker))) refuse(marker);
  const others = files.filter(({ name }) => !known.has(name));
  await eachParallel(
    others,
    IN_FLIGHT,
    async (file, ends) => {
      if ((await place.has(file.name)) && !(await place.holds(file.name, file, ends))) refuse(file.name);
    },
    signal,
  );
}

async function explainShutOut(filling: FillOptions, generation: number): Promise<BatchctlError> {
  const { place, of, mayReplace } = filling;
  const by = (await readDeliveries(place)).all.findLast((other) => other.generation > generation) ?? null;
  const refusal = by === null || isSameJobStep(by, of) ? null : mayReplace(by);
  return refusal ?? new SupersededError(place.text, by);
}

function isSame(before: PlaceManifest, now: PlaceManifest): boolean {
  if (before.job !== now.job || before.step !== now.step || before.round !== now.round) return false;
  if (before.marker !== now.marker) return false;
  if (before.files.length !== now.files.length) return false;
  return before.files.every((file, index) => JSON.stringify(file) === JSON.stringify(now.files[index]));
}

async function putAll(
  { place, source, tally, signal, passed = () => undefined }: FillOptions,
  planned: readonly PlannedFile[],
  { fresh, unmark, again = false }: { fresh: boolean; unmark: () => Promise<void>; again?: boolean },
): Promise<number> {
  let put = 0;
  const one = async (files: readonly PlannedFile[], ends: AbortSignal): Promise<void> => {
    let kept = true;
    for (const { name, task, size, checksum, key = outKey(source.job, source.step, task) } of files) {
      const how = { fresh, before: unmark, signal: ends };
      if (!(await place.ensure(name, task, { key, size, checksum }, how))) {
        kept = false;
        put += 1;
        await passed('place-file');
      }
      if (!again) tally.add({ bytes: size });
    }
    if (!again) tally.add({ outputs: 1, kept: kept ? 1 : 0 });
  };
  await eachParallel(byTask(planned), IN_FLIGHT, one, signal);
  return put;
}

function* byTask(planned: readonly PlannedFile[]): Generator<readonly PlannedFile[]> {
  for (let from = 0, to = 0; from < planned.length; from = to) {
    const task = planned[from]?.task;
    while (planned[to]?.task === task && to < planned.length) to += 1;
    yield planned.slice(from, to);
  }
}

/** Checks again until no file changes any more. */
async function recheckUntilStable(
  filling: FillOptions,
  planned: readonly PlannedFile[],
  unmark: () => Promise<void>,
): Promise<void> {
  for (let looks = 1; looks <= LOOKS; looks += 1) {
    if ((await putAll(filling, planned, { fresh: false, unmark, again: true })) === 0) return;
  }
  throw new BatchctlError('unavailable', `another process keeps changing the files in ${filling.place.text}`, {
    hint: 'end that process or choose another target, then run the same command again',
  });
}

/**
 * Removes leftovers of earlier deliveries, so that a reader of the whole place finds only this job's outputs. Keeps
 * what others have written since.
 */
async function removeLeftovers(
  { place, signal = new AbortController().signal }: FillOptions,
  earlier: readonly PlaceManifest[],
  now: readonly PlacedFile[],
  unmark: () => Promise<void>,
): Promise<void> {
  if (earlier.length === 0) return;
  const names = new Set(now.map(({ name }) => name));
  const left = earlier.flatMap(({ files }) => files).filter(({ name }) => !names.has(name));
  await eachParallel(
    left,
    IN_FLIGHT,
    async (file, ends) => {
      if (!(await place.holds(file.name, file, ends))) return;
      await unmark();
      await place.remove(file.name);
    },
    signal,
  );
}

function refuseReservedName(name: string, marker: string): void {
  const isOwn = name === MANIFEST || name === marker || name === CLAIMS || name.startsWith(`${CLAIMS}/`);
  if (!isOwn) return;
  throw new BatchctlError('usage', `an output would be named ${name}, which is reserved for batchctl`, {
    hint: 'use other names for outputs, such as out-{task}',
  });
}

function once(act: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | null = null;
  return () => {
    done ??= act();
    return done;
  };
}
