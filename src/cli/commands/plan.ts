import { refuseUnaffordable } from '../../jobs/cost/affordable.ts';
import { type Plan, type PlannedCut, planOf } from '../../jobs/plan.ts';
import { machineLoad } from '../../lib/this-machine.ts';
import { formatSize } from '../../lib/units.ts';
import { refuseSecrets } from '../../model/allowed-secrets.ts';
import { dollarsText } from '../../model/cost/limit-text.ts';
import type { JobSpec } from '../../model/job.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { expectedTime, FORECAST_SCHEMA, loadLines } from '../forecast-text.ts';
import { distanceText, formatCount, formatInstant, formatMany } from '../format.ts';
import { openJobFile } from '../open-job-file.ts';
import { answer, renderTable } from '../render.ts';
import { AT_FLAG, EMPTY_INPUTS, SUBMISSION_FLAGS, type SubmissionInput } from '../submission-flags.ts';
import { emptyInputsText, prepareSubmission } from '../submit-with-progress.ts';
import { localResources } from '../this-machine.ts';

const count = { type: 'integer', minimum: 0 };
const time = { type: 'string', format: 'date-time' };

export function planCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<jobfile>': 'job file, YAML or JSON' },
    options: { ...SUBMISSION_FLAGS, ...AT_FLAG },
    writes: false,
    output: {
      type: 'object',
      required: ['name', 'runKey', 'existing', 'inputs', 'parts', 'steps', 'tasks', 'messages', 'files'],
      properties: {
        name: { type: 'string' },
        runKey: { type: ['string', 'null'] },
        existing: { type: ['object', 'null'], description: 'the job that already has the run key' },
        inputs: { type: 'array', items: { type: 'object' } },
        emptyInputs: EMPTY_INPUTS,
        bytes: count,
        parts: count,
        records: { type: ['integer', 'null'] },
        steps: { type: 'array', items: { type: 'object' } },
        tasks: { ...count, type: ['integer', 'null'], description: 'null after an explode' },
        messages: count,
        requests: { type: 'object', description: 'approximate', properties: { store: count, queue: count } },
        forecast: { ...FORECAST_SCHEMA, description: 'from earlier runs of the job; null if there are none' },
        notBefore: {
          type: ['string', 'null'],
          format: 'date-time',
          description: 'the start time that the job would have',
        },
        finishBy: {
          type: ['string', 'null'],
          format: 'date-time',
          description: 'the deadline that the job would have',
        },
        maxCost: { type: ['number', 'null'], description: 'USD' },
        projected: {
          type: ['object', 'null'],
          description: 'forecast end, if it were submitted now and started at once, or at --at',
          properties: { low: time, expected: time, high: time },
        },
        files: { type: 'array', items: { type: 'string' } },
      },
    },
    help: {
      about:
        'Shows what submit would do: inputs, parts, tasks, messages, files and deadline. If the job has run before, also forecasts how long it will take and whether it will meet the deadline. Writes nothing.',
      examples: [
        'batchctl plan job.yaml',
        'batchctl plan job.yaml --finish-by "tomorrow 06:00"',
        'batchctl plan job.yaml --input claims.csv --json',
      ],
      exitCodes: [
        0,
        [3, 'the job file is invalid'],
        [4, 'an input matches nothing'],
        [7, 'more tasks than maxTasks, or the expected cost exceeds the limit'],
      ],
      related: ['submit', 'run', 'rehearse'],
    },
    run: (input) => plan({ ctx, ...input }),
  });
}

export interface PlanOptions extends SubmissionInput {
  readonly ctx: Context;
  readonly jobfile: string;
}

export async function plan({ ctx, jobfile, ...input }: PlanOptions): Promise<void> {
  await planSpec(ctx, await openJobFile(ctx, jobfile), jobfile, input);
}

/** The same for a spec that was already read. */
export async function planSpec(
  ctx: Context,
  spec: JobSpec,
  jobfile: string | null,
  input: SubmissionInput,
): Promise<void> {
  const [platform, { profile }] = await Promise.all([ctx.platform(), ctx.config()]);
  refuseSecrets(spec.steps, platform.allowedSecrets?.(false) ?? null);
  const prepared = await prepareSubmission(ctx, spec, jobfile, input);
  const slots = profile.backend === 'local' ? localResources(profile, null).slots : 1;
  const cut = await plannedCut(ctx);
  const found = await planOf(platform, prepared, { slots, load: machineLoad(), cut, signal: ctx.signal });
  await answer(ctx, { json: found, text: () => planText(ctx, found, { jobFile: jobfile, again: input.again }) });
  // An existing job costs nothing more.
  if (found.existing !== null && !input.again) return;
  await refuseUnaffordable(platform, { spec, maxCost: found.maxCost, expected: found.forecast?.cost ?? null });
}

/** Parts that a remote caller has split itself; null: they are split here. */
async function plannedCut({ attachments }: Context): Promise<PlannedCut | null> {
  const cut = attachments?.planned?.cut ?? null;
  if (cut === null) return null;
  const { PartSizes } = await import('../../model/forecast/part-sizes.ts');
  const { parts: count, records, inputs, pieces, sizes } = cut;
  return { count, records, inputs, pieces, sizes: PartSizes.fromJSON(sizes) };
}

const INPUTS_SHOWN = 20;

interface Asked {
  readonly jobFile: string | null;
  readonly again: boolean;
}

async function planText(ctx: Context, found: Plan, asked: Asked): Promise<string> {
  const inputs = await renderTable(ctx, found.inputs.slice(0, INPUTS_SHOWN), [
    { title: 'input', value: ({ name }) => name, min: 12 },
    { title: 'size', value: ({ size }) => formatSize(size), align: 'right' },
    { title: 'records', value: ({ records }) => (records === null ? '' : formatCount(records)), align: 'right' },
    { title: 'compressed', value: ({ compression }) => compression ?? '' },
  ]);
  const steps = await renderTable(ctx, found.steps, [
    { title: 'step', value: ({ name }) => name, min: 6 },
    { title: 'group', value: ({ group }) => group },
    { title: 'tasks', value: ({ tasks }) => (tasks === null ? '?' : formatCount(tasks)), align: 'right' },
    {
      title: '',
      value: ({ tasks, gather, join }) => {
        if (gather) return join === null ? 'waits for all' : `waits for all, joins ${join}`;
        return tasks === null ? 'one task per file of the preceding explode' : '';
      },
    },
  ]);
  const { existing } = found;
  return [
    `${found.name}: ${formatMany(found.tasks, 'task')}, ${formatSize(found.bytes)} of input in ${formatMany(found.parts, 'part')}`,
    ...(existing === null
      ? []
      : [
          `run key ${found.runKey} is job ${existing.job}'s, with ${existing.sameContent ? 'the same' : 'OTHER'} content`,
        ]),
    '',
    inputs,
    ...(found.inputs.length > INPUTS_SHOWN ? [`and ${formatCount(found.inputs.length - INPUTS_SHOWN)} more`] : []),
    ...(found.emptyInputs.length > 0 ? [`warning: ${emptyInputsText(found.emptyInputs)}`] : []),
    '',
    steps,
    '',
    ...(found.files.length === 0 ? [] : [`files: ${found.files.join(', ')}`]),
    `requests, approximately: ${formatCount(found.requests.store)} to the store, ${formatCount(found.requests.queue)} to queues`,
    ...expectedLines(found, asked.jobFile),
    ...(await limitLines(ctx, found, asked)),
  ].join('\n');
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

/** The limits that the job would have, and the projection against its deadline. An existing job keeps its own. */
async function limitLines(
  ctx: Context,
  { notBefore, finishBy, maxCost, projected, existing, forecast }: Plan,
  { again }: Asked,
): Promise<readonly string[]> {
  const [zone, now] = [await ctx.zone(), ctx.clock.now()];
  const lines: string[] = [];
  if (notBefore !== null) lines.push(`begins: ${formatInstant(Date.parse(notBefore), zone, now)}`);
  if (finishBy !== null) {
    const deadline = Date.parse(finishBy);
    lines.push(`finish by: ${formatInstant(deadline, zone, now)}`);
    if (projected !== null) lines.push(`projected: ${lateness(projected, deadline, zone)}`);
  }
  if (maxCost !== null) {
    const unknown = forecast === null || forecast.cost === null ? "; its cost can't be estimated here" : '';
    lines.push(`at most ${dollarsText(maxCost)}${unknown}`);
  }
  if (existing === null || again || lines.length === 0) return lines;
  return [...lines, `job ${existing.job} keeps its limits; batchctl adjust ${existing.job} changes them`];
}

function lateness({ expected, high }: NonNullable<Plan['projected']>, deadline: number, zone: string): string {
  const [middle, end] = [Date.parse(expected), Date.parse(high)];
  const text = `${formatInstant(middle, zone)}, ${distanceText(deadline - middle)}`;
  if (middle > deadline || end <= deadline) return text;
  return `${text}; one in ten runs would end after ${formatInstant(end, zone)}, ${distanceText(deadline - end)}`;
}
