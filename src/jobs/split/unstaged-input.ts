import { statSync } from 'node:fs';
import { BatchctlError, isKind } from '../../errors.ts';
import type { FilePin, JobInput } from '../../model/job.ts';
import type { Platform } from '../../ports/platform.ts';
import { fileDifference } from './file-source.ts';
import { changedInput } from './split-source.ts';
import { pinDifference, restoredEtag } from './store-source.ts';

/** An input that its command opens where it is, without a copy (`input: url`). */
export interface UnstagedInput {
  /** The absolute path of a file of this machine, or an https: URL of an object. */
  readonly at: string;
  /** What a URL gives away: whoever has it may read the object until it expires. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Throws `changed` unless the input is still the one that the job was accepted with. */
  readonly check: () => Promise<void>;
}

/** The longest validity that S3 signs, seconds (AmazonS3/API, "sigv4-query-string-auth": X-Amz-Expires). */
const LONGEST_URL = 604_800;

/**
 * Where a command reads an input, for `seconds`; compared with its pin first. Throws `changed` for another content, and
 * `jobFile` for an input that has neither a path nor a URL.
 */
export async function unstagedInput(
  input: JobInput,
  { store, bucket: open }: Pick<Platform, 'store' | 'bucket'>,
  seconds: number,
): Promise<UnstagedInput> {
  const { name, source } = input;
  const valid = Math.min(Math.ceil(seconds), LONGEST_URL);
  switch (source.kind) {
    case 'file': {
      const check = async (): Promise<void> => checkFile(name, source.path, source.pin);
      await check();
      return { at: source.path, secrets: {}, check };
    }
    case 'store': {
      const { key } = source;
      let { etag } = source;
      const check = async (): Promise<void> => requireSame(name, pinDifference(await store.head(key), etag, 'it'));
      await check().catch(async (error: unknown) => {
        const restored = isKind(error, 'changed') ? await restoredEtag(store, input) : null;
        if (restored === null) throw error;
        etag = restored;
      });
      return atUrl(name, await store.presign(key, 'get', valid), check);
    }
    case 's3': {
      const { key, etag, version } = source;
      const bucket = await open(source.bucket);
      const check = async (): Promise<void> =>
        requireSame(name, pinDifference(await bucket.head(key, version), etag, 'it'));
      await check();
      return atUrl(name, await bucket.presign(key, valid, version), check);
    }
    case 'pipe':
      return atUrl(name, null, async () => undefined);
    default:
      return source satisfies never;
  }
}

function checkFile(name: string, path: string, pin: FilePin): void {
  const now = statSync(path, { bigint: true, throwIfNoEntry: false });
  requireSame(name, now === undefined ? 'it is gone' : fileDifference(now, pin));
}

function requireSame(name: string, difference: string | null): void {
  if (difference !== null) throw changedInput(name, difference);
}

function atUrl(name: string, url: string | null, check: UnstagedInput['check']): UnstagedInput {
  if (url === null) throw noUrl(name);
  return { at: url, secrets: signedParts(url), check };
}

/** `jobFile`: an input of a step with `input: url` that only batchctl can read. */
export function noUrl(name: string): BatchctlError {
  return new BatchctlError('jobFile', `input: url needs a file, or an object in S3; ${name} is neither`, {
    hint: 'use input: file, which gives the command a copy',
  });
}

/** The query of a signed URL, and its parts as a program may print them. */
function signedParts(url: string): UnstagedInput['secrets'] {
  const { search, searchParams } = new URL(url);
  const [signature = '', token = ''] = ['X-Amz-Signature', 'X-Amz-Security-Token'].map(
    (part) => searchParams.get(part) ?? '',
  );
  // No variable has a name with a blank.
  return {
    'url query': search.slice(1),
    'url signature': signature,
    'url token': token,
    'url word': encodeURIComponent(token),
  };
}
