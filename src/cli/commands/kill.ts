import { taskOfLatest } from '../../verbs/job.ts';
import { tasksKill } from '../../verbs/tasks.ts';
import type { CommandDefinition } from '../command.ts';
import type { Context } from '../context.ts';
import { answer } from '../render.ts';
import { verbCommand } from '../verb-command.ts';

export function killCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, tasksKill, {
    help: {
      about: "Ends a task's running attempt at the next heartbeat of its worker. batchctl cancel ends a whole job.",
      examples: ['batchctl kill price/17', 'batchctl kill last price/17 --fail'],
      exitCodes: [
        [0, 'requested'],
        [4, 'no such job or task'],
        [7, 'refused: the task is decided, or the job closed'],
      ],
      related: ['tasks', 'cancel', 'retry', 'logs'],
    },
    given: taskOfLatest,
    show: () => ({
      answer: (killed) => {
        const { task, mode } = killed;
        const became = mode === 'fail' ? 'failed for good' : 'returned to the queue';
        return answer(ctx, { json: killed, text: `${task} ${ctx.flags.dryRun ? 'would be ' : ''}${became}` });
      },
    }),
  });
}
