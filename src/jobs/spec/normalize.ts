import { parseDuration, parseSize } from '../../lib/units.ts';
import { type JobSpec, parseTolerance, type SplitBy, type SplitSpec, type StepSpec } from '../../model/job.ts';
import { notificationsOf } from '../../model/notify.ts';
import { usesPlaceholder } from '../../model/substitute.ts';
import type { JobFile, SplitFile, StepFile } from './schema.ts';

/** A job's default values. `docs/job-file.md` has the same. */
export const JOB_DEFAULTS = {
  tolerate: 0,
  onFailure: 'finish',
  maxTasks: 1_000_000,
  deliver: { name: '{step}-{task}', marker: '_SUCCESS' },
} as const;

const STEP_DEFAULTS = {
  gather: false,
  input: 'stdin',
  output: 'stdout',
  explode: false,
  group: 'default',
  attempts: 3,
  timeout: '1h',
  slots: 1,
  /** Only with a fallback group. */
  interruptions: 3,
} as const;

type Plain = string | number | boolean;

/** The spec of a valid job file: units converted, every default filled in. */
export function normalize(file: JobFile): JobSpec {
  const { input } = file;
  return {
    name: file.name,
    files: file.files ?? [],
    params: texts(file.params),
    input:
      input === undefined ? null : { from: listOf(input.from), split: normalizeSplit(input.split ?? { by: 'file' }) },
    steps: file.steps.map((step) => normalizeStep(step, ownNames(file))),
    tolerate: parseTolerance(String(file.tolerate ?? JOB_DEFAULTS.tolerate)),
    onFailure: file.onFailure ?? JOB_DEFAULTS.onFailure,
    halt: file.halt === undefined ? null : file.halt === 'never' ? 'never' : share(file.halt),
    expect: file.expect ?? [],
    labels: texts(file.labels),
    maxRunning: file.maxRunning ?? null,
    maxTasks: file.maxTasks ?? JOB_DEFAULTS.maxTasks,
    deliver:
      file.deliver === undefined
        ? null
        : {
            to: file.deliver.to,
            name: file.deliver.name ?? JOB_DEFAULTS.deliver.name,
            marker: file.deliver.marker ?? JOB_DEFAULTS.deliver.marker,
          },
    notify: notificationsOf(file.notify),
  };
}

/** The names of a job's own parameters, which placeholders of the same name stand for. */
function ownNames({ params, input }: JobFile): readonly string[] {
  const axes = input?.split?.by === 'grid' ? input.split.axes : {};
  return [...Object.keys(params ?? {}), ...Object.keys(axes)];
}

function normalizeStep(step: StepFile, own: readonly string[]): StepSpec {
  const run = typeof step.run === 'string' ? step.run : step.run.map(String);
  const named = usesPlaceholder(run, 'output') && !own.includes('output');
  const fallback = step.fallback ?? null;
  return {
    name: step.name,
    run,
    gather: step.gather ?? STEP_DEFAULTS.gather,
    input: step.input ?? STEP_DEFAULTS.input,
    output: step.output ?? (named ? 'file' : STEP_DEFAULTS.output),
    ...(step.extension !== undefined && { extension: step.extension }),
    header: step.header ?? null,
    ...(step.join !== undefined && { join: step.join }),
    explode: step.explode ?? STEP_DEFAULTS.explode,
    group: step.group ?? STEP_DEFAULTS.group,
    attempts: step.attempts ?? STEP_DEFAULTS.attempts,
    timeout: parseDuration(step.timeout ?? STEP_DEFAULTS.timeout),
    stall: step.stall === undefined ? null : parseDuration(step.stall),
    needs: {
      slots: step.needs?.slots ?? STEP_DEFAULTS.slots,
      memory: step.needs?.memory === undefined ? 0 : parseSize(step.needs.memory),
      disk: step.needs?.disk === undefined ? 0 : parseSize(step.needs.disk),
    },
    env: texts(step.env),
    secrets: step.secrets ?? {},
    permanent: step.permanent ?? [],
    maxRunning: step.maxRunning ?? null,
    interruptions: fallback === null ? null : (step.interruptions ?? STEP_DEFAULTS.interruptions),
    fallback,
  };
}

function normalizeSplit(split: SplitFile): SplitSpec {
  switch (split.by) {
    case 'lines':
    case 'jsonl':
      return { by: split.by, ...cut(split) };
    case 'csv':
      return {
        by: 'csv',
        header: split.header ?? false,
        delimiter: split.delimiter ?? ',',
        quote: split.quote ?? '"',
        // Absent if not set, so that the digests of older jobs stay.
        ...(split.exact === true && { exact: true }),
        ...cut(split),
      };
    case 'records':
      return { by: 'records', length: split.length, ...cut(split) };
    case 'file':
    case 'list':
      return { by: split.by };
    case 'range':
      return { by: 'range', from: split.from, to: split.to };
    case 'grid':
      return {
        by: 'grid',
        axes: Object.fromEntries(Object.entries(split.axes).map(([name, values]) => [name, values.map(String)])),
      };
    default:
      return split satisfies never;
  }
}

function cut(split: { every?: number | undefined; size?: string | number | undefined }): SplitBy {
  if (split.every !== undefined) return { every: split.every };
  return { size: parseSize(split.size ?? 0) };
}

/** Parses `5%` as 0.05. */
const share = (percent: string): number => Number.parseFloat(percent) / 100;

const listOf = (from: string | string[] | undefined): readonly string[] =>
  from === undefined ? [] : typeof from === 'string' ? [from] : from;

const texts = (map: Readonly<Record<string, Plain>> | undefined): Record<string, string> =>
  Object.fromEntries(Object.entries(map ?? {}).map(([name, value]) => [name, String(value)]));
