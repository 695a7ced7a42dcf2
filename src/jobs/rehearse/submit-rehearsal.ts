import { PartSizes } from '../../model/forecast/part-sizes.ts';
import type { JobInput, JobSpec } from '../../model/job.ts';
import { partShardKey, partsPrefix, piecesPrefix, shardCount, shardOf } from '../../model/keys.ts';
import { inputsOf, PARTS_PER_SHARD, type Part, partSize } from '../../model/part.ts';
import { chooseParts, type Rehearsal, sampleSize } from '../../model/rehearsal.ts';
import type { JobView } from '../../model/view.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import type { Platform } from '../../ports/platform.ts';
import { removeListed } from '../discard.ts';
import { readAllParts } from '../part-lists.ts';
import type { CutParts } from '../submit/cut.ts';
import type { SampledParts, SubmitOptions } from '../submit/options.ts';
import type { Prepared } from '../submit/prepared.ts';
import { submit } from '../submit/submit.ts';

type RehearsalRequest = Pick<Rehearsal, 'sample' | 'faults' | 'seed'>;

interface SampleResult extends SampledParts {
  readonly sizes: PartSizes;
}

/**
 * Keeps a sample of a job's parts, renumbered from 0, and removes the others with their pieces. The job isn't committed
 * yet, so a crash leaves nothing that counts. Memory holds one shard.
 */
async function sampleParts(
  store: ObjectStore,
  job: string,
  { count, records, inputs }: CutParts,
  wish: RehearsalRequest,
): Promise<SampleResult> {
  const sizes = new PartSizes();
  for await (const part of readAllParts(store, { job, parts: count })) sizes.add(partSize(part, inputs));
  const chosen = chooseParts(count, sampleSize(wish.sample, count), sizes.largest);
  const kept = new SampleWriter(store, job, inputs);
  let at = 0;
  for await (const part of readAllParts(store, { job, parts: count })) {
    if (part.n !== chosen[at]) continue;
    await kept.take(part);
    at += 1;
  }
  await kept.finish();
  const bytes = inputs.reduce((sum, { size }) => sum + size, 0);
  const rehearsal: Rehearsal = {
    of: { parts: count, bytes, records },
    bytes: kept.bytes,
    inputs: kept.inputs,
    sample: wish.sample,
    faults: wish.faults,
    seed: wish.seed,
    pid: process.pid,
  };
  return { count: kept.count, records: Number.isNaN(kept.records) ? null : kept.records, rehearsal, sizes };
}

/** Overwrites shards with what is kept: a new number is never larger than the old one, so no unread part is lost. */
class SampleWriter {
  readonly #store: ObjectStore;
  readonly #job: string;
  readonly #sizes: readonly Pick<JobInput, 'size'>[];
  readonly #inputs = new Set<number>();
  readonly #pieces = new Set<string>();
  #lines: string[] = [];
  count = 0;
  bytes = 0;
  records = 0;

  constructor(store: ObjectStore, job: string, sizes: readonly Pick<JobInput, 'size'>[]) {
    this.#store = store;
    this.#job = job;
    this.#sizes = sizes;
  }

  get inputs(): number {
    return this.#inputs.size;
  }

  async take(part: Part): Promise<void> {
    for (const input of inputsOf(part)) this.#inputs.add(input);
    if (part.kind === 'piece') this.#pieces.add(part.key);
    this.#lines.push(JSON.stringify({ ...part, n: this.count }));
    this.count += 1;
    this.bytes += part.kind === 'range' ? part.length : partSize(part, this.#sizes);
    this.records +=
      part.kind === 'item' || part.kind === 'row'
        ? 1
        : 'records' in part && part.records !== undefined
          ? part.records
          : Number.NaN;
    if (this.#lines.length === PARTS_PER_SHARD) await this.#flush();
  }

  /** Writes the last shard; removes parts that are not kept. */
  async finish(): Promise<void> {
    await this.#flush();
    const end = partShardKey(this.#job, shardCount(this.count));
    await removeListed(
      this.#store,
      this.#listed(partsPrefix(this.#job), (key) => key >= end),
    );
    await removeListed(
      this.#store,
      this.#listed(piecesPrefix(this.#job), (key) => !this.#pieces.has(key)),
    );
  }

  async #flush(): Promise<void> {
    if (this.#lines.length === 0) return;
    await this.#store.put(partShardKey(this.#job, shardOf(this.count - 1)), `${this.#lines.join('\n')}\n`);
    this.#lines = [];
  }

  async *#listed(prefix: string, goes: (key: string) => boolean): AsyncGenerator<{ key: string; size: number }> {
    for await (const entry of this.#store.list(prefix)) if (goes(entry.key)) yield entry;
  }
}

export interface SubmittedRehearsal {
  readonly view: JobView;
  readonly sizes: PartSizes;
}

/**
 * The job with all steps in the rehearsal's own group, where no other worker takes them. The steps also get what the
 * profile gives the commands of their groups; the steps' own values take precedence.
 */
export function rehearsedSpec(
  spec: JobSpec,
  group: string,
  settingsOf: Platform['commandSettings'] = () => ({ env: {}, secrets: {} }),
): JobSpec {
  const steps = spec.steps.map((step) => {
    const { env, secrets } = settingsOf(step.group);
    const others = Object.entries(secrets).filter(([name]) => !Object.hasOwn(step.env, name));
    return {
      ...step,
      group,
      interruptions: null,
      fallback: null,
      env: { ...env, ...step.env },
      secrets: { ...Object.fromEntries(others), ...step.secrets },
    };
  });
  return { ...spec, steps };
}

/**
 * Submits a sample of a prepared job with the same steps as `submit`: cuts all of the input, then keeps only the
 * sample's parts. Claims no run key and sets no deadline. Throws as `submit` does.
 */
export async function submitRehearsal(
  platform: Platform,
  prepared: Prepared,
  wish: RehearsalRequest,
  options: Pick<SubmitOptions, 'signal' | 'onProgress'>,
): Promise<SubmittedRehearsal> {
  let sampled: SampleResult | null = null;
  const sample = async (job: string, parts: CutParts): Promise<SampleResult> => {
    sampled = await sampleParts(platform.store, job, parts, wish);
    return sampled;
  };
  const request = { ...prepared.request, finishBy: null, maxCost: null };
  const { view } = await submit(platform, { ...prepared, request, runKey: null }, { ...options, sample });
  return { view, sizes: sizesOf(sampled) };
}

function sizesOf(sampled: SampleResult | null): PartSizes {
  if (sampled === null) throw new TypeError('a submission without a key always cuts its input');
  return sampled.sizes;
}
