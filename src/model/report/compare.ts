import { Big } from 'big.js';
import { ownValue } from '../../lib/json.ts';
import type { Comparison, Figure, Report, StepReport } from '../answers/report.ts';

type FigureKind = Pick<Figure, 'code' | 'name' | 'unit' | 'better'> & {
  readonly matters?: true;
  /** It grows with the number of tasks, so for jobs of different sizes it is compared per task. */
  readonly grows?: true;
  /** A difference below this is noise, whatever its share. */
  readonly least?: number;
};

const NOISE = { seconds: 0.1, quantile: 0.01 } as const;

/**
 * Compares two reports. `regress` is the share by which the total time, p50 and p95 of a step, failures, retries or the
 * cost may be worse; null finds no regressions. If the jobs differ in size, totals except those of counters are compared per task. Differences
 * below 0.1 s of the total time and 10 ms of a quantile are noise. A figure that is unknown on either side never
 * regresses.
 */
export function compareReports(before: Report, now: Report, regress: number | null): Comparison {
  const perTask = before.totals.tasks !== now.totals.tasks;
  const figures = [
    ...jobFigures(before, now, perTask),
    ...now.steps.flatMap((step) => {
      const other = before.steps.find(({ name }) => name === step.name);
      return other === undefined ? [] : stepFigures(other, step);
    }),
  ].map((figure) => ({ ...figure, regressed: isRegressed(figure, regress) }));
  return {
    job: before.job,
    name: before.name,
    createdAt: before.createdAt,
    perTask,
    regress,
    figures: figures.map(({ least: _, ...figure }) => figure),
    regressions: figures.filter(({ regressed }) => regressed).map(regressionText),
  };
}

type FigureDraft = Omit<Figure, 'regressed'> & { readonly least: number };

function jobFigures(before: Report, now: Report, perTask: boolean): readonly FigureDraft[] {
  const make = (kind: FigureKind, of: (report: Report) => number | null): FigureDraft => {
    const divided = perTask && kind.grows === true;
    const value = (report: Report): number | null => divideByTasks(of(report), divided ? report.totals.tasks : 1);
    return makeFigure(kind, null, divided, value(before), value(now));
  };
  const counters = new Set(now.steps.flatMap(({ counters }) => Object.keys(counters)));
  return [
    ...JOB_FIGURES.map((kind) => make(kind, (report) => jobValue(report, kind.code))),
    ...[...counters].map((name) => counterFigure(name, counterOf(before, name), counterOf(now, name))),
  ];
}

function jobValue({ seconds, cost, totals }: Report, code: (typeof JOB_FIGURES)[number]['code']): number | null {
  if (code === 'seconds') return seconds;
  return code === 'cost' ? (cost?.usd ?? null) : totals[code];
}

function stepFigures(before: StepReport, now: StepReport): readonly FigureDraft[] {
  const value = ({ duration, wait }: StepReport, code: (typeof STEP_FIGURES)[number]['code']): number | null =>
    (code === 'wait' ? wait?.p50 : duration?.[code]) ?? null;
  return STEP_FIGURES.map((kind) => makeFigure(kind, now.name, false, value(before, kind.code), value(now, kind.code)));
}

const JOB_FIGURES = [
  { code: 'tasks', name: 'tasks', unit: 'count', better: null },
  {
    ...({ code: 'seconds', name: 'total time', unit: 'seconds', better: 'less' } as const),
    ...({ matters: true, grows: true, least: NOISE.seconds } as const),
  },
  { code: 'rate', name: 'tasks per second', unit: 'perSecond', better: 'more' },
  { code: 'failed', name: 'failed', unit: 'count', better: 'less', matters: true, grows: true },
  { code: 'retried', name: 'retried', unit: 'count', better: 'less', matters: true, grows: true },
  { code: 'interrupted', name: 'interrupted', unit: 'count', better: 'less', grows: true },
  { code: 'bytesIn', name: 'bytes in', unit: 'bytes', better: null, grows: true },
  { code: 'bytesOut', name: 'bytes out', unit: 'bytes', better: null, grows: true },
  { code: 'cpuSeconds', name: 'CPU time', unit: 'seconds', better: 'less', grows: true },
  { code: 'utilisation', name: 'slots busy', unit: 'share', better: 'more' },
  { code: 'cost', name: 'cost', unit: 'usd', better: 'less', matters: true, grows: true },
] as const satisfies readonly FigureKind[];

const STEP_FIGURES = [
  { code: 'p50', name: 'p50', unit: 'seconds', better: 'less', matters: true, least: NOISE.quantile },
  { code: 'p95', name: 'p95', unit: 'seconds', better: 'less', matters: true, least: NOISE.quantile },
  { code: 'max', name: 'max', unit: 'seconds', better: 'less' },
  { code: 'wait', name: 'wait p50', unit: 'seconds', better: 'less' },
] as const satisfies readonly FigureKind[];

function makeFigure(
  kind: FigureKind,
  step: string | null,
  perTask: boolean,
  before: number | null,
  now: number | null,
): FigureDraft {
  const { code, name, unit, better } = kind;
  const known = before !== null && now !== null;
  const change = !known || before === 0 ? (known && now === 0 ? 0 : null) : (now - before) / before;
  const least = perTask ? 0 : (kind.least ?? 0);
  const matters = kind.matters === true;
  return { code, name, step, unit, perTask, before, now, change, exact: null, better, matters, least };
}

function isRegressed({ matters, better, before, now, least }: FigureDraft, regress: number | null): boolean {
  if (!matters || better === null || regress === null || before === null || now === null) return false;
  const worse = better === 'less' ? now - before : before - now;
  return worse > Math.abs(before) * regress && worse > least;
}

function regressionText({ name, step, unit, perTask, before, now, change }: FigureDraft): string {
  const what = `${step === null ? '' : `${step} `}${name}${perTask ? ' per task' : ''}`;
  const by = change === null ? '' : ` (${change > 0 ? '+' : ''}${Math.round(change * 100)}%)`;
  const of = { seconds: ' s', usd: ' USD', bytes: ' bytes' }[unit as string] ?? '';
  return `${what}: ${plain(before)}${of} before, ${plain(now)}${of} now${by}`;
}

/** At most three decimals, or three digits for small numbers. */
function plain(value: number | null): string {
  if (value === null) return '?';
  return String(Math.abs(value) >= 1 ? Number(value.toFixed(3)) : Number(value.toPrecision(3)));
}

function divideByTasks(value: number | null, tasks: number): number | null {
  if (tasks === 1) return value;
  return value === null || tasks === 0 ? null : value / tasks;
}

/** Exact to the last digit, and of the whole job: a sum of money per task would say nothing. */
function counterFigure(name: string, before: Big | null, now: Big | null): FigureDraft {
  const kind = { code: 'counter', name, unit: 'number', better: null } as const;
  const figure = makeFigure(kind, null, false, before?.toNumber() ?? null, now?.toNumber() ?? null);
  const difference = before === null || now === null ? null : now.minus(before).toFixed();
  return { ...figure, exact: { before: before?.toFixed() ?? null, now: now?.toFixed() ?? null, difference } };
}

/** Over all steps that count it; null if none does. */
function counterOf({ steps }: Report, name: string): Big | null {
  const values = steps.flatMap(({ counters }) => ownValue(counters, name) ?? []);
  return values.length === 0 ? null : values.reduce((sum, value) => sum.plus(value), Big(0));
}
