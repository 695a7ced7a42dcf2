import { jobExit } from '../../jobs/job-exit.ts';
import { parseDuration, wholeNumber } from '../../lib/units.ts';
import { ALL_FAULTS, faultNames, NO_FAULTS, parseFaults } from '../../model/faults.ts';
import type { Faults } from '../../ports/worker-faults.ts';
import { STATE_SCHEMA } from '../../verbs/job.ts';
import { type CommandDefinition, defineCommand, type JsonSchema, parsed } from '../command.ts';
import type { Context } from '../context.ts';
import { FORECAST_SCHEMA } from '../forecast-schema.ts';
import { openJobFile } from '../open-job-file.ts';
import type { Rehearsed } from '../rehearse-job.ts';
import { answer } from '../render.ts';
import { requireSaidProfile } from '../said-profile.ts';
import { SUBMISSION_FLAGS, type SubmissionInput } from '../submission-flags.ts';

const count = { type: 'integer', minimum: 0 };
const text = { type: 'string' };
const textOrNull = { type: ['string', 'null'] };

const REHEARSE_OUTPUT: JsonSchema = {
  type: 'object',
  required: ['job', 'state', 'parts', 'of', 'faults', 'verdict', 'forecast'],
  properties: {
    job: { ...text, description: "the rehearsal's id" },
    state: STATE_SCHEMA,
    reason: textOrNull,
    parts: { ...count, description: 'of the sample' },
    of: {
      type: 'object',
      description: 'the whole input',
      properties: { parts: count, bytes: count, records: { type: ['integer', 'null'] } },
    },
    steps: { type: 'array', items: { type: 'object' }, description: 'as in status' },
    faults: {
      type: 'object',
      description: 'how often each happened',
      properties: {
        asked: { type: 'array', items: text },
        seed: count,
        kill: { ...count, description: 'workers killed' },
        duplicate: { ...count, description: 'messages sent twice' },
        fail: { ...count, description: 'attempts failed on purpose' },
        slowDisk: { ...count, description: 'reads and writes slowed' },
      },
    },
    mended: { type: 'array', items: text, description: 'tasks that faults alone failed for good: asked for again' },
    verdict: { enum: ['proven', 'failed', null], description: 'of the sample; null when it did not succeed' },
    kept: { type: 'boolean', description: 'its outputs and parts are there' },
    forecast: { ...FORECAST_SCHEMA, description: 'for the whole; null when the sample did not succeed' },
  },
};

export function rehearseCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<jobfile>': 'the job, YAML or JSON' },
    options: {
      ...SUBMISSION_FLAGS,
      '--sample <share>': parsed('how many parts: a share such as 1% (the default; at least 20), or a count', sampleOf),
      '--faults [list]': parsed(
        `what its workers do to themselves: a list of ${ALL_FAULTS}; alone, all of these`,
        faultsOf,
      ),
      '--seed <n>': parsed('draw the same faults again', wholeNumber(0)),
      '--slots <n>': parsed('how many tasks at a time (default: the processors)', wholeNumber(1)),
      '--keep': 'keep its outputs and parts',
      '--timeout <duration>': parsed('give up after so long', parseDuration),
    },
    writes: true,
    stopsItself: true,
    output: REHEARSE_OUTPUT,
    help: {
      about:
        'The same job on a sample of its parts, on workers of its own, with faults on request; then a forecast of time, tasks, bytes and memory for the whole, with error bars: one time in ten it is less than the first, one in ten more than the second. All of the input is cut, so bad input is found. No run key is claimed.',
      examples: [
        'batchctl rehearse job.yaml',
        'batchctl rehearse job.yaml --sample 50 --faults',
        'batchctl rehearse job.yaml --input claims.csv --faults=kill,fail:10%',
      ],
      exitCodes: [
        [0, 'the sample succeeded'],
        [3, 'the job file is not valid'],
        [4, 'an input matches nothing'],
        [5, 'the sample failed'],
        [6, 'not finished when --timeout passed'],
        [7, 'refused, or a guard paused it'],
        [9, 'the proof of the sample failed'],
        130,
      ],
      related: ['plan', 'run', 'verify', 'prune'],
    },
    run: (input) => rehearse({ ctx, ...input }),
  });
}

export interface RehearseOptions extends SubmissionInput {
  readonly ctx: Context;
  readonly jobfile: string;
  readonly sample: number | undefined;
  readonly faults: Faults | true | undefined;
  readonly seed: number | undefined;
  readonly slots: number | undefined;
  readonly keep: boolean;
  readonly timeout: number | undefined;
}

/** The share of the parts that is taken unless another is asked for. */
const SAMPLE = 0.01;

/** Rehearses a job, and exits as its sample did. */
export async function rehearse(options: RehearseOptions): Promise<number> {
  const { ctx, jobfile, sample, faults, seed, slots, keep, timeout } = options;
  await requireSaidProfile(ctx);
  const spec = await openJobFile(ctx, jobfile);
  if (ctx.flags.dryRun) {
    const { planSpec } = await import('./plan.ts');
    await planSpec(ctx, spec, jobfile, options);
    return 0;
  }
  await ctx.announce();
  const { rehearseJob } = await import('../rehearse-job.ts');
  const rehearsed = await rehearseJob(ctx, spec, jobfile, options, {
    sample: sample ?? SAMPLE,
    faults: faults === true ? parseFaults(ALL_FAULTS) : (faults ?? NO_FAULTS),
    ...{ seed: seed ?? null, slots: slots ?? null, keep, timeout: timeout ?? null },
  });
  await answer(ctx, {
    json: documentOf(rehearsed),
    text: async () => (await import('../rehearse-text.ts')).rehearseText(ctx, rehearsed),
  });
  return rehearsed.verify?.verdict === 'failed' ? 9 : jobExit(rehearsed.status);
}

function documentOf(rehearsed: Rehearsed) {
  const { status, asked, seed, faults, of, mended, verify, kept, forecast } = rehearsed;
  const { job, state, reason, steps } = status;
  const { kill, duplicate, fail, 'slow-disk': slowDisk } = faults;
  return {
    ...{ job, state, reason, parts: status.rehearsal?.parts ?? 0, of, steps },
    faults: { asked: faultNames(asked), seed, kill, duplicate, fail, slowDisk },
    ...{ mended, verdict: verify?.verdict ?? null, kept, forecast },
  };
}

/** Throws a RangeError. */
function faultsOf(said: string): Faults {
  try {
    return parseFaults(said);
  } catch (error) {
    // Most likely the job file: what follows the flag is taken for its list.
    throw error instanceof RangeError ? new RangeError(`${error.message}; alone it stands behind the job file`) : error;
  }
}

/** A share below 1, or a count. Throws a RangeError. */
function sampleOf(said: string): number {
  const value = said.endsWith('%') ? Number(said.slice(0, -1)) / 100 : Number(said);
  const fits = /^\d+(\.\d+)?%$/.test(said)
    ? value > 0 && value <= 1
    : /^\d+$/.test(said) && value >= 1 && Number.isSafeInteger(value);
  if (!fits) throw new RangeError(`expected a share such as 1% or a count of parts such as 50, found "${said}"`);
  // All of them: a count that no input reaches.
  return said.endsWith('%') && value === 1 ? Number.MAX_SAFE_INTEGER : value;
}
