import { jobExit } from '../../jobs/job-exit.ts';
import type { JsonSchema } from '../../lib/json.ts';
import { formatSize, parseDuration, wholeNumberParser } from '../../lib/units.ts';
import { endsOfResult, provenText } from '../../model/completeness-text.ts';
import {
  ALL_FAULTS,
  FAULT_KINDS,
  type FaultKind,
  faultNames,
  NO_FAULTS,
  parseFaults,
  rehearsalText,
} from '../../model/rehearsal.ts';
import type { Faults } from '../../model/worker-faults.ts';
import { STATE_SCHEMA } from '../../verbs/job.ts';
import { SUBMISSION_FIELDS } from '../../verbs/submission.ts';
import { forecastSchema } from '../../verbs/verb-schema.ts';
import { type CommandDefinition, type CommandInput, defineCommand, objectOf, parsed } from '../command.ts';
import type { Context } from '../context.ts';
import { forecastText } from '../forecast-text.ts';
import { formatCount, formatMany } from '../format.ts';
import { openJobFile } from '../open-job-file.ts';
import type { Rehearsed } from '../rehearse-job.ts';
import { countColumn, printAnswer, renderTable } from '../render.ts';
import { parseSubmission } from '../submit-progress.ts';
import { paintFor } from '../terminal-text.ts';
import { commandLineFields } from '../verb-command.ts';

const count = { type: 'integer', minimum: 0 };
const text = { type: 'string' };
const textOrNull = { type: ['string', 'null'] };

const rehearseOutput = async (): Promise<JsonSchema> =>
  objectOf(
    {
      job: { ...text, description: 'id of the rehearsal' },
      state: { ...STATE_SCHEMA, description: 'of the sample' },
      reason: { ...textOrNull, description: 'as in `status`' },
      parts: { ...count, description: 'of the sample' },
      of: {
        type: 'object',
        description: 'the whole input',
        properties: {
          parts: count,
          bytes: count,
          records: { type: ['integer', 'null'], description: 'null if not counted' },
        },
      },
      steps: { type: 'array', items: { type: 'object' }, description: 'as in `status`' },
      faults: {
        type: 'object',
        description: 'how often each fault happened',
        properties: {
          asked: { type: 'array', items: text, description: 'kill, duplicate, fail:5%, slow-disk' },
          seed: { ...count, description: '`--seed` draws the same again' },
          kill: { ...count, description: 'workers killed during an attempt' },
          duplicate: { ...count, description: 'messages sent twice' },
          fail: { ...count, description: 'attempts failed on purpose' },
          slowDisk: { ...count, description: 'reads and writes of the store slowed' },
        },
      },
      retried: {
        type: 'array',
        items: text,
        description: 'tasks that failed for good only because of faults, and were retried',
      },
      verdict: { enum: ['proven', 'failed', null], description: 'for the sample; null if it did not succeed' },
      kept: { type: 'boolean', description: 'its outputs and parts were kept' },
      forecast: { ...(await forecastSchema()), description: 'for the full run; null if the sample did not succeed' },
    },
    ['reason', 'steps', 'retried', 'kept'],
  );

const REHEARSE = {
  ...(commandLineFields(SUBMISSION_FIELDS).options as object),
  '--sample <share>': parsed(
    'sample size: a share such as 1% (the default, but at least 20 parts), or a count',
    sampleOf,
  ),
  '--faults [list]': parsed(
    `inject faults into the workers: a list of ${ALL_FAULTS}; without a list, all of them`,
    faultsOf,
  ),
  '--seed <n>': parsed('repeat the same faults', wholeNumberParser(0)),
  '-j, --slots <n>': parsed('tasks at a time (default: the number of processors)', wholeNumberParser(1)),
  '--keep': 'keep its outputs and parts',
  '--timeout <duration>': parsed('give up after this time', parseDuration),
};

export function rehearseCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<jobfile>': 'job file, YAML or JSON' },
    options: REHEARSE,
    writes: true,
    stopsItself: true,
    output: rehearseOutput,
    help: {
      about:
        'Runs the job on a sample of its parts with workers of its own, and injects faults on request. Then forecasts time, tasks, bytes and memory of the full run as a range: one run in ten is below the first value, one in ten above the second. Splits the whole input, so it finds bad input. Claims no run key.',
      examples: [
        'batchctl rehearse job.yaml',
        'batchctl rehearse job.yaml --sample 50 --faults',
        'batchctl rehearse job.yaml --input claims.csv --faults=kill,fail:10%',
      ],
      exitCodes: {
        0: 'the sample succeeded',
        3: 'the job file is invalid',
        4: 'an input matches nothing',
        5: 'the sample failed',
        6: 'not finished when --timeout passed',
        7: 'refused, or a safeguard paused it',
        9: 'the proof of the sample failed',
        130: true,
      },
      related: ['plan', 'run', 'verify', 'prune'],
    },
    run: (input) => rehearse(ctx, input.jobfile, input),
  });
}

/** Default share of the parts. */
const SAMPLE = 0.01;

async function rehearse(ctx: Context, jobfile: string, input: CommandInput<typeof REHEARSE>): Promise<number> {
  const { sample, faults, seed, slots, keep, timeout } = input;
  const submission = parseSubmission(input);
  const spec = await openJobFile(ctx, jobfile);
  if (ctx.flags.dryRun) {
    const { planHere } = await import('./plan.ts');
    await planHere(ctx, spec, jobfile, submission);
    return 0;
  }
  await ctx.announce();
  const { rehearseJob } = await import('../rehearse-job.ts');
  const rehearsed = await rehearseJob(ctx, spec, jobfile, submission, {
    sample: sample ?? SAMPLE,
    faults: faults === true ? parseFaults(ALL_FAULTS) : (faults ?? NO_FAULTS),
    seed: seed ?? null,
    slots: slots ?? null,
    keep,
    timeout: timeout ?? null,
  });
  await printAnswer(ctx, { json: documentOf(rehearsed), text: () => rehearseText(ctx, rehearsed) });
  return rehearsed.verify?.verdict === 'failed' ? 9 : jobExit(rehearsed.status);
}

function documentOf(rehearsed: Rehearsed) {
  const { status, asked, seed, faults, of, retried, verify, kept, forecast } = rehearsed;
  const { job, state, reason, steps } = status;
  const { kill, duplicate, fail, 'slow-disk': slowDisk } = faults;
  return {
    job,
    state,
    reason,
    parts: status.rehearsal?.parts ?? 0,
    of,
    steps,
    faults: { asked: faultNames(asked), seed, kill, duplicate, fail, slowDisk },
    retried,
    verdict: verify?.verdict ?? null,
    kept,
    forecast,
  };
}

/** Throws a RangeError. */
function faultsOf(said: string): Faults {
  try {
    return parseFaults(said);
  } catch (error) {
    // Most likely the job file: the word after the flag was parsed as the flag's list.
    throw error instanceof RangeError
      ? new RangeError(`${error.message}; without a list, put the flag after the job file`)
      : error;
  }
}

/** A share below 1, or a count. Throws a RangeError. */
function sampleOf(said: string): number {
  const value = said.endsWith('%') ? Number(said.slice(0, -1)) / 100 : Number(said);
  const fits = /^\d+(\.\d+)?%$/.test(said)
    ? value > 0 && value <= 1
    : /^\d+$/.test(said) && value >= 1 && Number.isSafeInteger(value);
  if (!fits) throw new RangeError(`expected a share such as 1% or a count of parts such as 50, found "${said}"`);
  // 100% means all parts. No input has this many.
  return said.endsWith('%') && value === 1 ? Number.MAX_SAFE_INTEGER : value;
}

async function rehearseText(ctx: Context, rehearsed: Rehearsed): Promise<string> {
  const { status, verify, forecast, of, kept } = rehearsed;
  const paint = paintFor(ctx, ctx.io.stdout);
  const tint = status.state === 'succeeded' ? 'good' : 'bad';
  const reason = status.reason === null ? '' : ` (${status.reason})`;
  const { job } = status;
  const table = await renderTable(ctx, status.steps, [
    { title: 'step', value: ({ name }) => name, min: 6 },
    { title: 'tasks', value: ({ total }) => (total === null ? '?' : formatCount(total)), align: 'right' },
    countColumn('done', ({ done }) => done),
    countColumn('failed', ({ failed }) => failed, true),
    countColumn('attempts', (step) => step.done + step.failed + step.retried + step.interrupted),
    countColumn('failed attempts', ({ retried }) => retried),
  ]);
  const lines = [
    `${job}: ${paint(tint, `${status.state}${reason}`)}, ${rehearsalText(status.rehearsal?.parts ?? 0, of.parts)}`,
    '',
    table,
    '',
    ...faultLines(rehearsed),
    ...(verify === null ? [] : [verdictLine(rehearsed, paint)]),
    keptLine(status.state, job, kept),
  ];
  if (forecast !== null) {
    const whole = `${formatMany(of.parts, 'part')}${of.bytes === 0 ? '' : `, ${formatSize(of.bytes)} of input`}`;
    lines.push('', `full run, ${whole}:`, await forecastText(ctx, forecast));
  }
  return lines.join('\n');
}

const WORDS: Readonly<Record<FaultKind, (count: number) => string>> = {
  kill: (count) => `${formatMany(count, 'worker')} killed during an attempt`,
  duplicate: (count) => `${formatMany(count, 'message')} sent twice`,
  fail: (count) => `${formatMany(count, 'attempt')} failed on purpose`,
  'slow-disk': (count) => `${formatMany(count, 'read')} and writes of the store slowed`,
};

function faultLines({ asked, faults, seed, retried, status }: Rehearsed): readonly string[] {
  const names = faultNames(asked);
  if (names.length === 0) return ['no faults (inject some with --faults)'];
  const kinds = FAULT_KINDS.filter((kind) => names.some((name) => name.split(':')[0] === kind));
  const survived = status.state === 'succeeded' ? ': survived all' : '';
  const some = retried.slice(0, 5).join(', ');
  return [
    `faults, seed ${seed}${survived}`,
    ...kinds.map((kind) => `  ${WORDS[kind](faults[kind])}`),
    ...(retried.length === 0
      ? []
      : [
          `  ${formatMany(retried.length, 'task')} failed for good only because of these faults (${some}${retried.length > 5 ? ', ...' : ''}), and succeeded when retried; more attempts in the job file would have prevented that`,
        ]),
  ];
}

function verdictLine({ verify }: Rehearsed, paint: ReturnType<typeof paintFor>): string {
  if (verify?.verdict === 'proven')
    return `${paint('good', 'proven')}: of the sample ${provenText(endsOfResult(verify))}, and every byte was read`;
  return `${paint('bad', 'not proven')}: ${verify?.problems[0]?.message ?? ''}`;
}

function keptLine(state: string, job: string, kept: boolean): string {
  if (kept && state !== 'succeeded') return `kept for inspection: batchctl failures ${job}; then batchctl prune`;
  return kept
    ? `kept: batchctl fetch ${job}; remove it with batchctl prune`
    : 'its outputs and parts were removed (--keep keeps them)';
}
