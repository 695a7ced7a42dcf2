import { formatDuration } from '../../lib/units.ts';
import type { ListedQueue, Redriven } from '../../model/answers/queue.ts';
import { queue, queuePurge, queueRedrive } from '../../verbs/queue.ts';
import type { CommandDefinition } from '../command.ts';
import type { Context } from '../context.ts';
import { formatCount } from '../format.ts';
import { answer, answerList, print } from '../render.ts';
import { verbCommand } from '../verb-command.ts';

const COUNTS = ['visible', 'leased', 'delayed', 'dead'] as const;

export function queueCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, queue, {
    help: {
      about: 'Counts are samples: an empty queue does not mean that a job is done. See batchctl status for that.',
      examples: ['batchctl queue', 'batchctl queue --group gpu --json'],
      exitCodes: [0],
      related: ['queue redrive', 'queue purge', 'scale', 'status'],
    },
    show: () => ({
      answer: (rows) =>
        answerList<ListedQueue>(ctx, {
          rows,
          json: (row) => row,
          columns: [
            { title: 'group', value: ({ group }) => group, whole: true },
            ...COUNTS.map((count) => ({
              title: count,
              value: (row: ListedQueue) => formatCount(row[count]),
              align: 'right' as const,
            })),
            { title: 'oldest', value: ({ oldest }) => (oldest === null ? '-' : formatDuration(oldest)) },
          ],
          empty: 'no queues',
        }),
    }),
  });
}

export function queueRedriveCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, queueRedrive, {
    help: {
      about:
        'Sends dead letters back unchanged. If the task failed for good, it is retried in a new round, as with batchctl retry.',
      examples: ['batchctl queue redrive', 'batchctl queue redrive --job claims-20261130-1830-k3m5p --task price/12'],
      exitCodes: [
        [0, 'done; also if there are no dead letters'],
        [4, 'no such job or task'],
      ],
      related: ['queue', 'retry', 'failures'],
    },
    show: () => ({
      async answer(groups) {
        for await (const redriven of groups) await showRedriven(ctx, redriven);
      },
    }),
  });
}

async function showRedriven(ctx: Context, redriven: Redriven): Promise<void> {
  const { group, sent, retried, left, dryRun } = redriven;
  const lines = [`group ${group}: ${dryRun ? 'would send' : 'sent'} ${counted(sent, 'dead letter')} back`];
  for (const { job, round, tasks } of retried) {
    const asked = round === null ? 'would retry' : `round ${round} retries`;
    lines.push(`${job}: ${asked} ${counted(tasks.length, 'task')} that failed for good`);
  }
  await print(ctx, `${ctx.flags.json ? JSON.stringify(redriven) : lines.join('\n')}\n`);
  for (const { job, tasks, why } of left) {
    ctx.warn(`${counted(tasks.length, 'dead letter')} of ${job} left: ${why}`);
  }
}

function counted(count: number, what: string): string {
  return `${formatCount(count)} ${what}${count === 1 ? '' : 's'}`;
}

export function queuePurgeCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, queuePurge, {
    help: {
      about:
        "Deletes waiting messages, but not those held by workers, nor dead letters. No task is lost: resume, a manager or tick re-sends the undecided tasks of open jobs. To end a job's work, cancel it.",
      examples: [
        'batchctl queue purge --confirm default',
        'batchctl queue purge --group gpu --job claims-20261130-1830-k3m5p --confirm gpu',
      ],
      exitCodes: [0, [4, 'no such job'], [7, "--confirm is not the group's name, or the profile is protected"]],
      related: ['queue', 'cancel', 'pause', 'resume'],
    },
    show: () => {
      let waiting = 0;
      return {
        event: ({ messages }) => {
          waiting = messages;
        },
        async answer(done) {
          const { group, job, purged, dryRun } = done;
          const count = purged === null ? '' : `${formatCount(purged)} `;
          const whose = job === null ? '' : ` of ${job}`;
          await answer(ctx, {
            json: done,
            text: dryRun
              ? `group ${group}: would delete messages${whose} among the ${formatCount(waiting)} waiting`
              : `group ${group}: deleted ${count}waiting message${purged === 1 ? '' : 's'}${whose}`,
          });
          ctx.notice('undecided tasks of open jobs will be re-sent by batchctl resume, a manager or batchctl tick');
        },
      };
    },
  });
}
