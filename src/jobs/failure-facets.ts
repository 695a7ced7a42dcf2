import { posix } from 'node:path';
import { type Facet, FacetTable, type Trait } from '../model/facets.ts';
import { type CauseKey, causeText } from '../model/failure.ts';
import type { JobRecord } from '../model/job.ts';
import type { LedgerTask, LedgerWorker } from '../model/ledger/records.ts';
import type { JobView } from '../model/view.ts';
import type { Platform } from '../ports/platform.ts';
import type { TaskFailure } from './failures.ts';
import { type Origin, originFinder } from './fetch/input-names.ts';
import { stepTotals } from './listing.ts';
import { ledgerTasks } from './tasks.ts';

const HOUR_MS = 3_600_000;
const HOURS = 24;

/** Five bytes are kept of each task of a step. 0: none, or unknown; otherwise one more than the index. */
interface StepFailures {
  readonly table: FacetTable<string>;
  readonly causeAt: Uint16Array;
  readonly workerAt: Uint16Array;
  readonly hourAt: Uint8Array;
}

/** The last worker of an index of two bytes: those beyond are unknown. */
const MOST_INDEXED = 65_535;

/** Steps of more tasks are not compared: `failures`, which the dashboard repeats, would read the ledger for seconds. */
const MOST_TASKS = 200_000;

/**
 * What the tasks of each cause have in common. `observe` gets each failure as causes are found; `find` then reads, once,
 * the ledger's tasks that are done, of steps with a suspect, if there is any. Memory is five bytes a task of these steps.
 */
export class FailureFacets {
  readonly #platform: Platform;
  readonly #view: JobView;
  readonly #originOf: (step: number, task: number) => Promise<Origin>;
  readonly #steps = new Map<number, StepFailures>();
  readonly #causes = new Index();
  readonly #workers = new Index();
  #facts: ReadonlyMap<string, LedgerWorker> | null = null;

  constructor(platform: Platform, view: JobView) {
    this.#platform = platform;
    this.#view = view;
    this.#originOf = originFinder(platform.store, view);
  }

  readonly observe = async (step: number, cause: string, { task, worker, endedAt }: TaskFailure): Promise<void> => {
    const size = stepTotals(this.#view)[step] ?? 0;
    if (size > MOST_TASKS) return;
    const known = this.#steps.get(step) ?? {
      table: new FacetTable<string>(),
      causeAt: new Uint16Array(size),
      workerAt: new Uint16Array(size),
      hourAt: new Uint8Array(size),
    };
    this.#steps.set(step, known);
    known.causeAt[task] = this.#causes.of(cause);
    known.workerAt[task] = worker === null ? 0 : this.#workers.of(worker);
    known.hourAt[task] = endedAt === null ? 0 : hourOf(endedAt) + 1;
    known.table.addFailed(cause, await this.#traitsOf(step, task, { worker, hour: known.hourAt[task] - 1 }));
  };

  /** The facets of each cause. */
  async find(): Promise<(cause: CauseKey) => readonly Facet[]> {
    if (this.#steps.size === 0) return () => [];
    const shareOf = sharesOf(this.#view, await this.#knownWorkers(), this.#platform.clock.now());
    const tables = new Map<string, FacetTable<string>>();
    for (const [step, failures] of this.#steps) {
      if (!failures.table.findSuspects(shareOf)) continue;
      await this.#countFailed(step, failures);
      await this.#countDone(step, failures.table);
      tables.set(this.#view.record.spec.steps[step]?.name ?? '', failures.table);
    }
    return (cause) => tables.get(cause.step)?.facets(causeText(cause)) ?? [];
  }

  async #countFailed(step: number, { table, causeAt, workerAt, hourAt }: StepFailures): Promise<void> {
    for (const [task, at] of causeAt.entries()) {
      const cause = this.#causes.at(at);
      if (cause === null) continue;
      const ran = { worker: this.#workers.at(workerAt[task] ?? 0), hour: (hourAt[task] ?? 0) - 1 };
      table.count(cause, await this.#traitsOf(step, task, ran));
    }
  }

  async #countDone(step: number, table: FacetTable<string>): Promise<void> {
    const { job, spec } = this.#view.record;
    const rows: AsyncIterable<LedgerTask> = ledgerTasks(this.#platform, job, {
      states: ['done'],
      step: spec.steps[step]?.name ?? '',
    });
    for await (const { task, worker, endedAt } of rows) {
      const ran = { worker, hour: endedAt === null ? -1 : hourOf(endedAt) };
      table.count(null, await this.#traitsOf(step, task, ran));
    }
  }

  async #traitsOf(
    step: number,
    task: number,
    { worker, hour }: { readonly worker: string | null; readonly hour: number },
  ): Promise<readonly Trait[]> {
    const traits: Trait[] = [];
    const add = (kind: Trait['kind'], value: string | undefined, name: string | null = null): void => {
      if (value !== undefined) traits.push({ kind, name, value });
    };
    const { inputs, spec } = this.#view.record;
    const by = spec.input?.split.by;
    // Numbers of a range and lines of a list are of one task each, and one input is that of all.
    const isSweep = by === 'grid' || by === 'table';
    if (by !== 'range' && by !== 'list' && (isSweep || inputs.length > 1 || this.#view.exploded.size > 0)) {
      const { params, input } = await this.#originOf(step, task);
      for (const [name, value] of Object.entries(params ?? {})) add('param', value, name);
      if (input !== null) add('input', input);
      if (input !== null) add('directory', directoryOf(input));
    }
    const facts = worker === null ? undefined : (await this.#knownWorkers()).get(worker);
    if (facts !== undefined) {
      add('host', facts.host);
      add('instanceType', facts.machine?.type);
      add('zone', facts.machine?.zone);
      add('version', facts.version);
    }
    if (hour >= 0) add('hour', hourText(hour));
    return traits;
  }

  async #knownWorkers(): Promise<ReadonlyMap<string, LedgerWorker>> {
    if (this.#facts !== null) return this.#facts;
    const ledger = await this.#platform.ledger();
    const seen = await ledger.workers({ since: Date.parse(this.#view.record.createdAt) });
    this.#facts = new Map(seen.map((worker) => [worker.worker, worker]));
    return this.#facts;
  }
}

/** Texts as numbers from 1. */
class Index {
  readonly #numbers = new Map<string, number>();
  readonly #texts: string[] = [];

  of(text: string): number {
    const known = this.#numbers.get(text);
    if (known !== undefined || this.#texts.length === MOST_INDEXED) return known ?? 0;
    this.#texts.push(text);
    this.#numbers.set(text, this.#texts.length);
    return this.#texts.length;
  }

  at(number: number): string | null {
    return this.#texts[number - 1] ?? null;
  }
}

const hourOf = (at: number): number => Math.floor(at / HOUR_MS) % HOURS;
const hourText = (hour: number): string => `${String(hour).padStart(2, '0')}:00`;

function directoryOf(input: string): string {
  const directory = posix.dirname(input);
  return directory === '.' ? './' : `${directory}/`;
}

/** Estimates which share of the tasks has a trait; null: unknown. */
function sharesOf(
  view: JobView,
  workers: ReadonlyMap<string, LedgerWorker>,
  now: number,
): (trait: Trait) => number | null {
  const done = [...workers.values()].reduce((sum, worker) => sum + worker.done, 0);
  const ofWorkers = (has: (worker: LedgerWorker) => boolean): number | null => {
    const those = [...workers.values()].filter(has);
    if (those.length === workers.size) return 1;
    return done === 0 ? null : those.reduce((sum, worker) => sum + worker.done, 0) / done;
  };
  return ({ kind, name, value }) => {
    switch (kind) {
      case 'param':
        return axisShare(view.record, name ?? '');
      case 'input':
        return inputShare(view.record, (input) => input === value);
      case 'directory':
        return inputShare(view.record, (input) => directoryOf(input) === value);
      case 'host':
        return ofWorkers((worker) => worker.host === value);
      case 'instanceType':
        return ofWorkers((worker) => worker.machine?.type === value);
      case 'zone':
        return ofWorkers((worker) => worker.machine?.zone === value);
      case 'version':
        return ofWorkers((worker) => worker.version === value);
      case 'hour':
        return hourShare(view, now, value);
      default:
        return kind satisfies never;
    }
  };
}

function axisShare({ spec, extents }: JobRecord, name: string): number | null {
  const split = spec.input?.split;
  // What `exclude` leaves of each value, and an extension adds to it, is not counted here.
  if (split?.by !== 'grid' || split.exclude !== undefined || extents !== undefined || !Object.hasOwn(split.axes, name))
    return null;
  const values = split.axes[name];
  return values === undefined ? null : 1 / values.length;
}

function inputShare({ inputs }: JobRecord, has: (input: string) => boolean): number | null {
  let [all, those] = [0, 0];
  for (const { name, size } of inputs) {
    all += size;
    if (has(name)) those += size;
  }
  // Behind an `explode` no input has the name.
  return those === 0 ? null : those / all;
}

/** The part of the job's time, so far, in an hour of the day. */
function hourShare({ record, closed }: JobView, now: number, value: string): number | null {
  const [from, to] = [Date.parse(record.createdAt), closed === null ? now : Date.parse(closed.when)];
  if (!(to > from)) return null;
  let within = 0;
  for (let at = Math.floor(from / HOUR_MS) * HOUR_MS; at < to; at += HOUR_MS) {
    if (hourText(hourOf(at)) === value) within += Math.min(to, at + HOUR_MS) - Math.max(from, at);
  }
  return within / (to - from);
}
