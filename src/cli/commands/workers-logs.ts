import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { answer } from '../render.ts';

export function workersLogsCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: {
      '<worker>': "a worker's id or its beginning, or an instance's id, as shown by batchctl workers --all",
    },
    writes: false,
    output: {
      type: 'object',
      required: ['worker', 'boot', 'log'],
      properties: {
        worker: { type: 'string' },
        boot: { type: ['string', 'null'], description: 'output of its start or crash' },
        log: { type: ['string', 'null'], description: 'its last lines, as of its last heartbeat' },
      },
    },
    help: {
      about:
        "Prints a worker's log and boot log, also after it has exited. For an instance without a worker, prints the boot output. For the output of tasks, use batchctl logs.",
      examples: ['batchctl workers logs w-3k5m7p2q4r'],
      exitCodes: [0, [4, 'no such worker, or it has no log yet']],
      related: ['workers', 'logs'],
    },
    run: (input) => workersLogs({ ctx, ...input }),
  });
}

export interface WorkersLogsOptions {
  readonly ctx: Context;
  readonly worker: string;
}

/** Prints a worker's logs. Throws `notFound`. */
export async function workersLogs({ ctx, worker }: WorkersLogsOptions): Promise<void> {
  const { readWorkerLogs } = await import('../../jobs/grid/workers.ts');
  const logs = await readWorkerLogs(await ctx.platform(), worker);
  const { boot, log } = logs;
  await answer(ctx, { json: logs, text: boot === null ? (log ?? '') : `${log ?? ''}--- boot.log ---\n${boot}` });
}
