import { BatchctlError } from '../../errors.ts';
import { eachParallel } from '../../lib/each-parallel.ts';
import { MANIFEST, manifestBytes, type PlacedFile, type PlaceManifest, parseManifest } from './manifest.ts';
import { claim, type FileNamer } from './names.ts';
import type { Place } from './place.ts';
import type { Tally } from './tally.ts';
import { type OutputSource, verifiedOutput } from './verified.ts';

/** Outputs that are put at a time. */
const IN_FLIGHT = 16;

/** Passed right after what it names: a file put; before the manifest, and the marker, are written; a delivery's end. */
export type PlacePoint = 'place-file' | 'place-manifest' | 'place-marker' | 'delivered';

export interface Filling {
  readonly place: Place;
  readonly source: OutputSource;
  readonly tasks: Iterable<number>;
  readonly nameOf: FileNamer;
  /** True where names alone tell tasks apart, so that none need be remembered. */
  readonly distinct: boolean;
  readonly tally: Tally;
  readonly signal: AbortSignal | undefined;
  /** Whose outputs these are. */
  readonly of: Pick<PlaceManifest, 'job' | 'name' | 'step' | 'round' | 'createdAt'>;
  /** The file that is written last. */
  readonly marker: string;
  /** Why another job's outputs may not be replaced; null: they may. */
  readonly mayReplace: (standing: PlaceManifest) => BatchctlError | null;
  /** For crash tests. */
  readonly passed?: ((point: PlacePoint) => void) | undefined;
}

/**
 * Puts each output into a place under its name; then takes away what an earlier manifest names and this one doesn't, then
 * writes the manifest, then the marker. Whoever sees the marker sees all of it. What is there with the right size and
 * checksum is kept, so the same call again finishes what was broken off. Throws `refused` where another job's outputs lie.
 */
export async function fillPlace(filling: Filling): Promise<void> {
  const { place, of, marker, passed = () => undefined } = filling;
  const found = await place.read(MANIFEST);
  const before = found === null ? null : parseManifest(place.text, found);
  const isOurs = before?.job === of.job && before.step === of.step;
  const refusal = before === null || isOurs ? null : filling.mayReplace(before);
  if (refusal !== null) throw refusal;
  const unmark = once(async () => {
    if ((await place.read(marker)) !== null) await place.remove(marker);
  });
  // While anything is put, nobody may take the place for whole.
  if (!isOurs || before.round !== of.round) await unmark();
  const files = await putAll(filling, unmark);
  const manifest: PlaceManifest = {
    ...{ format: 1, ...of, outputs: filling.tally.now.outputs },
    ...{ bytes: files.reduce((sum, { size }) => sum + size, 0), files },
  };
  const bytes = manifestBytes(manifest);
  if (found === null || Buffer.compare(found, bytes) !== 0) {
    await unmark();
    await removeLeft(filling, before, files);
    passed('place-manifest');
    await place.write(MANIFEST, bytes);
  }
  passed('place-marker');
  if ((await place.read(marker)) === null) await place.write(marker, new Uint8Array());
}

async function putAll(filling: Filling, unmark: () => Promise<void>): Promise<readonly PlacedFile[]> {
  const { place, source, nameOf, distinct, tally, marker, passed = () => undefined } = filling;
  const taken = new Map<string, number>();
  const placed: PlacedFile[] = [];
  const fresh = await place.isEmpty(); // then nobody needs to look for each file
  const one = async (task: number, signal: AbortSignal): Promise<void> => {
    const output = await verifiedOutput(source, task);
    let kept = output.files.length > 0;
    for (const file of output.files) {
      const name = await nameOf(task, file.name);
      if (!distinct) claim(taken, name, task);
      refuseOwnNames(name, marker);
      if (fresh || !(await place.holds(name, file, signal))) {
        kept = false;
        await unmark();
        await place.put(name, task, file, signal);
        passed('place-file');
      }
      placed.push({ name, task, size: file.size, checksum: file.checksum });
      tally.add({ bytes: file.size });
    }
    tally.add({ outputs: 1, kept: kept ? 1 : 0 });
  };
  await eachParallel(filling.tasks, IN_FLIGHT, one, filling.signal);
  return placed.sort((a, b) => a.task - b.task || (a.name < b.name ? -1 : 1));
}

/** Whoever reads all that lies in the place must find this job's outputs alone. What someone else has written since stays. */
async function removeLeft(
  { place, signal = new AbortController().signal }: Filling,
  before: PlaceManifest | null,
  now: readonly PlacedFile[],
): Promise<void> {
  if (before === null) return;
  const names = new Set(now.map(({ name }) => name));
  const left = before.files.filter(({ name }) => !names.has(name));
  await eachParallel(
    left,
    IN_FLIGHT,
    async (file, ends) => {
      if (await place.holds(file.name, file, ends)) await place.remove(file.name);
    },
    signal,
  );
}

function refuseOwnNames(name: string, marker: string): void {
  if (name !== MANIFEST && name !== marker) return;
  throw new BatchctlError('usage', `an output would be named ${name}, as batchctl names its own file there`, {
    hint: 'give outputs other names: out-{task}',
  });
}

function once(act: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | null = null;
  return () => {
    done ??= act();
    return done;
  };
}
