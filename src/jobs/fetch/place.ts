import { BatchctlError } from '../../errors.ts';
import { parseStored, type Shape } from '../../lib/json.ts';
import { taskNumber } from '../../model/keys.ts';
import { isSafeRelativePath, type OutputFile } from '../../model/output.ts';

/** The file that records whose outputs are in a place; written after all of them. */
export const MANIFEST = '_manifest.json';
/** The file that is written last. */
export const MARKER = '_SUCCESS';

/** The content of `_manifest.json`. */
export interface PlaceManifest {
  readonly format: 1;
  readonly job: string;
  /** The job's name. */
  readonly name: string;
  readonly step: string;
  readonly round: number;
  /** The journal entry that closed the job: of two deliveries of one job, the higher number is the later one. */
  readonly close: number;
  /** The number of this delivery to the place. */
  readonly generation: number;
  readonly id: string;
  /** The file written last. */
  readonly marker: string;
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

/** The fields that decide whose place it is, and what may be removed. */
const SHAPE: Shape = {
  job: 'text',
  close: 'number',
  generation: 'number',
  id: 'text',
  marker: 'text',
  files: [{ name: 'text' }],
};

/** Throws `refused` for a file of that name that batchctl did not write, or wrote before 0.2.0. */
export function parseManifest(place: string, bytes: Uint8Array): PlaceManifest {
  const at = `${place} ${MANIFEST}`;
  try {
    const manifest = parseStored<PlaceManifest>(at, bytes, { shape: SHAPE });
    // The named files may be removed later, so none may be outside.
    if (manifest.files.every(({ name }) => isSafeRelativePath(name))) return manifest;
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

/** One line per file, so that a diff shows what changed. */
export function manifestBytes({ files, ...head }: PlaceManifest): Uint8Array {
  const lines = files.map((file) => JSON.stringify(file)).join(',\n');
  return Buffer.from(`${JSON.stringify(head).slice(0, -1)},"files":[\n${lines}\n]}\n`);
}

/**
 * The folder for the claims of deliveries in progress or interrupted: `<generation>/claim`, and next to it what that
 * delivery publishes last. Engines that read a whole prefix skip names that begin with an underscore.
 */
export const CLAIMS = '_delivery';
export const CLAIM = 'claim';

/** Prepared when a delivery claims a place, and published at its end. */
export type PreparedFile = 'manifest' | 'marker';

export interface Claim {
  readonly generation: number;
  /** Its manifest: every file that it may have put. */
  readonly bytes: Uint8Array;
}

/** The file to put: the key of the published file in the store, and its size. */
export type PutFile = Pick<OutputFile, 'key' | 'size' | 'checksum'>;

/**
 * A target for outputs, with one file each, a manifest and a marker: a directory, or a prefix of a bucket. One instance
 * is one delivery: after `claim` it writes as that generation until another one shuts it out. From then on each of its
 * writes throws `ShutOutError`, however long it was suspended.
 */
export interface Place {
  /** The place as the user named it. */
  readonly text: string;
  /** True if a request that was in flight when its sender was shut out may still change a file. */
  readonly allowsLateWrites: boolean;
  /** True if nothing exists there. */
  isEmpty(): Promise<boolean>;
  /** The bytes of a small file; null if it doesn't exist. */
  read(name: string): Promise<Uint8Array | null>;
  /** True if something has that name. */
  has(name: string): Promise<boolean>;
  /** True if a file exists with that size and checksum. */
  holds(name: string, file: Pick<OutputFile, 'size' | 'checksum'>, signal: AbortSignal): Promise<boolean>;

  /** The claims, oldest first, including those that were shut out. */
  claims(): Promise<readonly Claim[]>;
  /** Create-if-absent. False: another delivery has that generation. */
  claim(generation: number, manifest: Uint8Array): Promise<boolean>;
  /** Shuts out another delivery. Its claim stays as a record of what it put. */
  shutOut(generation: number): Promise<void>;
  /** Removes the claims from one generation to another, both inclusive. */
  removeClaims(from: number, to: number): Promise<void>;

  /**
   * Puts a task's output there, whole. Returns true if it was already there. `fresh`: nothing can be there, so no check
   * is needed. `before` is called before anything changes. Throws `proof` for an altered output.
   */
  ensure(
    name: string,
    task: number,
    file: PutFile,
    how: { readonly fresh: boolean; readonly before: () => Promise<void>; readonly signal: AbortSignal },
  ): Promise<boolean>;
  /** Throws `refused` if an output of that name would replace an input of its job. */
  refuseInput(name: string): Promise<void>;
  remove(name: string): Promise<void>;
  /** Publishes what was prepared under its name, whole, replacing what is there. */
  publish(draft: PreparedFile, name: string): Promise<void>;
}

export const claimName = (generation: number): string => taskNumber(generation);

/** The generation that a name in `CLAIMS` stands for; null for other files. */
export function generationOf(name: string): number | null {
  const match = /^(\d{9})(?![^./])/.exec(name);
  return match === null ? null : Number(match[1]);
}

/** Another delivery has shut this one out: it can't write any more. */
export class ShutOutError extends Error {}

/**
 * The place belongs to another delivery, which began later or delivers a later state. `by`: that delivery's job; null:
 * the place belongs to no job any more.
 */
export class SupersededError extends BatchctlError {
  readonly by: PlaceManifest | null;

  constructor(place: string, by: PlaceManifest | null) {
    const whose = by === null ? 'its claim was removed' : `job ${by.job} (round ${by.round}) is delivered there`;
    super('refused', `this delivery to ${place} was superseded: ${whose}`, {
      hint: by === null ? 'run the same command again' : `batchctl status ${by.job}`,
    });
    this.by = by;
  }
}
