import { formatDuration, formatSize } from '../../lib/units.ts';
import type { AdjustAnswer, ResumeAnswer, RetryAnswer, SkipAnswer } from '../../model/answers/changes.ts';
import { stateText } from '../../model/job-state.ts';
import type { TaskSets } from '../../model/journal.ts';
import type { Change } from '../../model/overrides.ts';
import { adjust, cancel, pause, resume, retry, skip } from '../../verbs/changes.ts';
import { taskOfLatest } from '../../verbs/job.ts';
import { tasksKill } from '../../verbs/tasks.ts';
import type { CommandDefinition } from '../command.ts';
import type { Context } from '../context.ts';
import { formatInstant, formatMany } from '../format.ts';
import { asText, showBeforeRaised } from '../print-notices.ts';
import { printAnswer, renderTable } from '../render.ts';
import { verbCommand } from '../verb-command.ts';

export function retryCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, retry, {
    help: {
      about:
        'Retries tasks that failed for good: all of them, those given by --task, those of a cause, or those of a step. If every failed task has since been published, the job simply continues. Changes apply to these tasks and to the tasks that depend on them; published outputs stay unchanged. A job that a control total failed is judged again if the corrected file has other ones. --dry-run shows everything that would change.',
      examples: [
        'batchctl retry',
        'batchctl retry last --cause k3f --with job.yaml --canary 2',
        'batchctl retry last --canary 2 --timeout 30m --dry-run',
        'batchctl retry last --task price/17 --set region=US',
      ],
      exitCodes: {
        0: 'retried, or nothing had failed',
        3: 'the corrected job file is invalid',
        4: 'no such job, task or cause',
        7: 'refused: the job was cancelled, the task did not fail, a gather already opened without it, nothing failed that would run with the change, or the job file belongs to another job',
      },
      related: ['failures', 'skip', 'tasks', 'logs', 'resume', 'status'],
    },
    show: () => showBeforeRaised(ctx, (retried) => showRetried(ctx, retried)),
  });
}

async function showRetried(ctx: Context, retried: RetryAnswer): Promise<void> {
  const { job, state, round, leftOut } = retried;
  await printAnswer(ctx, { json: retried, text: () => retriedText(ctx, retried) });
  if (Object.keys(leftOut).length > 0) ctx.warn(`too late for ${setsText(leftOut)}: a gather has opened without them`);
  if (round !== null && state === 'paused') ctx.notice(`the job is paused; batchctl resume ${job} sends them`);
}

async function retriedText(
  ctx: Context,
  { job, round, state, tasks, canaries, count, changes }: RetryAnswer,
): Promise<string> {
  if (count === 0 && changes.some(({ field }) => field === 'expect')) {
    const did = round === null ? 'would be judged again' : `round ${round}: judged again`;
    return `${job}, ${did}, by other control totals; ${stateText(state)}\n\n${await changesText(ctx, changes)}`;
  }
  if (count === 0 && round !== null) return `${job}, round ${round}: no failed task is left, so the job continues`;
  if (count === 0) {
    return state === 'failed'
      ? `${job}: no failed task is left to retry`
      : `${job}: nothing has failed for good, nothing to retry`;
  }
  const first = canaries === null ? '' : `, first ${setsText(canaries)}`;
  const what = `${formatMany(count, 'task')} (${setsText(tasks)})${first}`;
  const line = round === null ? `${job}: would retry ${what}` : `${job}, round ${round}: retrying ${what}`;
  return changes.length === 0 ? line : `${line}\n\n${await changesText(ctx, changes)}`;
}

export function skipCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, skip, {
    help: {
      about:
        'Skips tasks that failed for good or are not decided yet; a running attempt is ended. The gather opens without them, the job can succeed, and the proof records the tasks, who skipped them and why. A closed job reopens until everything is decided.',
      examples: [
        'batchctl skip last --task price/17 --reason "claim withdrawn, ticket 4711"',
        'batchctl skip last --cause k3f --reason "empty files, agreed with the sender"',
        'batchctl skip last --step price --reason "no data for these days" --dry-run',
        'batchctl skip last --task price/17 --undo',
      ],
      exitCodes: {
        0: 'skipped, now or before',
        4: 'no such job, task or cause',
        7: 'refused: the task is already published or not in this job, the job is cancelled, or it is too late to undo',
      },
      related: ['failures', 'retry', 'adjust', 'verify', 'status'],
    },
    show: () =>
      showBeforeRaised(ctx, async (skipped) => {
        const { job, state, changed } = skipped;
        await printAnswer(ctx, { json: skipped, text: skippedText(skipped, ctx.flags.dryRun) });
        if (changed && state === 'failed') ctx.notice(`more tasks have failed for good: batchctl failures ${job}`);
        if (changed && state === 'paused') ctx.notice(`the job is paused: batchctl resume ${job}`);
      }),
  });
}

function skippedText({ job, state, changed, undo, tasks, count, already }: SkipAnswer, dryRun: boolean): string {
  if (count === 0) {
    return `${job}: ${formatMany(already, 'task')} ${undo ? 'not skipped' : 'already skipped'}, nothing changed`;
  }
  const named = `${formatMany(count, 'task')} (${setsText(tasks)})`;
  if (dryRun) return undo ? `${job}: would unskip ${named}` : `${job}: would skip ${named}`;
  const now = changed ? `; ${stateText(state)}` : '';
  return undo ? `${job}: unskipped ${named}${now}` : `${job}: skipped ${named}${now}`;
}

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
      exitCodes: { 0: 'requested', 4: 'no such job or task', 7: 'refused: the task is decided, or the job closed' },
      related: ['tasks', 'cancel', 'retry', 'logs'],
    },
    given: taskOfLatest,
    show: () =>
      asText(ctx, ({ task, tasks, count, mode }) => {
        const became = mode === 'fail' ? 'failed for good' : 'returned to the queue';
        const named = task ?? (count === 0 ? 'no running task' : `${formatMany(count, 'task')} (${setsText(tasks)})`);
        return `${named} ${ctx.flags.dryRun ? 'would be ' : ''}${became}`;
      }),
  });
}

export function pauseCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, pause, {
    help: {
      about:
        'No task of the job is taken until it is resumed. Workers react within a third of a lease, at most 15 s. A returned attempt does not count as a failure.',
      examples: ['batchctl pause last', 'batchctl pause key:month-end-2026-11 --now'],
      exitCodes: { 0: 'paused, now or before', 4: 'no such job', 7: 'refused: the job is closed' },
      related: ['resume', 'cancel', 'status'],
    },
    show: () => ({
      answer: async (paused) => {
        const { job, changed } = paused;
        const { dryRun } = ctx.flags;
        const did = dryRun ? `would pause ${job}` : `${job} is paused`;
        await printAnswer(ctx, { json: paused, text: changed ? did : `${job} was already paused` });
        if (!dryRun) ctx.notice(`resume it with batchctl resume ${job}`);
      },
    }),
  });
}

export function resumeCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, resume, {
    help: {
      about:
        'Resumes a paused job, or completes an interrupted submission. Sends every undecided task at once; with --with they run as the corrected job file says.',
      examples: ['batchctl resume last', 'batchctl resume last --with job.yaml'],
      exitCodes: {
        0: 'resumed',
        3: 'the corrected job file is invalid',
        4: 'no such job',
        7: "refused: the job is closed, the corrected file is another job's, or the cost limit is reached",
      },
      related: ['pause', 'retry', 'worker', 'status'],
    },
    show: () =>
      showBeforeRaised(ctx, (resumed) => printAnswer(ctx, { json: resumed, text: () => resumedText(ctx, resumed) })),
  });
}

async function resumedText(ctx: Context, { job, state, changed, changes, sent }: ResumeAnswer): Promise<string> {
  const did = `${changed ? `${job} is ${state}` : `${job} was not paused`}: ${formatMany(sent, 'task')} sent`;
  const line = ctx.flags.dryRun ? `would resume ${job}` : did;
  return changes.length === 0 ? line : `${line}\n\n${await changesText(ctx, changes)}`;
}

export function cancelCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, cancel, {
    help: {
      about: 'Ends a job permanently: stops running attempts and drops waiting tasks. Keeps its published outputs.',
      examples: ['batchctl cancel last --yes', 'batchctl cancel key:month-end-2026-11 --yes'],
      exitCodes: {
        0: 'cancelled, now or before',
        4: 'no such job',
        7: 'refused: it ended in another way, or was not confirmed',
      },
      related: ['pause', 'status', 'fetch'],
    },
    confirmsItself: true,
    show: () =>
      asText(ctx, ({ job, changed }) => {
        const did = ctx.flags.dryRun ? `would cancel ${job}` : `${job} is cancelled`;
        return changed ? did : `${job} was already cancelled`;
      }),
  });
}

export function adjustCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, adjust, {
    help: {
      about:
        'Changes the limits of an open job. A higher tolerance opens a gather that was waiting for it. --at moves a job submitted with --at; workers that returned its tasks come back to them within 15 minutes. --accept takes a known difference: a control total (`expect`) that failed the job is accepted with the sides that it has now, as the proof will say, and the job closes as succeeded if no other total fails it; it is not undone, but other sides, after a retry, need a new decision.',
      examples: [
        'batchctl adjust last --finish-by "tomorrow 06:00"',
        'batchctl adjust last --tolerate 0.1% --max-running 8',
        'batchctl adjust last --finish-by none',
        'batchctl adjust last --at "tomorrow 06:00"',
        'batchctl adjust last --accept "price.records == input.records" --reason "row 7 is a known duplicate"',
      ],
      exitCodes: {
        0: 'changed, or unchanged because it was already so',
        4: 'no such job or control total',
        7: 'refused: the job is closed; or no control total failed it; or --at for a job that may have started',
      },
      related: ['status', 'skip', 'retry', 'pause', 'scale'],
    },
    show: () => asText(ctx, (adjusted) => adjustedText(ctx, adjusted)),
  });
}

async function adjustedText(ctx: Context, { job, state, changes }: AdjustAnswer): Promise<string> {
  if (changes.length === 0) return `${job}: nothing to change`;
  const line = ctx.flags.dryRun ? `${job}: would change` : `${job}: changed; ${stateText(state)}`;
  return `${line}\n\n${await changesText(ctx, changes)}`;
}

async function changesText(ctx: Context, changes: readonly Change[]): Promise<string> {
  const zone = await ctx.zone();
  return renderTable(ctx, changes, [
    { title: 'changes', value: ({ field }) => field, min: 16 },
    { title: 'from', value: ({ field, from }) => valueText(field, from, zone), min: 10 },
    { title: 'to', value: ({ field, to }) => valueText(field, to, zone), min: 10 },
  ]);
}

const HASH_SHOWN = 12;

function valueText(field: string, value: unknown, zone: string): string {
  if (value === null || value === undefined) return 'none';
  if (/\.(timeout|stall)$/.test(field) && typeof value === 'number') return formatDuration(value);
  if (/\.needs\.(memory|disk)$/.test(field) && typeof value === 'number') return formatSize(value);
  if ((field === 'finishBy' || field === 'notBefore') && typeof value === 'string')
    return formatInstant(Date.parse(value), zone);
  if (field === 'maxCost') return `$${value}`;
  if ((field === 'code' || field.startsWith('files/')) && typeof value === 'string') return hashText(value);
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map(wordText).join(' ');
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function hashText(hash: string): string {
  return `${hash.slice(0, HASH_SHOWN)}${hash.endsWith('+x') ? ' (may be run)' : ''}`;
}

/** An argument quoted for a shell. */
function wordText(word: unknown): string {
  const text = String(word);
  return /^[\w@%+=:,./{}-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

const SHOWN = 60;

/** Sets of tasks in a line: `price/0-4,17 check/3`; long ones are cut. */
function setsText(sets: TaskSets): string {
  return Object.entries(sets)
    .map(([step, set]) => `${step}/${set.length > SHOWN ? `${set.slice(0, SHOWN - 3)}...` : set}`)
    .join(' ');
}
