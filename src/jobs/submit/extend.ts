import { createHash } from 'node:crypto';
import { BatchctlError } from '../../errors.ts';
import { randomId } from '../../lib/id.ts';
import { canonicalJson } from '../../lib/json.ts';
import { formatMany } from '../../lib/units.ts';
import { range, standingOf } from '../../model/decide.ts';
import { expectsRecords } from '../../model/expect.ts';
import type { InputSpec, JobInput, JobRecord, SplitSpec } from '../../model/job.ts';
import { extentPieceKey, extentPrefix, extentShardKey, JOBS_PREFIX } from '../../model/keys.ts';
import { requireLegal } from '../../model/legal.ts';
import { hasParams, type Part, paramsText, partParams, type TaskParams } from '../../model/part.ts';
import { type JobView, stateOf } from '../../model/view.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import type { Platform } from '../../ports/platform.ts';
import { removeKeys } from '../discard.ts';
import { listFacts } from '../listing.ts';
import { readAllParts } from '../part-lists.ts';
import { recordView } from '../record-view.ts';
import { beginRound } from '../round-marks.ts';
import { sendTasks, sendUndecided } from '../send.ts';
import { storePieces } from '../split/cut-pieces.ts';
import { type InputFacts, type SplitOptions, splitInputs } from '../split/split-inputs.ts';
import { paramNames } from '../task-params.ts';
import { cutInput, ShardWriter, sumRecords } from './cut.ts';
import type { SubmitOptions, SubmitResult } from './options.ts';
import type { Prepared } from './prepared.ts';
import { differenceText, factsOf, inputIdentity, otherThanInput, shownDifference } from './same-job.ts';
import { columnsCheck } from './table-columns.ts';
import { type FoundInput, uploadInputs } from './upload-inputs.ts';

/** The inputs that one extension may add: they are in its journal entry, which every worker reads. */
const MOST_INPUTS = 100_000;

/**
 * Adds to a job what a submission has beyond it: rows, combinations, or inputs. Nothing that the job has changes. The
 * order is inputs, parts, open mark, entry (the commit), messages: a crash before the entry leaves objects that no entry
 * names, one after it a round that any watcher completes. Equal parameters are counted: of three equal rows, two of
 * which the job has, one is new. Memory: about 100 bytes a task whose parameters are compared. Throws `refused` if the
 * job has a part or an input that the submission lacks, if they differ in anything else, for a job that can't be
 * extended, and if another process extended it meanwhile.
 */
export async function extendJob(
  platform: Platform,
  seen: JobView,
  prepared: Prepared,
  options: SubmitOptions,
): Promise<SubmitResult & { readonly added: number }> {
  const input = requireExtendable(seen, prepared);
  const { store } = platform;
  const { job } = seen.record;
  const name = randomId(16);
  const news = newInputs(seen.record, prepared.inputs);
  requireAllInputs(seen.record, input.split, news);
  const { signal, onProgress } = options;
  const fresh = await uploadInputs(store, news.fresh, {
    signal,
    onProgress: (done, total) => onProgress?.({ phase: 'upload', done, total }),
  });
  options.passed?.('inputs');
  const context = { store, into: store, view: seen, prepared, name, options };
  const discard = (): Promise<void> => removeKeys(store, store.keys(extentPrefix(job, name)));
  const added = await orElse(discard, () => cutAdded({ ...news, fresh }, context));
  options.passed?.('parts');
  if (added.count === 0) return { view: await finishExtending(platform, seen), created: false, added: 0 };
  const { maxTasks } = prepared.spec;
  const rest = { name, first: seen.record.parts, ...added, input, maxTasks, digest: prepared.digest } as const;
  let view = seen;
  for (let appended = false; !appended; ) {
    ({ view, appended } = await beginRound(platform, view, { what: 'extend', round: view.round + 1, ...rest }));
    // Another entry came first. Where the answer was lost, the parts may be the job's: then they stay.
    if (!appended) await orElse(discard, async () => requireStillFirst(view, prepared, rest.first));
  }
  options.passed?.('claim');
  // Someone may have removed an object that no job named yet: what is gone is put again.
  await uploadInputs(store, fresh, { signal });
  await recordView(platform, view);
  if (view.paused === null) {
    const onProgress = (done: number): void => options.onProgress?.({ phase: 'send', done, total: added.count });
    await sendTasks(platform, view, 0, range(added.count, seen.record.parts), { first: true, onProgress });
  }
  options.passed?.('sent');
  return { view, created: false, added: added.count };
}

/** Returns what `work` does. If it fails, does `undo` and throws its error. */
async function orElse<T>(undo: () => Promise<void>, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    // What can't be removed now belongs to no extension, and is ignored.
    await undo().catch(() => undefined);
    throw error;
  }
}

function requireStillFirst(view: JobView, prepared: Prepared, first: number): void {
  requireExtendable(view, prepared);
  if (view.record.parts === first) return;
  const hint = 'run the same command again: it adds what is still new';
  throw refused(view, 'was extended by another process at this time', hint);
}

/** What a submission would add to a job; nothing is written. Throws as `extendJob` does. */
export async function countAdded(store: ObjectStore, view: JobView, prepared: Prepared): Promise<number> {
  const { split } = requireExtendable(view, prepared);
  const news = newInputs(view.record, prepared.inputs);
  requireAllInputs(view.record, split, news);
  const into: Writer = { put: async () => WRITTEN, uploadFile: async () => WRITTEN };
  return (await cutAdded(news, { store, into, view, prepared, name: '', options: {} })).count;
}

const WRITTEN = { created: true, etag: '' } as const;

/** An earlier call may have died between its entry and its messages: a second message is harmless. */
async function finishExtending(platform: Platform, view: JobView): Promise<JobView> {
  const last = view.record.extents?.at(-1);
  if (last === undefined || last.round !== view.round || stateOf(view) !== 'running') return view;
  await recordView(platform, view);
  const among = { [view.record.spec.steps[0]?.name ?? '']: `${last.first}-${last.first + last.count - 1}` };
  await sendUndecided(platform, view, standingOf(view, await listFacts(platform.store, view)), among);
  return view;
}

function refused({ record: { job } }: JobView, why: string, hint: string): BatchctlError {
  return new BatchctlError('refused', `job ${job} ${why}`, { hint });
}

/** Returns what the job's input will be. */
function requireExtendable(view: JobView, prepared: Prepared): InputSpec {
  requireLegal(view, 'extend');
  const { record, stopped } = view;
  const { job, spec } = record;
  const [from, to] = [spec.input, prepared.spec.input];
  const anew = 'submit another job for all of it, with --again';
  const joins = spec.steps.find(({ gather, explode }) => gather || explode);
  if (joins !== undefined)
    throw refused(view, `can't be extended: step ${joins.name} takes what all tasks before it made, once`, anew);
  if (record.rehearsal) throw refused(view, "can't be extended: it is a rehearsal", `batchctl status ${job}`);
  if (stopped !== null)
    throw refused(view, 'stopped at its first failure', `batchctl retry ${job}, then run the same command again`);
  const differences = otherThanInput(view, factsOf(prepared)).map((each) => differenceText(shownDifference(each)));
  if (from === null || to === null || !isSameKind(from.split, to.split)) differences.push('input.split has changed');
  if (differences.length > 0 || to === null)
    throw refused(view, `can't be extended with another job: ${differences.slice(0, 3).join('; ')}`, anew);
  return to;
}

/** An axis or a range may have other values. */
function isSameKind(from: SplitSpec, to: SplitSpec): boolean {
  if (from.by === 'grid' || from.by === 'range') return from.by === to.by;
  return canonicalJson(from) === canonicalJson(to);
}

interface NewInputs {
  /** The submission's inputs that the job has, as the same version. */
  readonly known: readonly FoundInput[];
  readonly fresh: readonly FoundInput[];
  /** The job's inputs that the submission doesn't have. */
  readonly lacking: readonly JobInput[];
}

function newInputs({ inputs }: JobRecord, found: readonly FoundInput[]): NewInputs {
  const had = new Map<string, JobInput[]>();
  for (const input of inputs) {
    const identity = inputIdentity(input);
    had.set(identity, [...(had.get(identity) ?? []), input]);
  }
  const [known, fresh]: [FoundInput[], FoundInput[]] = [[], []];
  for (const each of found) (had.get(inputIdentity(each.input))?.shift() === undefined ? fresh : known).push(each);
  return { known, fresh, lacking: [...had.values()].flat() };
}

/** Of a table or list its rows count, whichever file they are in; of other inputs every byte is some task's. */
function requireAllInputs(record: JobRecord, split: SplitSpec, { fresh, lacking }: NewInputs): void {
  const { job } = record;
  const [gone] = hasParams(split) ? [] : lacking;
  const hint = 'an extension only adds: give the inputs that the job has, unchanged, and new ones; or use --again';
  if (gone !== undefined) {
    const now = fresh.some(({ input }) => input.name === gone.name) ? 'has changed' : 'is missing here';
    throw new BatchctlError('refused', `the input ${gone.name} of job ${job} ${now}`, { hint });
  }
  if (fresh.length > MOST_INPUTS) {
    const found = `expected at most ${MOST_INPUTS} new inputs, found ${fresh.length}`;
    throw new BatchctlError('refused', found, { hint: 'add them in several calls' });
  }
  const output = fresh.find(({ input: { source } }) => source.kind === 'store' && source.key.startsWith(JOBS_PREFIX));
  if (output !== undefined) {
    const found = `the input ${output.input.name} is another job's output, which can't be added to job ${job}`;
    throw new BatchctlError('refused', found, { hint: `fetch it to a file or to store:KEY first; or use --again` });
  }
}

/** What an extension adds, as its journal entry says it. */
interface Added {
  readonly count: number;
  readonly inputs: readonly JobInput[];
  readonly records: number | null;
  readonly checksum: string;
}

type Writer = Pick<ObjectStore, 'put' | 'uploadFile'>;

interface CutContext {
  readonly store: ObjectStore;
  readonly into: Writer;
  readonly view: JobView;
  readonly prepared: Prepared;
  readonly name: string;
  readonly options: Pick<SubmitOptions, 'signal' | 'onProgress'>;
}

async function cutAdded(inputs: NewInputs, context: CutContext): Promise<Added> {
  const split = context.prepared.spec.input?.split;
  if (split === undefined) throw new RangeError('a job without input has no parts');
  const compared = hasParams(split) ? await KnownParams.read(context.store, context.view) : null;
  const added = new AddedParts(context, inputs.fresh);
  // A known input comes first: then all its rows are known.
  const sources = compared === null ? added.numbered() : [...inputs.known, ...inputs.fresh].map(({ source }) => source);
  const { spec } = context.prepared;
  const facts = new Map<number, InputFacts>();
  const { signal, onProgress } = context.options;
  const options: SplitOptions = {
    inputs: sources,
    split,
    maxTasks: spec.maxTasks,
    ...(compared === null && { first: context.view.record.parts }),
    storePiece: storePieces(context.into, (n) => extentPieceKey(context.view.record.job, context.name, n)),
    countRecords: expectsRecords(spec.expect),
    onColumns: columnsCheck(spec),
    onInput: (fact) => facts.set(fact.index, fact),
    signal,
    onProgress: (done) => onProgress?.({ phase: 'cut', done, total: null }),
  };
  for await (const part of splitInputs(options)) {
    if (compared === null) await added.take(part);
    else if (!compared.take(part)) await added.takeRenumbered(part);
  }
  await compared?.requireAll();
  return added.finish(compared === null ? facts : null);
}

/** Collects the parts that are new, and the inputs that they are of. */
class AddedParts {
  readonly #record: JobRecord;
  readonly #shards: ShardWriter;
  readonly #hash = createHash('sha256');
  readonly #fresh: readonly FoundInput[];
  /** Of inputs whose rows are compared: where they come among the job's, and how many of their rows are new. */
  readonly #used = new Map<number, { readonly found: FoundInput; readonly index: number; rows: number }>();
  #count = 0;

  constructor({ into, view: { record }, name }: CutContext, fresh: readonly FoundInput[]) {
    this.#record = record;
    this.#fresh = fresh;
    this.#shards = new ShardWriter(into, (shard) => extentShardKey(record.job, name, shard));
  }

  /** The sources of the new inputs, with their numbers in the job. */
  numbered(): SplitOptions['inputs'] {
    return this.#fresh.map(({ source }, at) => ({ ...source, index: this.#record.inputs.length + at }));
  }

  async take(part: Part): Promise<void> {
    const { line, full } = this.#shards.add(part);
    this.#hash.update(`${line}\n`);
    this.#count += 1;
    if (full) await this.#shards.flush();
  }

  /** The same for a row or a combination, which has another number among those that are compared. */
  takeRenumbered(part: Part): Promise<void> {
    const n = this.#record.parts + this.#count;
    if (part.kind === 'params') return this.take({ ...part, n });
    const used = this.#used.get(part.input) ?? this.#use(part.input);
    used.rows += 1;
    return this.take({ ...part, n, input: used.index });
  }

  /** `facts`: of inputs that were cut, by number; null: rows were compared. */
  async finish(facts: ReadonlyMap<number, InputFacts> | null): Promise<Added> {
    await this.#shards.flush();
    const first = this.#record.inputs.length;
    const inputs =
      facts === null
        ? [...this.#used.values()].map(({ found, rows }) => ({ ...found.input, records: rows }))
        : this.#fresh.map(({ input }, at) => cutInput(input, facts.get(first + at)));
    const checksum = `sha256:${this.#hash.digest('hex')}`;
    return { count: this.#count, inputs, records: sumRecords(inputs), checksum };
  }

  #use(source: number): { readonly index: number; rows: number } {
    const found = this.#fresh.find((each) => each.source.index === source);
    if (found === undefined) {
      const what = `an input of job ${this.#record.job} has a row that no task has`;
      throw new BatchctlError('corrupt', what, { hint: `batchctl verify ${this.#record.job}` });
    }
    const used = { found, index: this.#record.inputs.length + this.#used.size, rows: 0 };
    this.#used.set(source, used);
    return used;
  }
}

/** The parameters of a job's tasks: how many tasks have each, so that those of a submission can be taken from them. */
class KnownParams {
  readonly #store: ObjectStore;
  readonly #view: JobView;
  readonly #names: readonly string[];
  readonly #left = new Map<string, number>();

  private constructor(store: ObjectStore, view: JobView, names: readonly string[]) {
    this.#store = store;
    this.#view = view;
    this.#names = [...names].sort();
  }

  static async read(store: ObjectStore, view: JobView): Promise<KnownParams> {
    const known = new KnownParams(store, view, await paramNames(store, view));
    for await (const part of readAllParts(store, view.record)) {
      const key = keyOf(partParams(part));
      known.#left.set(key, (known.#left.get(key) ?? 0) + 1);
    }
    return known;
  }

  /** True if a task has the part's parameters, and none of the parts before took it. Throws `refused` for other names. */
  take(part: Part): boolean {
    const params = partParams(part) ?? {};
    const key = keyOf(params);
    const left = this.#left.get(key) ?? 0;
    if (left > 1) this.#left.set(key, left - 1);
    else this.#left.delete(key);
    const names = Object.keys(params).sort();
    if (left === 0 && this.#view.record.parts > 0 && names.join() !== this.#names.join()) {
      const found = `has tasks with the parameters ${this.#names.join(', ')}, but here they are ${names.join(', ')}`;
      throw refused(this.#view, found, 'give the tasks the same parameters, or submit another job with --again');
    }
    return left > 0;
  }

  /** Throws `refused` for a task whose parameters no part took. */
  async requireAll(): Promise<void> {
    if (this.#left.size === 0) return;
    const { record } = this.#view;
    const missing = [...this.#left.values()].reduce((sum, count) => sum + count, 0);
    for await (const part of readAllParts(this.#store, record)) {
      const params: TaskParams | null = partParams(part);
      if (!this.#left.has(keyOf(params))) continue;
      const more = missing > 1 ? `, nor have ${formatMany(missing - 1, 'other task')}` : '';
      const hint = 'an extension only adds: give all that the job has, and more; or submit another job with --again';
      const what = `has task ${part.n} (${paramsText(params ?? {})}), which the input here doesn't have${more}`;
      throw refused(this.#view, what, hint);
    }
  }
}

/** A digest, as values may be long. */
function keyOf(params: TaskParams | null): string {
  const entries = Object.entries(params ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(entries)).digest('base64');
}
