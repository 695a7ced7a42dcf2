import { BatchctlError } from '../../errors.ts';
import { parseStored } from '../../lib/json.ts';
import { taskNumber } from '../../model/keys.ts';
import { isInside, type OutputFile } from '../../model/output.ts';

/** The file that says whose outputs lie in a place; it is written once all of them are there. */
export const MANIFEST = '_manifest.json';
/** The file that is written last. */
export const MARKER = '_SUCCESS';

/** What `_manifest.json` holds. */
export interface PlaceManifest {
  readonly format: 1;
  readonly job: string;
  /** The job's name. */
  readonly name: string;
  readonly step: string;
  readonly round: number;
  /** The journal entry that closed the job: of two deliveries of one job, the one with the higher is the later. */
  readonly close?: number;
  /** Counts the deliveries to this place, and which one it was. Places of 0.1.0 have neither, nor `marker`. */
  readonly generation?: number;
  readonly id?: string;
  /** The file that was written last. */
  readonly marker?: string;
  /** When the job was submitted, ISO-8601 UTC. */
  readonly createdAt: string;
  readonly outputs: number;
  readonly bytes: number;
  /** In task order. */
  readonly files: readonly PlacedFile[];
}

export interface PlacedFile {
  /** Relative to the place. */
  readonly name: string;
  readonly task: number;
  readonly size: number;
  readonly checksum: string;
}

/** Throws `refused` for a file of that name that isn't one of batchctl's. */
export function parseManifest(place: string, bytes: Uint8Array): PlaceManifest {
  const at = `${place} ${MANIFEST}`;
  try {
    const manifest = parseStored<PlaceManifest>(at, bytes);
    const { job, files } = manifest;
    // Files of these names may be removed.
    const areInside = Array.isArray(files) && files.every(({ name }) => typeof name === 'string' && isInside(name));
    if (typeof job === 'string' && areInside) return manifest;
  } catch (cause) {
    throw foreign(place, cause);
  }
  throw foreign(place, undefined);
}

function foreign(place: string, cause: unknown): BatchctlError {
  return new BatchctlError('refused', `${place} has a ${MANIFEST} that batchctl did not write or can't read`, {
    hint: 'choose another target, or remove that file',
    cause,
  });
}

/** One line a file, so that what changed can be read in a diff. */
export function manifestBytes({ files, ...head }: PlaceManifest): Uint8Array {
  const lines = files.map((file) => JSON.stringify(file)).join(',\n');
  return Buffer.from(`${JSON.stringify(head).slice(0, -1)},"files":[\n${lines}\n]}\n`);
}

/**
 * The folder of a place where deliveries that are under way, or were broken off, have their claims: `<generation>/claim`,
 * and beside it what that delivery publishes last. Engines that read a whole prefix skip names with an underscore.
 */
export const CLAIMS = '_delivery';
export const CLAIM = 'claim';

/** What a delivery prepares as it claims a place, and publishes at its end. */
export type Draft = 'manifest' | 'marker';

/** A delivery that is under way, or was broken off. */
export interface Claim {
  readonly generation: number;
  /** Its manifest: every file that it may have put. */
  readonly bytes: Uint8Array;
}

/** What is put: the published file as it is called in the store, and how large it is. */
export type PutFile = Pick<OutputFile, 'key' | 'size' | 'checksum'>;

/**
 * A place that takes outputs, one file each, with a manifest and a marker: a directory, or a prefix of a bucket. One
 * object is one delivery: after `claim` it writes as that generation, until another one shuts it out. From then on each of
 * its writes throws `ShutOut`, however long it had been stopped.
 */
export interface Place {
  /** As it was named. */
  readonly text: string;
  /** True where a request that was on its way when its sender was shut out may still change a file. */
  readonly late: boolean;
  /** True when nothing at all is there. */
  isEmpty(): Promise<boolean>;
  /** The bytes of a small file; null if it isn't there. */
  read(name: string): Promise<Uint8Array | null>;
  /** True when a file is there with that size and checksum. */
  holds(name: string, file: Pick<OutputFile, 'size' | 'checksum'>, signal: AbortSignal): Promise<boolean>;

  /** The claims, oldest first, also of those that were shut out. */
  claims(): Promise<readonly Claim[]>;
  /** Create-if-absent. False: somebody else has that generation. */
  claim(generation: number, manifest: Uint8Array): Promise<boolean>;
  /** Shuts out another delivery; its claim stays, so that what it put is known. */
  shut(generation: number): Promise<void>;
  /** Removes the claims from one generation to another, both inclusive. */
  forget(from: number, to: number): Promise<void>;

  /**
   * Puts a task's output there, whole, unless it is there already: then answers true. `fresh`: nothing can be there, so
   * that nobody need look. `before` is called before anything changes. Throws `proof` for an altered output.
   */
  ensure(
    name: string,
    task: number,
    file: PutFile,
    how: { readonly fresh: boolean; readonly before: () => Promise<void>; readonly signal: AbortSignal },
  ): Promise<boolean>;
  remove(name: string): Promise<void>;
  /** Makes what was prepared appear under its name, whole, over what is there. */
  publish(draft: Draft, name: string): Promise<void>;
}

/** A claim's name in `CLAIMS`. */
export const claimName = (generation: number): string => taskNumber(generation);

/** The generation that a name in `CLAIMS` is of; null for another file. */
export function generationOf(name: string): number | null {
  const match = /^(\d{9})(?![^./])/.exec(name);
  return match === null ? null : Number(match[1]);
}

/** Another delivery has shut this one out: nothing that it writes counts any more. */
export class ShutOut extends Error {}

/** The place is another delivery's, which began later or delivers what came later. `by`: whose; null: nobody's any more. */
export class Superseded extends BatchctlError {
  readonly by: PlaceManifest | null;

  constructor(place: string, by: PlaceManifest | null) {
    const whose = by === null ? 'its claim was removed' : `job ${by.job} (round ${by.round}) is delivered there`;
    super('refused', `this delivery to ${place} was superseded: ${whose}`, {
      hint: by === null ? 'run the same command again' : `batchctl status ${by.job}`,
    });
    this.by = by;
  }
}
