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
 * cost may be worse; null finds no regressions. If the jobs differ in size, totals are compared per task. Differences
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
    ...{ job: before.job, name: before.name, createdAt: before.createdAt, perTask, regress },
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
    make(KINDS.tasks, ({ totals }) => totals.tasks),
    make(KINDS.seconds, ({ seconds }) => seconds),
    make(KINDS.rate, ({ totals }) => totals.rate),
    make(KINDS.failed, ({ totals }) => totals.failed),
    make(KINDS.retried, ({ totals }) => totals.retried),
    make(KINDS.interrupted, ({ totals }) => totals.interrupted),
    make(KINDS.bytesIn, ({ totals }) => totals.bytesIn),
    make(KINDS.bytesOut, ({ totals }) => totals.bytesOut),
    make(KINDS.cpuSeconds, ({ totals }) => totals.cpuSeconds),
    make(KINDS.utilisation, ({ totals }) => totals.utilisation),
    make(KINDS.cost, ({ cost }) => cost?.usd ?? null),
    ...[...counters].map((name) =>
      make({ code: 'counter', name, unit: 'number', better: null, grows: true }, (report) => counterOf(report, name)),
    ),
  ];
}

function stepFigures(before: StepReport, now: StepReport): readonly FigureDraft[] {
  const make = (kind: FigureKind, of: (step: StepReport) => number | null): FigureDraft =>
    makeFigure(kind, now.name, false, of(before), of(now));
  return [
    make(KINDS.p50, ({ duration }) => duration?.p50 ?? null),
    make(KINDS.p95, ({ duration }) => duration?.p95 ?? null),
    make(KINDS.max, ({ duration }) => duration?.max ?? null),
    make(KINDS.wait, ({ wait }) => wait?.p50 ?? null),
  ];
}

const KINDS = {
  tasks: { code: 'tasks', name: 'tasks', unit: 'count', better: null },
  seconds: {
    ...{ code: 'seconds', name: 'total time', unit: 'seconds', better: 'less' },
    ...{ matters: true, grows: true, least: NOISE.seconds },
  },
  rate: { code: 'rate', name: 'tasks per second', unit: 'perSecond', better: 'more' },
  failed: { code: 'failed', name: 'failed', unit: 'count', better: 'less', matters: true, grows: true },
  retried: { code: 'retried', name: 'retried', unit: 'count', better: 'less', matters: true, grows: true },
  interrupted: { code: 'interrupted', name: 'interrupted', unit: 'count', better: 'less', grows: true },
  bytesIn: { code: 'bytesIn', name: 'bytes in', unit: 'bytes', better: null, grows: true },
  bytesOut: { code: 'bytesOut', name: 'bytes out', unit: 'bytes', better: null, grows: true },
  cpuSeconds: { code: 'cpuSeconds', name: 'CPU time', unit: 'seconds', better: 'less', grows: true },
  utilisation: { code: 'utilisation', name: 'slots busy', unit: 'share', better: 'more' },
  cost: { code: 'cost', name: 'cost', unit: 'usd', better: 'less', matters: true, grows: true },
  p50: { code: 'p50', name: 'p50', unit: 'seconds', better: 'less', matters: true, least: NOISE.quantile },
  p95: { code: 'p95', name: 'p95', unit: 'seconds', better: 'less', matters: true, least: NOISE.quantile },
  max: { code: 'max', name: 'max', unit: 'seconds', better: 'less' },
  wait: { code: 'wait', name: 'wait p50', unit: 'seconds', better: 'less' },
} as const satisfies Readonly<Record<string, FigureKind>>;

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
  return { ...{ code, name, step, unit, perTask, before, now, change, better }, matters: kind.matters === true, least };
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

/** Over all steps that count it; null if none does. */
function counterOf({ steps }: Report, name: string): number | null {
  const values = steps.flatMap(({ counters }) => counters[name] ?? []);
  return values.length === 0 ? null : values.reduce((sum, value) => sum + Number(value), 0);
}
