import { ahead } from '../../lib/ahead.ts';
import type { Observation, SampleRun } from '../../model/forecast/sample.ts';
import { sectionStart } from '../../model/job.ts';
import { sizingOf, stepSizes } from '../../model/step-sizes.ts';
import type { JobView } from '../../model/view.ts';
import type { AttemptEvent, Ledger } from '../../ports/ledger.ts';
import type { Platform } from '../../ports/platform.ts';
import { readOutput } from '../output.ts';

/** Of a step with more tasks than this, so many are looked at, spread over all of them. */
const LOOKED_AT = 600;
/** Attempts of a task that a page is to reach past: those that failed before it was done. */
const PAGE = 8;
const IN_FLIGHT = 16;
/** Seconds from the last attempt to the close, where not every attempt was looked at. */
const CLOSING = 0.5;

export interface ObserveOptions {
  /**
   * True takes the commands' own time in place of the attempts': the store was made slow on purpose, and that is not to be
   * forecast.
   */
  readonly commandsOnly: boolean;
  readonly signal?: AbortSignal;
}

/** What a job that ran tells of its tasks. Those that were published count, however often they were tried before. */
export async function observe(platform: Platform, view: JobView, options: ObserveOptions): Promise<SampleRun> {
  const ledger = await platform.ledger();
  const { job, spec, createdAt } = view.record;
  const totals = stepSizes(sizingOf(view));
  const steps: (readonly Observation[])[] = [];
  const sizes = new Map<number, number>();
  let [first, last, whole] = [Number.POSITIVE_INFINITY, 0, true];
  for (const [index, { name }] of spec.steps.entries()) {
    const total = totals[index] ?? 0;
    whole &&= total <= LOOKED_AT;
    const done = await doneAttempts(ledger, job, name, total, options.signal);
    for (const { startedAt, endedAt } of done) {
      first = Math.min(first, startedAt);
      last = Math.max(last, endedAt ?? 0);
    }
    if (index === 0) for (const { task, bytesIn } of done) sizes.set(task, bytesIn ?? 0);
    const begun = sectionStart(spec.steps, index) === 0 ? sizes : null;
    steps.push(await observations(platform, view, index, done, begun, options));
  }
  const counts = await ledger.counts(job);
  const closed = view.closed === null ? last : Date.parse(view.closed.when);
  return {
    steps,
    bytesIn: counts.find(({ step }) => step === spec.steps[0]?.name)?.bytesIn ?? 0,
    before: Number.isFinite(first) ? Math.max(0, first - Date.parse(createdAt)) / 1_000 : 0,
    after: whole ? Math.max(0, closed - last) / 1_000 : CLOSING,
  };
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
  const looks = Math.min(total, LOOKED_AT);
  for (let i = 0; i < looks; i += 1) {
    signal?.throwIfAborted();
    const task = total <= looks ? i : Math.round((i * (total - 1)) / (looks - 1));
    if (found.has(task)) continue;
    // No attempt's id comes after it: the page begins with this task.
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
  for await (const one of ahead(done, IN_FLIGHT, look)) seen.push(one);
  return seen;
}
