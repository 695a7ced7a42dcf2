import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { answer } from '../render.ts';

export function workersDrainCommand(ctx: Context): CommandDefinition {
  return orderCommand(ctx, 'drain', 'The worker takes no more tasks, finishes those it runs, and leaves its group.');
}

export function workersStopCommand(ctx: Context): CommandDefinition {
  return orderCommand(
    ctx,
    'stop',
    'The worker returns its tasks to the queue, which does not count as a failure, and leaves its group.',
  );
}

function orderCommand(ctx: Context, order: 'drain' | 'stop', about: string): CommandDefinition {
  return defineCommand({
    arguments: { '<worker>': "a worker's id or its beginning, or its instance's id, as shown by batchctl workers" },
    writes: true,
    output: {
      type: 'object',
      required: ['worker', 'order', 'dryRun'],
      properties: {
        worker: { type: 'string' },
        order: { enum: ['drain', 'stop'] },
        dryRun: { type: 'boolean', description: 'true: the order would be sent' },
      },
    },
    help: {
      about: `${about} It reads the order at its next heartbeat.`,
      examples: [`batchctl workers ${order} w-3k5m7p2q4r`],
      exitCodes: [
        [0, 'ordered'],
        [4, 'no such worker is running'],
      ],
      related: ['workers', `workers ${order === 'drain' ? 'stop' : 'drain'}`, 'scale'],
    },
    run: (input) => workersOrder({ ctx, order, ...input }),
  });
}

export interface WorkersOrderOptions {
  readonly ctx: Context;
  readonly order: 'drain' | 'stop';
  readonly worker: string;
}

/** Orders a worker to leave. Throws `notFound`. */
export async function workersOrder({ ctx, order, worker }: WorkersOrderOptions): Promise<void> {
  const { findWorker, orderWorker } = await import('../../jobs/grid/workers.ts');
  const platform = await ctx.platform();
  const { dryRun } = ctx.flags;
  const found = dryRun ? await findWorker(platform, worker) : await orderWorker(platform, worker, order);
  await answer(ctx, {
    json: { worker: found.worker, order, dryRun },
    text: `${dryRun ? 'would tell' : 'told'} ${found.worker} to ${order}; it reads the order at its next heartbeat`,
  });
}
