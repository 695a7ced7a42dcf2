import { formatSize } from '../../lib/units.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { confirm } from '../confirm.ts';
import type { Context } from '../context.ts';
import { formatCount } from '../format.ts';
import { print } from '../render.ts';

export function rmCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<key...>': 'keys as shown by ls; a final / or * matches all keys with that prefix' },
    writes: true,
    output: {
      type: 'object',
      required: ['key', 'size', 'dryRun'],
      properties: {
        key: { type: 'string' },
        size: { type: 'integer' },
        dryRun: { type: 'boolean', description: 'true: it would be removed' },
      },
    },
    help: {
      about:
        'Removes all the given raw data from the store, or nothing if something stands against it. Asks for confirmation; --yes confirms.',
      examples: ['batchctl rm claims/2026-10.csv', 'batchctl rm claims/2026-10/ --yes'],
      exitCodes: [0, [4, 'no such key'], [7, 'an open job reads it, or it was not confirmed']],
      related: ['ls', 'upload', 'prune'],
    },
    run: (input) => rm({ ctx, ...input }),
  });
}

export interface RmOptions {
  readonly ctx: Context;
  readonly key: readonly string[];
}

/** Removes raw data after confirmation. Throws `notFound` and `refused` before anything is removed. */
export async function rm({ ctx, key }: RmOptions): Promise<void> {
  const { findRemovable, removeData } = await import('../../jobs/data/data.ts');
  const { store } = await ctx.platform();
  const entries = await findRemovable(store, key);
  const bytes = entries.reduce((sum, { size }) => sum + size, 0);
  const [only] = entries;
  const what = entries.length === 1 && only !== undefined ? only.key : `${formatCount(entries.length)} objects`;
  await confirm(ctx, `remove ${what} (${formatSize(bytes)}) from ${store.location}?`);
  const { dryRun } = ctx.flags;
  if (!dryRun) await removeData(store, entries);
  if (ctx.flags.json) {
    for (const entry of entries) {
      await print(ctx, `${JSON.stringify({ key: entry.key, size: entry.size, dryRun })}\n`);
    }
  } else await print(ctx, `${dryRun ? 'would remove' : 'removed'} ${what} (${formatSize(bytes)})\n`);
}
