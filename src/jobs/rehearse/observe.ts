import { nullIfUnreadable } from '../../errors.ts';
import { mapAhead } from '../../lib/parallel.ts';
import { sizingOf, stepSizes } from '../../model/counts.ts';
import type { Observation, SampleRun } from '../../model/forecast/section.ts';
import { type JobSpec, sectionStart } from '../../model/job.ts';
import type { AttemptEvent } from '../../model/ledger/records.ts';
import { isRehearsal } from '../../model/rehearsal.ts';
import type { JobView } from '../../model/view.ts';
import type { Ledger } from '../../ports/ledger.ts';
import type { Platform } from '../../ports/platform.ts';
import { readView } from '../journal.ts';
import { readOutput } from '../output.ts';

/** The most tasks of a step that are read, spread over all of them. */
const MAX_TASKS_READ = 600;
/** Attempts of a task that a page should include: those that failed before it was done. */
const PAGE = 8;
const IN_FLIGHT = 16;
/** With fewer warm attempts than this, cold ones count, too. */
const ENOUGH = 6;
/** Seconds from the last attempt to the close, if not every attempt was read. */
const CLOSING = 0.5;

interface ObserveOptions {
  /** True: use the commands' own times instead of the attempts', because the store was slowed down on purpose. */
  readonly commandsOnly: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Measurements of a job's tasks after it ran. Uses published ones, however often they were tried before. */
export async function observe(platform: Platform, view: JobView, options: ObserveOptions): Promise<SampleRun> {
  const ledger = await platform.ledger();
  const { job, spec, createdAt } = view.record;
  const totals = stepSizes(sizingOf(view));
  const done: (readonly AttemptEvent[])[] = [];
  for (const [index, { name }] of spec.steps.entries())
    done.push(await doneAttempts(ledger, job, name, totals[index] ?? 0, options.signal));
  const whole = totals.every((total) => (total ?? 0) <= MAX_TASKS_READ);
  const sizes = new Map((done[0] ?? []).map(({ task, bytesIn }) => [task, bytesIn ?? 0]));
  const cold = whole ? firstOfSlots(done.flat()) : new Set<string>();
  const steps: (readonly Observation[])[] = [];
  for (const [index, all] of done.entries()) {
    const warm = all.filter(({ attempt }) => !cold.has(attempt));
    const begun = sectionStart(spec.steps, index) === 0 ? sizes : null;
    steps.push(await observations(platform, view, index, warm.length < ENOUGH ? all : warm, begun, options));
  }
  const first = done.flat().reduce((least, { startedAt }) => Math.min(least, startedAt), Number.POSITIVE_INFINITY);
  const last = done.flat().reduce((most, { endedAt }) => Math.max(most, endedAt ?? 0), 0);
  const counts = await ledger.counts(job);
  const closed = view.closed === null ? last : Date.parse(view.closed.when);
  return {
    steps,
    bytesIn: counts.find(({ step }) => step === spec.steps[0]?.name)?.bytesIn ?? 0,
    before: Number.isFinite(first) ? Math.max(0, first - Date.parse(createdAt)) / 1_000 : 0,
    after: whole ? Math.max(0, closed - last) / 1_000 : CLOSING,
  };
}

/** Each slot's first attempt also starts its shell and stages the job's files, which matters only in a sample. */
function firstOfSlots(attempts: readonly AttemptEvent[]): ReadonlySet<string> {
  const firsts = new Map<string, AttemptEvent>();
  for (const event of attempts) {
    const slot = `${event.worker}/${event.slot}`;
    const known = firsts.get(slot);
    if (known === undefined || event.startedAt < known.startedAt) firsts.set(slot, event);
  }
  return new Set([...firsts.values()].map(({ attempt }) => attempt));
}

async function doneAttempts(
  ledger: Ledger,
  job: string,
  step: string,
  total: number,
  signal: AbortSignal | undefined,
): Promise<readonly AttemptEvent[]> {
  const found = new Map<number, AttemptEvent>();
  const take = (page: readonly AttemptEvent[]): void => {
    for (const event of page) if (event.step === step && event.outcome === 'done') found.set(event.task, event);
  };
  const looks = Math.min(total, MAX_TASKS_READ);
  for (let i = 0; i < looks; i += 1) {
    signal?.throwIfAborted();
    const task = total <= looks ? i : Math.round((i * (total - 1)) / (looks - 1));
    if (found.has(task)) continue;
    // No attempt's id sorts after it, so the page begins with this task.
    take(
      await ledger.attemptsOfJob(job, {
        after: { step, task: task - 1, attempt: '~' },
        limit: total <= looks ? 4 * PAGE : PAGE,
      }),
    );
  }
  return [...found.values()].sort((a, b) => a.task - b.task);
}

async function observations(
  { store }: Platform,
  { record: { job, spec } }: JobView,
  index: number,
  done: readonly AttemptEvent[],
  sizes: ReadonlyMap<number, number> | null,
  { commandsOnly }: ObserveOptions,
): Promise<readonly Observation[]> {
  const step = spec.steps[index];
  const looks = step !== undefined && (commandsOnly || step.explode);
  const look = async (event: AttemptEvent): Promise<Observation> => {
    const output = looks ? await readOutput(store, job, step.name, event.task) : null;
    const attempted = Math.max(0, (event.endedAt ?? event.startedAt) - event.startedAt) / 1_000;
    return {
      task: event.task,
      size: sizes?.get(event.task) ?? event.bytesIn ?? 0,
      seconds: commandsOnly ? (output?.meta.seconds ?? attempted) : attempted,
      bytesIn: event.bytesIn ?? 0,
      bytesOut: event.bytesOut ?? 0,
      cpuSeconds: event.cpuSeconds,
      peakMemory: event.peakMemory,
      files: step?.explode ? (output?.files.length ?? 0) : null,
    };
  };
  const seen: Observation[] = [];
  for await (const one of mapAhead(done, IN_FLIGHT, look)) seen.push(one);
  return seen;
}

/** The newest few show the current speed. */
const RUNS = 3;
/** Number of the newest jobs of this name that are searched for them. */
const LATEST = 50;

/** The latest runs of a job, newest first: those of the same name and steps that succeeded; no rehearsals. */
export async function historyOf(
  platform: Platform,
  { name, steps }: Pick<JobSpec, 'name' | 'steps'>,
  signal?: AbortSignal,
): Promise<readonly SampleRun[]> {
  const ledger = await platform.ledger();
  const runs: SampleRun[] = [];
  for (const job of await ledger.jobs({ name, states: ['succeeded'], limit: LATEST })) {
    if (job.pruned || isRehearsal(job.steps)) continue;
    // A job that can't be read must prevent neither a plan nor a rehearsal.
    const view = await readView(platform.store, job.job).catch(nullIfUnreadable);
    if (view === null || view.pruned !== null) continue;
    const { spec } = view.record;
    if (spec.steps.map((step) => step.name).join() !== steps.map((step) => step.name).join()) continue;
    const run = await observe(platform, view, { commandsOnly: false, signal });
    if (run.steps.some((seen) => seen.length > 0)) runs.push(run);
    if (runs.length === RUNS) break;
  }
  return runs;
}
