import { runManager } from '../../manager/manager.ts';
import { openVerbRunner } from '../api/run-verb.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { requireSaidProfile } from '../said-profile.ts';

export function managerCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: { '--listen <address>': 'where it is reached: HOST:PORT (127.0.0.1:8787)' },
    writes: true,
    output: null,
    help: {
      about: 'The job manager as a service.',
      examples: ['batchctl manager', 'batchctl manager --listen 127.0.0.1:8787'],
      exitCodes: [[0, 'told to leave'], 8],
      related: ['tick', 'schedule add', 'worker'],
    },
    run: (input) => manager({ ctx, ...input }),
  });
}

export interface ManagerCommandOptions {
  readonly ctx: Context;
  readonly listen: string | undefined;
}

/** Serves until it is told to leave. */
export async function manager({ ctx, listen = '127.0.0.1:8787' }: ManagerCommandOptions): Promise<void> {
  await requireSaidProfile(ctx);
  const [config, platform] = [await ctx.config(), await ctx.platform()];
  const at = listen.lastIndexOf(':');
  await runManager({
    ...{ platform, verbs: await openVerbRunner(ctx, config, platform), signal: ctx.signal },
    listen: { host: listen.slice(0, at), port: Number(listen.slice(at + 1)) },
    onListening: (address) => ctx.notice(`manager at ${address}`),
  });
}
