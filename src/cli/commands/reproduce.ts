import { relative, resolve } from 'node:path';
import { BatchctlError } from '../../errors.ts';
import { refusePruned } from '../../jobs/pruned.ts';
import { findTask } from '../../jobs/task-params.ts';
import { shellWord } from '../../lib/shell-word.ts';
import { formatDuration, formatSize } from '../../lib/units.ts';
import { JOB_OR_LATEST_TEXT, resolveJobToShow, taskOfLatest } from '../../verbs/job.ts';
import type { ReproducedTask } from '../../worker/reproduce.ts';
import type { ReproducedRun, TaskRecord } from '../../worker/reproduce-run.ts';
import { type CommandDefinition, type CommandInput, defineCommand, objectOf } from '../command.ts';
import type { Context } from '../context.ts';
import { printAnswer } from '../render.ts';
import { oneLine } from '../terminal-text.ts';

const textOrNull = { type: ['string', 'null'] };
const codeOrNull = { type: ['integer', 'null'] };

const OPTIONS = {
  '-o, --output <dir>': 'target directory (default: ./<job>-<step>-<n>); must be empty or not exist',
  '--run': "run it at once, with the step's timeout",
};

export function reproduceCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: {
      '[job]': JOB_OR_LATEST_TEXT,
      '[task]': '<step>/<n> or <step>[name=value,...], failed or not; alone, of the latest job',
    },
    options: OPTIONS,
    writes: false,
    output: objectOf({
      job: { type: 'string', description: "the job's id" },
      task: { type: 'string', description: '`<step>/<n>`' },
      round: { type: 'integer', description: 'the round that last requested the task' },
      directory: { type: 'string', description: "the directory with the task's files" },
      code: { ...textOrNull, description: "SHA-256 of the archive of the job's files; null without any" },
      bytes: { type: 'integer', description: 'of its input' },
      recorded: {
        ...objectOf({
          state: {
            enum: ['done', 'failed', 'failedAttempt', 'none'],
            description: 'failedAttempt: not yet for good; none: no attempt has ended',
          },
          exitCode: { ...codeOrNull, description: 'of the failure' },
          reason: { ...textOrNull, description: 'kind of failure' },
          error: { ...textOrNull, description: 'the last line of stderr' },
        }),
        description: 'the recorded result in that round',
      },
      run: {
        type: ['object', 'null'],
        description: 'the result here; null without --run',
        required: ['exitCode', 'reason', 'error', 'seconds', 'asRecorded', 'tail'],
        properties: {
          exitCode: { ...codeOrNull, description: 'null if it could not be started' },
          reason: { ...textOrNull, description: 'kind of failure; null: it succeeded' },
          error: { ...textOrNull, description: 'the last line of stderr' },
          seconds: { type: 'number', description: 'duration' },
          asRecorded: {
            type: ['boolean', 'null'],
            description: 'whether it ended with the same cause; null if nothing is recorded',
          },
          tail: {
            type: 'array',
            items: { type: 'string' },
            description: 'the last lines of stderr, up to ten; the file `stderr` has all',
          },
        },
      },
    }),
    help: {
      about:
        "Sets up one task on this machine: a directory with its exact input, the job's files (the corrected ones, if a retry brought some), its environment, and run.sh, which runs it as a worker does. Secrets are not written; run.sh reads them from the step's sources.",
      examples: [
        'batchctl reproduce price/17',
        'batchctl reproduce last price/17 --run',
        'batchctl reproduce last price/17 -o /tmp/price-17 && /tmp/price-17/run.sh',
      ],
      exitCodes: {
        0: 'set up; with --run: it ended, successfully or not',
        3: "a secret can't be read here",
        4: 'no such job or task, or its input does not exist (yet or any more)',
        7: 'refused: the directory is in use',
        9: 'the input has changed since the job was accepted',
      },
      related: ['failures', 'logs', 'retry', 'tasks'],
    },
    run: (typed) => {
      const { job, task } = { ...typed, ...taskOfLatest(typed) };
      if (task !== undefined) return reproduce(ctx, job, task, typed);
      throw new BatchctlError('usage', 'expected a task, STEP/N', { hint: 'batchctl tasks --state failed' });
    },
  });
}

/** Throws `notFound`, `refused`, `changed`, `config`, `usage`. */
async function reproduce(
  ctx: Context,
  job: string | undefined,
  task: string,
  { output, run }: CommandInput<typeof OPTIONS>,
): Promise<void> {
  const platform = await ctx.platform();
  const view = await resolveJobToShow(ctx, job);
  refusePruned(view, 'its input, code and failures');
  const named = await findTask(platform.store, view, task);
  const directory = resolve(ctx.io.cwd, output ?? `${view.record.job}-${named.name}-${named.task}`);
  const { reproduce: layOut } = await import('../../worker/reproduce.ts');
  const { readTaskRecord, matchesRecord, runReproduced } = await import('../../worker/reproduce-run.ts');
  const made = await layOut(platform, view, { task: named, directory, signal: ctx.signal });
  const recorded = await readTaskRecord(platform.store, made.task);
  let ran: ReproducedRun | null = null;
  if (run) {
    ctx.notice(`running ${named.name}/${named.task}, for at most ${formatDuration(made.task.step.timeout)}`);
    const { SecretReader } = await import('../../worker/secrets.ts');
    // The command already runs with this user's permissions, so the profile's `allowSecrets` would protect nothing
    // here.
    ran = await runReproduced(made, new SecretReader({ source: platform.secrets ?? null }), ctx.signal);
  }
  const asRecorded = ran === null ? null : matchesRecord(named.name, recorded, ran.failure);
  await printAnswer(ctx, {
    json: documentOf(made, recorded, ran, asRecorded),
    text: textOf(ctx, made, recorded, ran, asRecorded),
  });
}

function documentOf(
  { task, directory, code, bytes }: ReproducedTask,
  recorded: TaskRecord,
  ran: ReproducedRun | null,
  asRecorded: boolean | null,
): unknown {
  const { job, step, task: n, round } = task.message;
  const { exitCode = null, reason = null, error = null } = 'failure' in recorded ? recorded.failure : {};
  const run = ran === null ? null : { ...endOf(ran), seconds: ran.end.seconds, asRecorded, tail: ran.tail };
  const known = { state: recorded.state, exitCode, reason, error };
  return { job, task: `${step}/${n}`, round, directory, code, bytes, recorded: known, run };
}

function endOf({ end, failure }: ReproducedRun): object {
  return { exitCode: end.code, reason: failure?.reason ?? null, error: failure?.error ?? null };
}

function textOf(
  ctx: Context,
  { task, directory, bytes }: ReproducedTask,
  recorded: TaskRecord,
  ran: ReproducedRun | null,
  asRecorded: boolean | null,
): string {
  const { step, task: n, job, round } = task.message;
  const here = relative(ctx.io.cwd, directory);
  const shown = here.startsWith('..') ? directory : `./${here}`;
  const lines = [
    `${step}/${n} of ${job}${round === 0 ? '' : `, round ${round}`}: ${shown}, ${formatSize(bytes)} of input`,
    `recorded: ${recordedText(recorded)}${recorded.state === 'none' && round > 0 ? ` in round ${round}` : ''}`,
  ];
  if (ran === null) return [...lines, `run it:   ${shellWord(`${shown}/run.sh`)}`].join('\n');
  const how = ran.failure === null ? 'succeeded' : failureText(ran.failure);
  const same = { true: ', as recorded', false: ', NOT as recorded', null: '' }[`${asRecorded}`];
  lines.push(`here:     ${how} after ${formatDuration(ran.end.seconds)}${same}`);
  if (ran.tail.length > 0) lines.push('', ...ran.tail.map((line) => `    ${oneLine(line)}`));
  return [...lines, '', `again:    ${shellWord(`${shown}/run.sh`)}`].join('\n');
}

function recordedText(recorded: TaskRecord): string {
  switch (recorded.state) {
    case 'done':
      return 'done';
    case 'none':
      return 'no attempt has ended yet';
    case 'failed':
      return `failed for good: ${failureText(recorded.failure)}`;
    case 'failedAttempt':
      return `a failed attempt so far: ${failureText(recorded.failure)}`;
    default:
      return recorded satisfies never;
  }
}

function failureText({ reason, exitCode, error }: ReproducedRun['failure'] & object): string {
  const how = reason === 'exit' ? `exit code ${exitCode}` : reason;
  return error === null ? how : `${how}, ${JSON.stringify(error)}`;
}
