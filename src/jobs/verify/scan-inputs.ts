import { statSync } from 'node:fs';
import { fileChecksum } from '../../lib/file-checksum.ts';
import type { JobInput } from '../../model/job.ts';
import { inputLine } from '../../model/verify/evidence-lines.ts';
import { filePin } from '../split/file-source.ts';
import { pinBroken, versionReader } from '../split/store-source.ts';
import { hashObject } from './hash-object.ts';
import type { Verifying } from './verify-context.ts';

/**
 * Tells the evidence what the inputs are. A deep look also reads them, and says where they are no longer what the job
 * was accepted with. They need not be: the outputs are there.
 */
export async function scanInputs(ctx: Verifying): Promise<void> {
  for (const [n, input] of ctx.view.record.inputs.entries()) {
    ctx.signal?.throwIfAborted();
    const { changed, checksum } = ctx.deep ? await readInput(ctx, input) : UNREAD;
    if (changed !== null)
      ctx.warnings.add('inputChanged', `the input ${input.name} has changed since the job was accepted: ${changed}`);
    ctx.evidence?.input(inputLine(n, input, checksum));
  }
  ctx.evidence?.endInputs();
}

interface InputRead {
  /** In which way it is another one now. */
  readonly changed: string | null;
  /** Of its bytes, if they are still those that the job was accepted with. */
  readonly checksum: string | null;
}

const UNREAD: InputRead = { changed: null, checksum: null };

async function readInput(ctx: Verifying, input: JobInput): Promise<InputRead> {
  const before = await changeOf(ctx, input);
  if (before !== null || input.source.kind === 'pipe') return { changed: before, checksum: null };
  const checksum = await checksumOf(ctx, input);
  const changed = (await changeOf(ctx, input)) ?? differenceOf(input, checksum);
  return { changed, checksum: changed === null ? checksum : null };
}

function differenceOf({ checksum }: JobInput, found: string | null): string | null {
  return checksum === null || checksum === found ? null : `it has ${found} instead of ${checksum}`;
}

async function changeOf(ctx: Verifying, { source }: JobInput): Promise<string | null> {
  switch (source.kind) {
    case 'pipe':
      return null;
    case 'store': {
      const info = await ctx.store.head(source.key);
      if (info === null) return `${source.key} is gone`;
      return info.etag === source.etag ? null : `${source.key} was overwritten`;
    }
    case 's3': {
      const { bucket, key, etag, version } = source;
      return pinBroken(await (await ctx.bucket(bucket)).head(key, version), etag, `s3://${bucket}/${key}`);
    }
    case 'file': {
      const stat = statSync(source.path, { bigint: true, throwIfNoEntry: false });
      if (stat === undefined) return `${source.path} no longer exists`;
      const pin = filePin(stat);
      if (pin.size !== source.pin.size) return `it had ${source.pin.size} bytes, and now has ${pin.size}`;
      if (pin.inode !== source.pin.inode) return 'it was replaced by another file';
      return pin.mtimeNs === source.pin.mtimeNs ? null : 'it was written to';
    }
    default:
      return source satisfies never;
  }
}

async function checksumOf({ store, bucket, signal }: Verifying, { source, size }: JobInput): Promise<string | null> {
  if (source.kind === 'pipe') return null;
  if (source.kind === 'store') return (await hashObject(store, source.key, size, signal))?.checksum ?? null;
  if (source.kind === 's3') {
    const reader = versionReader(await bucket(source.bucket), source.version);
    return (await hashObject(reader, source.key, size, signal))?.checksum ?? null;
  }
  return fileChecksum(source.path, signal === undefined ? { length: size } : { length: size, signal });
}
