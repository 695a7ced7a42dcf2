import { differenceText } from '../../jobs/submit/same-job.ts';
import { formatSize } from '../../lib/units.ts';
import type { Plan } from '../../model/answers/plan.ts';
import { dollarsText } from '../../model/cost/limit.ts';
import { emptyInputsText, type JobSpec } from '../../model/job.ts';
import { plan, planSpec } from '../../verbs/plan.ts';
import type { SubmissionInput } from '../../verbs/submission.ts';
import type { CommandDefinition } from '../command.ts';
import type { Context } from '../context.ts';
import { expectedTime, loadLines } from '../forecast-text.ts';
import { distanceText, formatCount, formatInstant, formatMany } from '../format.ts';
import { type Column, printAnswer, renderTable } from '../render.ts';
import { withSubmitter } from '../submit-progress.ts';
import { verbCommand } from '../verb-command.ts';

export function planCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, plan, {
    help: {
      about:
        'Shows what submit would do: inputs, parts, tasks, messages, files and deadline. If the job has run before, also forecasts how long it will take and whether it will meet the deadline. Writes nothing.',
      examples: [
        'batchctl plan job.yaml',
        'batchctl plan job.yaml --finish-by "tomorrow 06:00"',
        'batchctl plan job.yaml --input claims.csv --json',
      ],
      exitCodes: {
        0: true,
        3: 'the job file is invalid',
        4: 'an input matches nothing',
        7: 'more tasks than maxTasks, the expected cost exceeds the limit, or the run key belongs to another job',
      },
      related: ['submit', 'run', 'rehearse'],
    },
    show: (_, { jobfile, again, limit }) => ({
      answer: (found) =>
        showPlan(ctx, found, {
          jobFile: String(jobfile),
          again: again === true,
          ...(limit !== undefined && { inputs: found.inputs.length }),
        }),
    }),
  });
}

export async function planHere(
  ctx: Context,
  spec: JobSpec,
  jobFile: string | null,
  input: SubmissionInput,
): Promise<void> {
  await withSubmitter(ctx, async (submitter) => {
    await showPlan(ctx, await planSpec(submitter, spec, jobFile, input), { jobFile, again: input.again });
  });
}

/** Prints a plan. `jobFile`: null for a job that the command line describes. */
export async function showPlan(ctx: Context, found: Plan, asked: PlanRequest): Promise<void> {
  await printAnswer(ctx, { json: found, text: () => planText(ctx, found, asked) });
}

/** How a gather gets the outputs. */
const JOINS = { lines: 'lines', bytes: 'bytes', guess: 'lines if they are text' } as const;

const INPUTS_SHOWN = 20;
const DIFFERENCES_SHOWN = 20;

interface PlanRequest {
  readonly jobFile: string | null;
  readonly again: boolean;
  /** How many inputs are shown. Absent: 20. */
  readonly inputs?: number;
}

async function planText(ctx: Context, found: Plan, asked: PlanRequest): Promise<string> {
  const shown = found.inputs.slice(0, asked.inputs ?? INPUTS_SHOWN);
  const more = found.inputs.length - shown.length + found.moreInputs;
  const facts = [
    { title: 'input', value: ({ name }) => name, min: 12 },
    { title: 'size', value: ({ size }) => formatSize(size), align: 'right' },
    { title: 'records', value: ({ records }) => (records === null ? '' : formatCount(records)), align: 'right' },
    { title: 'compressed', value: ({ compression }) => compression ?? '' },
  ] as const satisfies readonly Column<Plan['inputs'][number]>[];
  const inputs = await renderTable(
    ctx,
    shown,
    facts.filter(({ value }) => shown.length === 0 || shown.some((input) => value(input) !== '')),
  );
  const steps = await renderTable(ctx, found.steps, [
    { title: 'step', value: ({ name }) => name, min: 6 },
    { title: 'group', value: ({ group }) => group },
    { title: 'tasks', value: ({ tasks }) => (tasks === null ? '?' : formatCount(tasks)), align: 'right' },
    {
      title: '',
      value: ({ tasks, gather, join }) => {
        if (gather) return join === null ? 'waits for all' : `waits for all, joins ${JOINS[join]}`;
        return tasks === null ? 'one task per file of the preceding explode' : '';
      },
    },
  ]);
  const axes = await renderTable(ctx, found.axes, [
    { title: 'parameter', value: ({ name }) => name, min: 9 },
    { title: 'values', value: ({ values }) => formatCount(values), align: 'right' },
    { title: 'first', value: ({ first }) => first },
    { title: 'last', value: ({ last }) => last },
  ]);
  const { existing } = found;
  return [
    `${found.name}: ${formatMany(found.tasks, 'task')}, ${formatSize(found.bytes)} of input in ${formatMany(found.parts, 'part')}`,
    ...(existing === null
      ? []
      : [
          `run key ${found.runKey} is job ${existing.job}'s, with ${existing.sameContent ? 'the same' : 'OTHER'} content`,
          ...(existing.added === undefined ? [] : [`${formatMany(existing.added, 'task')} would be added to it`]),
          ...existing.differences.slice(0, DIFFERENCES_SHOWN).map((each) => `  ${differenceText(each)}`),
        ]),
    '',
    found.axes.length > 0 ? axes : inputs,
    ...(found.excluded > 0 ? [`excluded: ${formatMany(found.excluded, 'combination')}`] : []),
    ...(more > 0 ? [`and ${formatCount(more)} more`] : []),
    ...(found.emptyInputs.length > 0 ? [`warning: ${emptyInputsText(found.emptyInputs)}`] : []),
    '',
    steps,
    '',
    ...(found.files.length === 0 ? [] : [`files: ${found.files.join(', ')}`]),
    requestsLine(found.requests),
    ...expectedLines(found, asked.jobFile),
    ...(await limitLines(ctx, found, asked)),
  ].join('\n');
}

function requestsLine({ store, queue, cost }: Plan['requests']): string {
  const price = cost === null ? '' : `: ${dollarsText(cost)} at list prices`;
  return `requests, approximately: ${formatCount(store)} to the store, ${formatCount(queue)} to queues${price}`;
}

function expectedLines({ forecast, name }: Plan, jobfile: string | null): readonly string[] {
  if (forecast === null) {
    const how = jobfile === null ? '' : `; batchctl rehearse ${jobfile} forecasts it from a sample`;
    return [`no estimate yet: no run of ${name} has succeeded here${how}`];
  }
  const { unseen } = forecast;
  return [
    `estimate: ${expectedTime(forecast)}, from ${formatMany(forecast.runs, 'earlier run')}; ${expectedTime(forecast.doubled)}`,
    ...(forecast.cost === null ? [] : [`estimated cost: ${dollarsText(forecast.cost)}`]),
    ...loadLines(forecast),
    ...(unseen.length === 0 ? [] : [`not included, as there is no earlier run to go by: ${unseen.join(', ')}`]),
  ];
}

/** The limits of the job, and its projection against the deadline. An existing job keeps its own limits. */
async function limitLines(
  ctx: Context,
  { notBefore, finishBy, maxCost, projected, existing, forecast }: Plan,
  { again }: PlanRequest,
): Promise<readonly string[]> {
  const [zone, now] = [await ctx.zone(), ctx.clock.now()];
  const lines: string[] = [];
  if (notBefore !== null) lines.push(`begins: ${formatInstant(Date.parse(notBefore), zone, now)}`);
  if (finishBy !== null) {
    const deadline = Date.parse(finishBy);
    lines.push(`finish by: ${formatInstant(deadline, zone, now)}`);
    if (projected !== null) lines.push(`projected: ${marginText(projected, deadline, zone)}`);
  }
  if (maxCost !== null) {
    const unknown = forecast === null || forecast.cost === null ? "; its cost can't be estimated here" : '';
    lines.push(`at most ${dollarsText(maxCost)}${unknown}`);
  }
  if (existing === null || again || lines.length === 0) return lines;
  return [...lines, `job ${existing.job} keeps its limits; batchctl adjust ${existing.job} changes them`];
}

function marginText({ expected, high }: NonNullable<Plan['projected']>, deadline: number, zone: string): string {
  const [middle, end] = [Date.parse(expected), Date.parse(high)];
  const text = `${formatInstant(middle, zone)}, ${distanceText(deadline - middle)}`;
  if (middle > deadline || end <= deadline) return text;
  return `${text}; one in ten runs would end after ${formatInstant(end, zone)}, ${distanceText(deadline - end)}`;
}
