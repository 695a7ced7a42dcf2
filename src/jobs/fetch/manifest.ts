import { BatchctlError } from '../../errors.ts';
import { parseStored } from '../../lib/json.ts';
import { isInside } from '../../model/output.ts';

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
  return new BatchctlError('refused', `${place} has a ${MANIFEST} that batchctl didn't write, or can't read`, {
    hint: 'name another place, or remove that file',
    cause,
  });
}

/** One line a file, so that what changed can be read in a diff. */
export function manifestBytes({ files, ...head }: PlaceManifest): Uint8Array {
  const lines = files.map((file) => JSON.stringify(file)).join(',\n');
  return Buffer.from(`${JSON.stringify(head).slice(0, -1)},"files":[\n${lines}\n]}\n`);
}
