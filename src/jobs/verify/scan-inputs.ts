import { statSync } from 'node:fs';
import { fileChecksum } from '../../lib/file-checksum.ts';
import type { JobInput } from '../../model/job.ts';
import { filePin } from '../split/file-pin.ts';
import type { Verifying } from './verify-context.ts';

/** Looks whether the inputs are still what the job was accepted with. They need not be: the outputs are there. */
export async function scanInputs(ctx: Verifying): Promise<void> {
  for (const input of ctx.view.record.inputs) {
    ctx.signal?.throwIfAborted();
    const changed = await changeOf(ctx, input);
    if (changed !== null)
      ctx.warnings.add(
        'inputChanged',
        `the input ${input.name} is no longer what the job was accepted with: ${changed}`,
      );
  }
}

async function changeOf(ctx: Verifying, { source, checksum, size }: JobInput): Promise<string | null> {
  switch (source.kind) {
    case 'pipe':
      return null;
    case 'store': {
      const info = await ctx.store.head(source.key);
      if (info === null) return `${source.key} is gone`;
      return info.etag === source.etag ? null : `${source.key} was written again`;
    }
    case 'file': {
      const stat = statSync(source.path, { bigint: true, throwIfNoEntry: false });
      if (stat === undefined) return `there is no ${source.path} any more`;
      const pin = filePin(stat);
      if (pin.size !== source.pin.size) return `it had ${source.pin.size} bytes, and has ${pin.size}`;
      if (pin.inode !== source.pin.inode) return 'another file has taken its place';
      if (pin.mtimeNs !== source.pin.mtimeNs) return 'it was written to';
      if (checksum === null) return null;
      const options = ctx.signal === undefined ? { length: size } : { length: size, signal: ctx.signal };
      const now = await fileChecksum(source.path, options);
      return now === checksum ? null : `it has ${now} in place of ${checksum}`;
    }
    default:
      return source satisfies never;
  }
}
