import { BatchctlError } from '../../errors.ts';
import type { JobInput } from '../../model/job.ts';
import { DATA } from '../../model/keys.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import type { AttachedInput } from '../../ports/verbs.ts';
import { dataChecksum, parseDataKey, shownKey } from '../data-key.ts';
import { changedInput } from '../split/split-source.ts';
import { openStoreSource } from '../split/store-source.ts';
import type { LookAtHead } from '../split/text-head.ts';
import type { FoundInput } from './inputs.ts';

/** What a caller from elsewhere put for a path, pattern or directory of its own machine. Throws `usage` where it is nothing. */
export function attachedFor(name: string, attached: readonly AttachedInput[]): readonly AttachedInput[] {
  const found = attached.filter(({ asked }) => asked === name);
  if (found.length > 0) return found;
  throw new BatchctlError('usage', `the input ${name} is a file on the caller's machine, which a manager can't read`, {
    hint: 'store it and refer to it as store:KEY; s3://BUCKET/KEY and job:JOB/STEP are also possible',
  });
}

/** Opens one of them, as it lies in the store. Throws `usage` for another key than data's, `changed` for other bytes than were said. */
export async function openAttached(
  index: number,
  store: ObjectStore,
  { key, name, checksum, size }: AttachedInput,
  look: LookAtHead | null,
): Promise<FoundInput> {
  if (!key.startsWith(DATA)) throw new BatchctlError('usage', `expected an attached input below ${DATA}, found ${key}`);
  const info = await store.head(parseDataKey(shownKey(key)));
  if (info === null) {
    throw new BatchctlError('notFound', `the input ${name} is not in the store, at ${shownKey(key)}`, {
      hint: 'run the same command again to upload it again',
    });
  }
  if (info.size !== size || dataChecksum(info.metadata) !== checksum) {
    throw changedInput(name, `${shownKey(key)} does not contain its bytes`);
  }
  const source = await openStoreSource(index, store, key, name, info, look);
  const { compression, etag } = source;
  return { source, input: { name, size, checksum, compression, source: { kind: 'store', key, etag } } };
}

/** Inputs of a plan that the caller has cut: nothing is read of them. */
export function plannedInputs(inputs: readonly JobInput[]): readonly FoundInput[] {
  return inputs.map((input, index) => {
    const { name, size, compression } = input;
    const stream = (): never => {
      throw new BatchctlError('unexpected', `${name} is only planned: there is nothing to read`);
    };
    const source = { ...{ index, name, size, compression, random: null, stream }, ...NOTHING_OPEN };
    return { source, input };
  });
}

const NOTHING_OPEN = { check: async (): Promise<void> => {}, close: async (): Promise<void> => {} };
