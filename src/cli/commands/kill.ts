import { taskOfLatest } from '../../verbs/job.ts';
import { tasksKill } from '../../verbs/tasks.ts';
import { setsText } from '../changes-text.ts';
import type { CommandDefinition } from '../command.ts';
import type { Context } from '../context.ts';
import { formatMany } from '../format.ts';
import { answer } from '../render.ts';
import { verbCommand } from '../verb-command.ts';

export function killCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, tasksKill, {
    help: {
      about:
        "Ends a task's running attempt at the next heartbeat of its worker; with --step, those of all running tasks of a step. batchctl cancel ends a whole job.",
      examples: [
        'batchctl kill price/17',
        'batchctl kill last price/17 --fail',
        'batchctl kill last --step price --dry-run',
      ],
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
        const { task, tasks, count, mode } = killed;
        const became = mode === 'fail' ? 'failed for good' : 'returned to the queue';
        const named = task ?? (count === 0 ? 'no running task' : `${formatMany(count, 'task')} (${setsText(tasks)})`);
        return answer(ctx, { json: killed, text: `${named} ${ctx.flags.dryRun ? 'would be ' : ''}${became}` });
      },
    }),
  });
}
