import { createReadStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Context } from './context.ts';
import { print } from './render.ts';

/** A proof's evidence for a caller from elsewhere: made in a file of its own here, and sent once it is sealed. */
export function openSentEvidence(ctx: Context): {
  readonly path: string;
  send(): Promise<void>;
  remove(): void;
} {
  const directory = mkdtempSync(join(tmpdir(), 'batchctl-evidence-'));
  const path = join(directory, 'evidence');
  return {
    path,
    send: async () => {
      for await (const chunk of createReadStream(path)) await print(ctx, chunk as Uint8Array);
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
