import { BatchctlError } from '../errors.ts';
import { openedStep, writeShards } from '../jobs/explode.ts';
import { readJob, refreshView } from '../jobs/journal.ts';
import { readOpened, stepTotals } from '../jobs/listing.ts';
import { emptyView } from '../model/fold.ts';
import { journalKey, shardOf, stagedTaskPrefix, stepPartShardKey } from '../model/keys.ts';
import { type FilePart, PARTS_PER_SHARD, type Part } from '../model/part.ts';
import { type PartedJob, partPlace } from '../model/part-shards.ts';
import type { JobView } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';

const SHARDS_KEPT = 4;
const JOBS_KEPT = 100;

/** The jobs that a worker has seen: their journals as last read, and the part shards in use. */
export class JobCache {
  readonly #store: ObjectStore;
  readonly #freshMs: number;
  readonly #views = new Map<string, JobView>();
  /** When each view was last read, monotonic. */
  readonly #readAt = new Map<string, number>();
  readonly #shards = new Map<string, readonly string[]>();
  /** Shards of steps after an `explode` being written, by step: once for all tasks. */
  readonly #writing = new Map<string, Promise<void>>();

  /** A view is read again once it is `freshMs` old, so that a worker that was idle meanwhile obeys a pause. */
  constructor(store: ObjectStore, freshMs: number) {
    this.#store = store;
    this.#freshMs = freshMs;
  }

  /** The job as last read, or read now; `gone` for a pruned job, null for one that provably was never committed. */
  async get(job: string): Promise<JobView | 'gone' | null> {
    const known = this.#views.get(job);
    if (known !== undefined) {
      const age = performance.now() - (this.#readAt.get(job) ?? 0);
      return age < this.#freshMs ? known : await this.refresh(known);
    }
    const readAt = performance.now();
    const record = await readJob(this.#store, job);
    if (record === null) return (await this.#store.head(journalKey(job, 0))) === null ? null : 'gone';
    const view = await refreshView(this.#store, emptyView(record));
    if (this.#views.size >= JOBS_KEPT) this.#views.clear();
    return this.#keep(view, readAt);
  }

  /** Whether more of the job's journal has been read than this view knows. */
  hasNewer({ record, next }: JobView): boolean {
    return (this.#views.get(record.job)?.next ?? 0) > next;
  }

  async refresh(view: JobView): Promise<JobView> {
    const readAt = performance.now();
    return this.#keep(await refreshView(this.#store, this.#views.get(view.record.job) ?? view), readAt);
  }

  /** Returns the newest view: a read that ends later may have begun earlier, and knows less. */
  #keep(view: JobView, readAt: number): JobView {
    const { job } = view.record;
    const known = this.#views.get(job);
    if (known !== undefined && known.next > view.next) return known;
    this.#views.set(job, view);
    this.#readAt.set(job, readAt);
    return view;
  }

  /** A part's line. Throws `corrupt` if its shard doesn't have it. */
  async part(record: PartedJob, task: number): Promise<Part> {
    const { key, line } = partPlace(record, task);
    const lines = this.#shards.get(key) ?? (await this.#loadShard(key));
    return parsePart<Part>(key, lines[line], task);
  }

  /**
   * The file for a task of a step after an `explode`. First writes shards that a dead process left out. Throws
   * `corrupt` if the step's shard lacks the part, refers to a file that its maker didn't stage, or can't be written.
   */
  async filePart(view: JobView, index: number, task: number): Promise<FilePart> {
    const key = stepPartShardKey(view.record.job, view.record.spec.steps[index]?.name ?? '', shardOf(task));
    if (!this.#shards.has(key) && (await this.#store.head(key)) === null) await this.#writeOnce(view, index);
    const lines = this.#shards.get(key) ?? (await this.#loadShard(key));
    const part = parsePart<FilePart>(key, lines[task % PARTS_PER_SHARD], task);
    requireStagedFile(view, index, key, part);
    return part;
  }

  async #writeOnce(view: JobView, index: number): Promise<void> {
    const name = `${view.record.job}/${index}`;
    const writing = this.#writing.get(name) ?? this.#writeStep(view, index);
    this.#writing.set(name, writing);
    try {
      await writing;
    } finally {
      this.#writing.delete(name);
    }
  }

  async #writeStep(view: JobView, index: number): Promise<void> {
    const { job, spec } = view.record;
    const opened = await readOpened(this.#store, job, spec.steps[index]?.name ?? '');
    if (opened === null)
      throw new BatchctlError('corrupt', `step ${spec.steps[index]?.name} runs, but was never opened`);
    await writeShards(openedStep(this.#store, view, { index, size: stepTotals(view)[index - 1] ?? 0, opened }));
  }

  async #loadShard(key: string): Promise<readonly string[]> {
    const bytes = await this.#store.read(key);
    if (bytes === null) throw new BatchctlError('corrupt', `${key} is gone`, { hint: 'submit the job again' });
    const lines = new TextDecoder().decode(bytes).split('\n');
    if (this.#shards.size >= SHARDS_KEPT) this.#shards.delete(this.#shards.keys().next().value ?? '');
    this.#shards.set(key, lines);
    return lines;
  }
}

function parsePart<T extends { readonly n: number }>(key: string, line: string | undefined, task: number): T {
  const part = line === undefined ? null : (JSON.parse(line) as T);
  if (part?.n === task) return part;
  throw new BatchctlError('corrupt', `${key} does not contain part ${task}`, { hint: 'submit the job again' });
}

/** The file of a part must be one that a task of the step before staged in this job. */
function requireStagedFile(
  { record: { job, spec } }: JobView,
  index: number,
  shard: string,
  { n, from, key }: FilePart,
): void {
  const step = spec.steps[index - 1]?.name ?? '';
  const maker = Number(from.slice(step.length + 1));
  if (from === `${step}/${maker}` && key.startsWith(stagedTaskPrefix(job, step, maker))) return;
  throw new BatchctlError(
    'corrupt',
    `Part ${n} in ${shard} is attributed to ${from}, expected a file of ${step}, found ${key}`,
    { hint: `batchctl verify ${job} lists every altered part` },
  );
}
