import { BatchctlError } from '../errors.ts';
import {
  type JobFormat,
  type JobRecord,
  type JobSpec,
  joinOf,
  type StepSpec,
  sectionStart,
  takesPacks,
} from './job.ts';
import type { EntryKind } from './journal.ts';
import { changedStep } from './overrides.ts';
import type { ScheduleChange } from './schedule.ts';
import { placeholdersOf, TASK_PLACEHOLDERS } from './substitute.ts';

interface StepNow {
  readonly spec: JobSpec;
  readonly index: number;
  /** As changed by a round. */
  readonly step: StepSpec;
  /** Whether a cut of the input was assumed, not found by reading all of it (ADR 46). */
  readonly assumedCuts: boolean;
}

/** A rule by which workers run a step, and which workers before `since` lack: they would write something else. */
interface Rule {
  /** Completes "it …": what a step does that needs the rule. */
  readonly does: string;
  readonly since: string;
  /** Format of the job.json, or journal entry, that brings the rule: workers before `since` return what has it. */
  readonly format: JobFormat;
  readonly applies: (now: StepNow) => boolean;
}

/** Every rule that changed how workers run an accepted job. A new rule is a row here, with the version that brings it. */
const RULES: readonly Rule[] = [
  {
    does: 'checks that a part of a large CSV holds whole records',
    since: '0.2.0',
    format: 2,
    applies: ({ index, assumedCuts }) => index === 0 && assumedCuts,
  },
  {
    does: 'joins outputs as lines',
    since: '0.2.0',
    format: 2,
    applies: ({ spec, index, step }) =>
      step.gather &&
      (step.input === 'stdin' || step.input === 'file') &&
      (step.header === 'once' || joinOf(spec, index - 1, step) !== 'bytes'),
  },
  {
    does: "uses the names of a task's files",
    since: '0.2.0',
    format: 2,
    applies: ({ spec, index, step }) =>
      typeof step.run === 'string'
        ? /\bBATCHCTL_(INPUT_(BASENAME|STEM)|INDEX)\b/.test(step.run)
        : step.run.flatMap(placeholdersOf).some((name) => isOfTask(name, spec, index)),
  },
  {
    does: 'takes its parameters from a table',
    since: '0.2.0',
    format: 3,
    applies: ({ spec, index }) => spec.input?.split.by === 'table' && sectionStart(spec.steps, index) === 0,
  },
  {
    does: 'takes its parameters from a grid with zip or exclude',
    since: '0.2.0',
    format: 3,
    applies: ({ spec, index }) => index === 0 && isChosenGrid(spec),
  },
  {
    does: 'uses parameters of the first step',
    since: '0.2.0',
    format: 3,
    applies: ({ spec, index, step }) => index > 0 && sectionStart(spec.steps, index) === 0 && usesParams(spec, step),
  },
  {
    does: "uses the numbers of a part's records",
    since: '0.2.0',
    format: 2,
    applies: ({ index, step }) =>
      index === 0 && [step.run].flat().some((text) => /\bBATCHCTL_(FIRST_RECORD|RECORDS)\b/.test(text)),
  },
  {
    does: 'takes several files as one task',
    since: '0.2.0',
    format: 2,
    applies: ({ spec, index }) => index === 0 && takesPacks(spec, 0),
  },
  {
    does: 'opens its input where it is',
    since: '0.2.0',
    format: 3,
    applies: ({ step }) => step.input === 'url',
  },
  {
    does: 'has no output, or one with an extension',
    since: '0.2.0',
    format: 2,
    applies: ({ step }) => step.output === 'none' || step.extension !== undefined,
  },
];

/** A placeholder that the first version replaced only as a parameter: a job's own, or the number of a range. */
function isOfTask(name: string, { params, input }: JobSpec, index: number): boolean {
  if (Object.hasOwn(params, name)) return false;
  if (name === 'index' && index === 0 && input?.split.by === 'range') return false;
  return TASK_PLACEHOLDERS.some((known) => known === name);
}

const isChosenGrid = ({ input }: JobSpec): boolean =>
  input?.split.by === 'grid' && (input.split.zip !== undefined || input.split.exclude !== undefined);

/** Whether a command names a parameter of the parts: the line of a list, or an axis of a grid. */
function usesParams({ input }: JobSpec, { run }: StepSpec): boolean {
  const split = input?.split;
  const names = split?.by === 'list' ? ['item'] : split?.by === 'grid' ? Object.keys(split.axes) : [];
  const words = [run].flat();
  const variables = words.flatMap((word) => [...word.matchAll(/\bBATCHCTL_PARAM_(\w+)/g)].map(([, name]) => name));
  const placed = typeof run === 'string' ? [] : run.flatMap(placeholdersOf);
  return names.some((name) => placed.includes(name) || variables.includes(name.toUpperCase()));
}

/** The requirements of a job, or of a change, on its workers beyond the first version. */
export interface Needs {
  readonly format: JobFormat;
  /** The least version that has all rules; null: any. */
  readonly version: string | null;
  /** The steps that need it: `totals joins outputs as lines`. */
  readonly because: readonly string[];
}

/** The needs of a job as submitted; before its inputs are cut, `assumedCuts` is false. */
export function jobNeeds(spec: JobSpec, assumedCuts: boolean): Needs {
  return needsOf(spec.steps.map((step, index) => ({ spec, index, step, assumedCuts })));
}

/** The format of a journal entry: above 1 if it changes a step so that workers which may run the job lack its rules. */
export function entryNeeds(record: JobRecord, entry: EntryKind): Needs {
  const overrides = 'overrides' in entry ? entry.overrides : undefined;
  if (overrides?.steps === undefined) return needsOf([]);
  const { spec, format } = record;
  if (overrides.expect !== undefined && format < CORRECTED_TOTALS.format) return CORRECTED_TOTALS;
  const changed = spec.steps.flatMap((accepted, index) => {
    const step = changedStep(accepted, overrides);
    return step === accepted ? [] : [{ spec, index, step, assumedCuts: false }];
  });
  const needs = needsOf(changed);
  return needs.format > format ? needs : needsOf([]);
}

/** The format of a schedule's entry: as of the job that it fires, so that no host fires a job whose rules it lacks. */
export const scheduleNeeds = (change: ScheduleChange): Needs =>
  change.what === 'add' ? jobNeeds(change.schedule.job.spec, false) : needsOf([]);

/** Older workers and watchers would judge a job by its former control totals. No other rule needs more. */
const CORRECTED_TOTALS: Needs = { format: 2, version: '0.2.0', because: ['the job has corrected control totals'] };

const rulesOf = (now: StepNow): readonly Rule[] => RULES.filter(({ applies }) => applies(now));

function needsOf(steps: readonly StepNow[]): Needs {
  const found = steps.flatMap((now) => rulesOf(now).map((rule) => ({ name: now.step.name, rule })));
  const formats: JobFormat[] = found.map(({ rule }) => rule.format);
  const versions = found.map(({ rule }) => rule.since);
  return {
    format: formats.sort((a, b) => b - a)[0] ?? 1,
    version: versions.reduce<string | null>((least, since) => (isOlder(least ?? '0', since) ? since : least), null),
    because: [...new Set(found.map(({ name, rule }) => `${name} ${rule.does}`))],
  };
}

/** Compares the three numbers of two versions; false for a text without them. */
export function isOlder(version: string, than: string): boolean {
  const [a, b] = [version, than].map((text) => text.split(/[.+-]/).slice(0, 3).map(Number));
  for (const [at, number] of (b ?? []).entries()) {
    const mine = a?.[at] ?? 0;
    if (Number.isNaN(mine) || Number.isNaN(number)) return false;
    if (mine !== number) return mine < number;
  }
  return false;
}

/** The first release. Its formats, and those of later versions, are read. */
const FIRST_RELEASE = '0.2.0';

/** Throws `newer` for a job of a version before the first release. `name`: its job.json, for people. */
export function requireReleased(name: string, version: string): void {
  if (!isOlder(version, FIRST_RELEASE)) return;
  const found = `${name} was written by batchctl ${version}; this version reads jobs of ${FIRST_RELEASE} and later`;
  throw new BatchctlError('newer', found, { hint: 'use the version of batchctl that wrote it' });
}
