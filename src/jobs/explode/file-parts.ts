import { ahead } from '../../lib/ahead.ts';
import type { FilePart } from '../../model/part.ts';
import { tasksWithout } from '../../model/task-set.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import { verifiedOutput } from '../fetch/verified.ts';

/** An exploding step's outputs, as far as the step after it takes them. */
export interface Explosion {
  readonly store: ObjectStore;
  readonly job: string;
  /** The step that explodes, and how many tasks it has. */
  readonly step: string;
  readonly size: number;
  /** The tasks whose files are not taken. */
  readonly leftOut: string;
}

/** How many outputs are looked up ahead of the one whose files are counted. */
const AHEAD = 16;

/**
 * The parts that an explosion makes: a pure function of the published manifests, in task order and then in file name
 * order, so that whoever derives them derives the same. Memory is that of a few manifests. Throws `proof` for an
 * output that is gone or altered.
 */
export async function* fileParts({ leftOut, size, ...source }: Explosion): AsyncGenerator<FilePart> {
  let n = 0;
  for await (const { task, files } of ahead(tasksWithout(leftOut, size), AHEAD, (t) => verifiedOutput(source, t))) {
    for (const { key, size: bytes, checksum, name } of files) {
      yield { n, kind: 'file', key, size: bytes, checksum, from: `${source.step}/${task}`, name };
      n += 1;
    }
  }
}

/** How many parts an explosion makes. Throws as `fileParts` does. */
export async function countFiles({ leftOut, size, ...source }: Explosion): Promise<number> {
  let count = 0;
  for await (const { files } of ahead(tasksWithout(leftOut, size), AHEAD, (t) => verifiedOutput(source, t))) {
    count += files.length;
  }
  return count;
}
