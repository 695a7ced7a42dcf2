import type { WorkerRow } from '../../jobs/grid/worker-rows.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { groupFlag } from '../group-flag.ts';
import { answerList } from '../render.ts';
import { WORKER_OUTPUT, workerColumns, workerJson } from '../worker-rows.ts';

export function workersCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: {
      '--group <group>': groupFlag('only workers that serve this group'),
      '--all': 'also workers that exited within the last day',
    },
    writes: false,
    output: WORKER_OUTPUT,
    help: {
      about:
        'Lists workers by their heartbeats, and the instances of their groups. "gone?" means that a worker missed four heartbeats without saying that it was leaving, or that its instance is gone. An instance without a worker is booting, or its boot failed; workers logs accepts its id too.',
      examples: ['batchctl workers', 'batchctl workers --group gpu', 'batchctl workers --all --json'],
      exitCodes: [[0, 'also if there are none']],
      related: ['workers logs', 'workers drain', 'workers stop', 'scale'],
    },
    run: (input) => workers({ ctx, ...input }),
  });
}

export interface WorkersOptions {
  readonly ctx: Context;
  readonly group: string | undefined;
  readonly all: boolean;
}

/** Lists workers, and machines without one. */
export async function workers({ ctx, group, all }: WorkersOptions): Promise<void> {
  const { joinWorkers } = await import('../../jobs/grid/worker-rows.ts');
  const { rows, unread } = await joinWorkers(await ctx.platform(), { group, left: all });
  await answerList<WorkerRow>(ctx, {
    rows,
    json: workerJson,
    columns: workerColumns(rows, ctx.clock.now()),
    empty: group === undefined ? 'no workers; start two with batchctl scale 2' : `no workers in group ${group}`,
  });
  for (const { group: name, error } of unread) ctx.warn(`group ${name}: can't list its instances: ${error.message}`);
  const idle = rows.find((row) => row.worker === null && row.state === 'noWorker');
  if (idle?.machine) ctx.notice(`an instance without a worker: batchctl workers logs ${idle.machine.instance}`);
}
