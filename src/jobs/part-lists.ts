import { BatchctlError } from '../errors.ts';
import { type Part, parsePart } from '../model/part.ts';
import { type PartedJob, partShards } from '../model/part-shards.ts';
import type { ObjectStore } from '../ports/object-store.ts';

const NEWLINE = 10;

/** All parts of a job, in order; memory holds one shard. Throws `corrupt` if one is missing or is no part. */
export async function* readAllParts(store: Pick<ObjectStore, 'read'>, record: PartedJob): AsyncGenerator<Part> {
  for (const { key } of partShards(record)) {
    const bytes = await store.read(key);
    if (bytes === null) throw damaged(record, `${key} is gone`);
    for (const line of linesOf(bytes)) {
      const part = parsePart(line);
      if (part === null) throw damaged(record, `${key} contains a line that is not a part`);
      yield part;
    }
  }
}

const damaged = ({ job }: PartedJob, found: string): BatchctlError =>
  new BatchctlError('corrupt', found, { hint: `batchctl verify ${job} shows all that is missing or altered` });

/** Lines of a shard, one after the other: as one string, lists of long lines might not fit. */
function* linesOf(bytes: Uint8Array): Generator<string> {
  const decoder = new TextDecoder();
  let from = 0;
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, from)) {
    yield decoder.decode(bytes.subarray(from, at));
    from = at + 1;
  }
}
