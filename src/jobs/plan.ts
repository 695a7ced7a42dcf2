import type { Plan } from '../model/answers/plan.ts';
import { requestsCost } from '../model/cost/list-prices.ts';
import { stepSizes } from '../model/counts.ts';
import { forecastJob, type JobForecast, type MachineLoad } from '../model/forecast/forecast.ts';
import { PartSizes } from '../model/forecast/part-sizes.ts';
import { combinationsOf } from '../model/grid.ts';
import { emptyInputs, type JobInput, type JobSpec, joinOf, takesPacks } from '../model/job.ts';
import { partsPrefix, shardCount } from '../model/keys.ts';
import { parsePart, partSize } from '../model/part.ts';
import type { ObjectStore, PutResult } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import { costOfForecast } from './cost/affordable.ts';
import { historyOf } from './rehearse/observe.ts';
import { type CutParts, cut } from './submit/cut.ts';
import type { Prepared } from './submit/prepared.ts';
import { shownDifference, standingRun } from './submit/same-job.ts';

export interface PlanOptions {
  readonly slots: number;
  readonly load: MachineLoad;
  /** The result of splitting by the caller: the inputs are not here. */
  readonly cut?: PlannedCut | null;
  /** Count what an existing job would be extended by. */
  readonly extend?: boolean;
  readonly signal?: AbortSignal;
}

/** The result of splitting, without the parts. */
export interface PlannedCut extends Omit<CutParts, 'assumed'> {
  readonly sizes: PartSizes;
  /** Bytes of pieces that would be stored. */
  readonly pieces: number;
}

/** Splits the inputs to count and measure parts, keeping none. Closes them. */
export async function planCut(prepared: Prepared, signal?: AbortSignal): Promise<PlannedCut> {
  const cutting = new PlannedParts(prepared.inputs.map(({ input }) => input));
  const parts = await cut(cutting, PLANNED, prepared, { signal });
  return { ...parts, sizes: cutting.sizes, pieces: cutting.pieces };
}

/**
 * Requests per task at most: GET of its input; PUT of its output, its log and the ledger's record of it; received and
 * acked. Short tasks share the last three (bench/aws-map.bench.mjs).
 */
export const TASK_REQUESTS = { gets: 1, puts: 3, queue: 2 } as const;
/** Further requests per job: code, open mark, job.json, run key, journal, proof, and looks at them. */
const JOB_REQUESTS = { gets: 10, puts: 10 } as const;

/** The plan of the prepared submission. Writes nothing, and closes its inputs. */
export async function planOf(platform: Platform, prepared: Prepared, options: PlanOptions): Promise<Plan> {
  const standing = await standingRun(platform, prepared);
  const { slots, load, signal } = options;
  const added =
    standing === null || options.extend !== true
      ? null
      : await (await import('./submit/extend.ts')).countAdded(platform.store, standing.view, prepared);
  const parts = options.cut ?? (await planCut(prepared, signal));
  const { spec } = prepared;
  const { steps } = spec;
  const sizes = stepSizes({ steps, parts: parts.count, exploded: new Map() });
  const planned = steps.map((step, index) => ({
    name: step.name,
    group: step.group,
    tasks: sizes[index] ?? null,
    gather: step.gather,
    join: step.gather && step.input !== 'dir' && step.input !== 'list' ? joinOf(spec, index - 1, step) : null,
  }));
  const runs = parts.count === 0 ? [] : await historyOf(platform, spec, signal);
  const { notBefore = null } = prepared.request;
  const begins = Math.max(platform.clock.now(), notBefore === null ? 0 : Date.parse(notBefore));
  const tasks = planned.reduce((sum, step) => sum + (step.tasks ?? 0), 0);
  const seen =
    runs.length === 0 ? null : forecastJob({ spec, parts: parts.sizes, runs, slots, load, pieces: parts.pieces });
  const forecast = seen === null ? null : { ...seen, cost: await costOfForecast(platform, spec, seen) };
  return {
    name: prepared.spec.name,
    runKey: prepared.runKey,
    existing:
      standing === null
        ? null
        : {
            job: standing.view.record.job,
            sameContent: standing.differences.length === 0,
            differences: standing.differences.map(shownDifference),
            ...(added !== null && { added }),
          },
    inputs: parts.inputs.map(({ name, size, records, compression }) => ({ name, size, records, compression })),
    moreInputs: 0,
    emptyInputs: emptyInputs(parts.inputs),
    ...gridOf(spec),
    bytes: parts.inputs.reduce((sum, { size }) => sum + size, 0),
    parts: parts.count,
    records: parts.records,
    steps: planned,
    tasks,
    messages: tasks,
    // A task of packed files makes a request for each.
    requests: requestsOf(
      { tasks, parts: parts.count, files: takesPacks(spec, 0) ? parts.inputs.length - parts.count : 0 },
      platform.workplace.paysRequests,
    ),
    files: prepared.code?.files ?? [],
    forecast,
    notBefore,
    finishBy: prepared.request.finishBy ?? null,
    maxCost: prepared.request.maxCost ?? null,
    projected: forecast === null ? null : projectedEnd(begins, forecast.seconds),
  };
}

/** The parameters that a split makes. */
function gridOf({ input }: JobSpec): Pick<Plan, 'axes' | 'excluded'> {
  const split = input?.split;
  if (split?.by === 'range') {
    const { from, to } = split;
    const index = { name: 'index', values: to - from + 1, first: String(from), last: String(to) };
    return { axes: [index], excluded: 0 };
  }
  if (split?.by !== 'grid') return { axes: [], excluded: 0 };
  const axes = Object.entries(split.axes).map(([name, values]) => {
    return { name, values: values.length, first: values[0] ?? '', last: values.at(-1) ?? '' };
  });
  return { axes, excluded: combinationsOf(split).excluded };
}

/** `priced`: the store and the queues are AWS's. */
function requestsOf(
  { tasks, parts, files }: { readonly tasks: number; readonly parts: number; readonly files: number },
  priced: boolean,
): Plan['requests'] {
  const gets = tasks * TASK_REQUESTS.gets + files + JOB_REQUESTS.gets;
  const puts = tasks * TASK_REQUESTS.puts + shardCount(parts) + JOB_REQUESTS.puts;
  const queue = tasks * TASK_REQUESTS.queue;
  return { store: gets + puts, queue, cost: priced ? requestsCost({ gets, puts, queue }) : null };
}

function projectedEnd(now: number, { low, expected, high }: JobForecast['seconds']): NonNullable<Plan['projected']> {
  const after = (seconds: number): string => new Date(now + seconds * 1_000).toISOString();
  return { low: after(low), expected: after(expected), high: after(high) };
}

const PLANNED = 'plan';

/** Receives a plan's parts and pieces, and keeps only their sizes. */
class PlannedParts implements Pick<ObjectStore, 'put' | 'uploadFile'> {
  readonly sizes = new PartSizes();
  readonly #inputs: readonly Pick<JobInput, 'size'>[];
  /** Bytes of pieces that would be stored. */
  pieces = 0;

  constructor(inputs: readonly Pick<JobInput, 'size'>[]) {
    this.#inputs = inputs;
  }

  async put(key: string, body: Uint8Array | string): Promise<PutResult> {
    if (!key.startsWith(partsPrefix(PLANNED))) return WRITTEN;
    const lines = (typeof body === 'string' ? body : new TextDecoder().decode(body)).split('\n');
    for (const part of lines.map(parsePart)) {
      if (part === null) continue;
      const size = partSize(part, this.#inputs);
      this.sizes.add(size);
      if (part.kind === 'piece') this.pieces += size;
    }
    return WRITTEN;
  }

  async uploadFile(): Promise<PutResult> {
    return WRITTEN;
  }
}

const WRITTEN: PutResult = { created: true, etag: '' };
