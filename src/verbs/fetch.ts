import * as v from 'valibot';
import { BatchctlError, isKind } from '../errors.ts';
import { fetchedEnds, fetchOutputs, guessedLine, hasSingleOutput, othersLine } from '../jobs/fetch/fetch.ts';
import { chooseStep } from '../jobs/fetch/names.ts';
import { type FetchTarget, hasFilePerOutput, parseTarget, requireRoom } from '../jobs/fetch/target.ts';
import { findJobToShow } from '../jobs/find.ts';
import { mayHaveParams, paramNames } from '../jobs/task-params.ts';
import { unmetTotals } from '../jobs/totals.ts';
import { formatMany } from '../lib/units.ts';
import type { FetchAnswer, FetchedEnds } from '../model/answers/data.ts';
import { fetchedEndsText } from '../model/completeness-text.ts';
import { type UnmetTotal, unmetText } from '../model/expect.ts';
import type { JobState } from '../model/job-state.ts';
import { UNMET_REASON } from '../model/journal.ts';
import type { StepCounts } from '../model/ledger/records.ts';
import { isS3Uri } from '../model/s3-uri.ts';
import { type JobView, stateOf } from '../model/view.ts';
import type { Platform } from '../ports/platform.ts';
import { throttle, type VerbContext } from './context.ts';
import { jobOrLatest, resolveJobToShow, warnOfDamage } from './job.ts';
import { ALLOW_UNPROVEN, HEADER, JOIN, NAME, refuseName } from './run.ts';
import { listVerb, option, text, verb } from './verb.ts';
import { deliverJob } from './watch.ts';

export type FetchEvent =
  /** `to`: the kind of target; `stream` is the caller's stdout. */
  | { readonly event: 'fetching'; readonly to: FetchTarget['kind'] }
  | { readonly event: 'progress'; readonly bytes: number }
  | { readonly event: 'fetched'; readonly fetched: FetchAnswer };

/** Fetches a step's outputs. Throws `usage` for conflicting fields, and otherwise as `fetchOutputs` does. */
export const fetch = verb<FetchEvent>()({
  name: 'fetch',
  scope: 'submit',
  changes: false,
  // Callers of the API read outputs by key.
  http: null,
  repeatable: () => true,
  // A manager puts files into a bucket itself: S3 copies them, and nothing passes through the caller.
  runsLocally: ({ output }) => output === undefined || !isS3Uri(output),
  input: v.strictObject({
    job: jobOrLatest,
    step: option('--step <step>', 'outputs of this step (default: the last step)', text),
    output: option(
      '-o, --output <target>',
      'DIR/ (or an existing directory) or s3://BUCKET/PREFIX/: one file per task; FILE, - or s3://BUCKET/KEY: joined in task order, replacing what is there',
      text,
    ),
    name: v.optional(NAME),
    header: v.optional(HEADER),
    join: v.optional(JOIN),
    allowUnproven: ALLOW_UNPROVEN,
  }),
  answer: async () => (await import('../model/answers/data.ts')).FETCH_ANSWER,
  async run(context, { job, step, output, name, header, join, allowUnproven }): Promise<FetchAnswer> {
    const { files } = context;
    if (files.elsewhere && !isS3Uri(output ?? '')) {
      throw new BatchctlError(
        'usage',
        '-o: expected s3://BUCKET/PREFIX/ or s3://BUCKET/KEY, as a manager writes no files',
        { hint: 'use GET /api/v1/objects to get the outputs themselves' },
      );
    }
    const platform = await context.platform();
    const view = await findJobToShow(platform, job);
    await warnOfDamage(context, view);
    if (job === undefined || job === 'last') context.notice(`job ${view.record.job}`);
    const target = targetOf(context, view, step, output);
    checkFields(target, { name, header, join, stdout: files.stdout !== null });
    const unmet = await requireProvable(platform, view, allowUnproven);
    await requireRoomForOutputs(platform, view, step, target);
    context.report({ event: 'fetching', to: target.kind });
    const fetched = await fetchOutputs(platform, view, {
      step,
      target,
      header: header ?? null,
      join,
      name,
      replace: context.confirmed,
      passed: context.passed,
      signal: context.signal,
      onProgress: throttle(context.clock, ({ bytes }) => context.report({ event: 'progress', bytes })),
    });
    context.report({ event: 'fetched', fetched });
    await context.shown();
    const lines = [
      ...unmet.map((total) => `not proven: ${unmetText(total)}`),
      fetchedEndsText(fetched, stateOf(view)),
      othersLine(fetched),
    ];
    for (const line of lines) if (line !== null) context.warn(line);
    const guessed = guessedLine(fetched);
    if (guessed !== null) context.notice(guessed);
    // Entries after a gap in the journal may say that the job was delivered, or must not be delivered.
    if (view.hole === null) await deliverJob(context, view);
    return fetched;
  },
});

/** Reported before the first page. */
export interface TableFound extends FetchedEnds {
  readonly event: 'found';
  readonly job: string;
  readonly state: JobState;
  /** The step's tasks. */
  readonly tasks: number;
  /** The names of their parameters, and of all counters of the step. */
  readonly params: readonly string[];
  readonly counters: readonly string[];
}

/** All tasks of a step in pages, with what they were given and what came of it. Throws `notFound`, `proof`. */
export const fetchTable = listVerb({
  name: 'fetch table',
  scope: 'submit',
  changes: false,
  http: null,
  repeatable: () => true,
  input: v.strictObject({ job: jobOrLatest, step: v.optional(text) }),
  answer: async () => (await import('../model/answers/data.ts')).TABLE_PAGE,
  async run(context: VerbContext<TableFound>, { job: said, step: name }) {
    const { chooseTableStep, taskTable } = await import('../jobs/fetch/task-table.ts');
    const platform = await context.platform();
    const view = await resolveJobToShow(context, said);
    for (const total of await requireProvable(platform, view, true)) context.warn(`not proven: ${unmetText(total)}`);
    const { job } = view.record;
    const chosen = chooseTableStep(view, name);
    const { published, pages } = await taskTable(platform, view, chosen, context.signal);
    const counters = (await knownCounts(platform, job, chosen.step.name))?.counters ?? {};
    context.report({
      event: 'found',
      job,
      state: stateOf(view),
      tasks: chosen.total,
      ...(await fetchedEnds(platform, view, chosen, published)),
      params: mayHaveParams(view, chosen.index) ? await paramNames(platform.store, view) : [],
      counters: Object.keys(counters).sort(),
    });
    return pages;
  },
});

/** The control totals that failed the job. Throws `proof` if there are any, unless its outputs are wanted all the same. */
async function requireProvable(
  platform: Platform,
  view: JobView,
  allowUnproven: boolean,
): Promise<readonly UnmetTotal[]> {
  if (view.closed?.reason !== UNMET_REASON) return [];
  const unmet = await unmetTotals(platform, view);
  if (allowUnproven) return unmet;
  const { job } = view.record;
  const why = unmet.length === 0 ? 'a control total does not hold' : unmet.map(unmetText).join('; ');
  throw new BatchctlError('proof', `job ${job} is not proven: ${why}; no output was written`, {
    hint: `batchctl verify ${job} shows everything that was checked; --allow-unproven writes the outputs all the same`,
  });
}

/** Throws `full` if the step's outputs don't fit at the target. Without exact counts their size is not known. */
async function requireRoomForOutputs(
  platform: Platform,
  view: JobView,
  step: string | undefined,
  target: FetchTarget,
): Promise<void> {
  if (target.kind !== 'directory' && target.kind !== 'file') return;
  const { name } = chooseStep(view, step).step;
  const counts = await knownCounts(platform, view.record.job, name);
  if (counts?.exact) requireRoom(target, counts.bytesOut);
}

/** A step's counts; null if the ledger has none, can't be reached, or is behind a manager. */
async function knownCounts(platform: Platform, job: string, step: string): Promise<StepCounts | null> {
  try {
    const counts = await (await platform.ledger()).counts(job);
    return counts.find((each) => each.step === step) ?? null;
  } catch (error) {
    if (isKind(error, 'unavailable', 'config')) return null;
    throw error;
  }
}

/** The target of `-o`, or stdout for a step with one output. */
function targetOf(
  { files }: Pick<VerbContext, 'files'>,
  view: JobView,
  step: string | undefined,
  output: string | undefined,
): FetchTarget {
  const place = { cwd: files.cwd, write: files.stdout ?? (async () => {}) };
  if (output !== undefined) return parseTarget(output, place);
  const chosen = chooseStep(view, step);
  if (hasSingleOutput(chosen)) return parseTarget('-', place);
  throw new BatchctlError('usage', `-o is required: step ${chosen.step.name} has ${formatMany(chosen.total, 'task')}`, {
    hint: `use batchctl fetch ${view.record.job} -o results/ for one file per task, or -o FILE or -o - to join them`,
  });
}

interface Checked {
  readonly name: string | undefined;
  readonly header: string | undefined;
  readonly join: string | undefined;
  /** False: the answer is written to stdout. */
  readonly stdout: boolean;
}

function checkFields(target: FetchTarget, { name, header, join, stdout }: Checked): void {
  if (target.kind === 'stream' && !stdout) {
    throw new BatchctlError('usage', 'stdout can carry either the outputs or the --json answer', {
      hint: 'use -o DIR/ or -o FILE, or omit --json',
    });
  }
  if (hasFilePerOutput(target) && (header ?? join) !== undefined) {
    const flag = header === undefined ? `--join ${join}` : `--header ${header}`;
    throw new BatchctlError('usage', `${flag} is for joined outputs, but ${target.text} gets one file per task`, {
      hint: 'use -o FILE or -o -',
    });
  }
  refuseName(target, name);
}
