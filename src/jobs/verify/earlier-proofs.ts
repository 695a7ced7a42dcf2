import { isDeepStrictEqual } from 'node:util';
import type { StepFacts } from '../../model/decide.ts';
import { emptyView, foldJournal } from '../../model/fold.ts';
import { sectionStart } from '../../model/job.ts';
import { jobKey, openedKey, outKey, outPrefix, partShardKey, partsPrefix, stepPartsPrefix } from '../../model/keys.ts';
import type { OutputMeta } from '../../model/output.ts';
import { PARTS_PER_SHARD } from '../../model/part.ts';
import { countIn, inRanges, parseTaskSet, type Ranges, subtractRanges } from '../../model/task-set.ts';
import type { Evidence, InputEvidence, StepEvidence } from '../../model/verify/evidence.ts';
import { type Findings, MAX_NAMED_TASKS } from '../../model/verify/findings.ts';
import { type Difference, differences } from '../../model/verify/verify-result.ts';
import { isSkipped, type JobView, roundOf } from '../../model/view.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import { TotalsSum } from '../totals.ts';
import type { EvidenceSum } from './evidence-sum.ts';
import type { Decision, KeptProof } from './proof.ts';

/** The findings of a verification that a proof states. */
export interface CurrentFacts {
  readonly evidence: Evidence;
  /** What was there before an extension. */
  readonly before: EvidenceSum['before'];
  readonly deep: boolean;
  /** In step order. */
  readonly facts: readonly StepFacts[];
}

/**
 * The stored proofs of a job, each compared with the current state. A published output is final, and job.json, parts
 * and opened.json are written once. So two proofs may only differ in the ends of tasks that had no output then, in
 * tasks that a later journal entry requests again or leaves out, and in what a deep verification reads of the inputs.
 */
export class EarlierProofs {
  readonly #proofs: readonly EarlierProof[];

  /** `kept`: the intact proofs, oldest first. */
  constructor(view: JobView, kept: readonly KeptProof[], decisions: readonly Decision[]) {
    this.#proofs = kept.flatMap((proof) => {
      const { evidence } = proof.proof.result;
      return evidence === null ? [] : [new EarlierProof(view, proof, evidence, decisions)];
    });
  }

  /** Adds a sound output as it is now; `late`: its gather left it out. */
  add(index: number, task: number, meta: OutputMeta, late: boolean): void {
    for (const proof of this.#proofs) proof.add(index, task, meta, late);
  }

  /** Adds how `now` differs from the oldest proof that contradicts it. Call it after all outputs were added. */
  async compare(store: ObjectStore, now: CurrentFacts, findings: Findings): Promise<void> {
    for (const proof of this.#proofs) {
      const changes = [...proof.changes(now)];
      if (changes.length === 0) continue;
      for (const change of changes) findings.add('proofContradicted', await proof.describe(store, change));
      return;
    }
  }
}

/** A difference that nothing since the proof can explain. */
interface Change extends Difference {
  /** The object that shows the change, or the prefix of the objects among which it is. */
  readonly at: string;
}

/** A step's changes since a proof. */
interface StepChanges {
  /** The tasks that were published at that time; null: the proof doesn't say. */
  readonly published: Ranges | null;
  /** Sums over the counted outputs of tasks that were not published then. */
  readonly fresh: TotalsSum;
  readonly made: Map<string, number>;
  freshOutputs: number;
  sound: number;
  /** An output of that time is gone or was made again, and a later journal entry explains why. */
  explained: boolean;
}

class EarlierProof {
  readonly #now: JobView;
  readonly #then: JobView;
  readonly #kept: KeptProof;
  readonly #evidence: Evidence;
  readonly #steps: readonly StepChanges[];

  constructor(view: JobView, kept: KeptProof, evidence: Evidence, decisions: readonly Decision[]) {
    this.#now = view;
    const entries = decisions.slice(0, kept.proof.entry + 1).map(({ entry }) => entry);
    this.#then = foldJournal(emptyView(view.accepted), entries);
    this.#kept = kept;
    this.#evidence = evidence;
    this.#steps = publishedThen(view, evidence).map((published) => ({
      published,
      fresh: new TotalsSum(),
      made: new Map(),
      freshOutputs: 0,
      sound: 0,
      explained: false,
    }));
  }

  add(index: number, task: number, meta: OutputMeta, late: boolean): void {
    const step = this.#steps[index];
    if (step === undefined) return;
    step.sound += 1;
    if (step.published === null) return;
    if (inRanges(step.published, task)) {
      if (meta.round > this.#then.round && this.#isAskedSince(index, task)) step.explained = true;
      return;
    }
    step.freshOutputs += 1;
    if (!late) step.fresh.add(meta);
    const made = madeBy(meta);
    step.made.set(made, (step.made.get(made) ?? 0) + 1);
  }

  *changes(now: CurrentFacts): Generator<Change> {
    const { job } = this.#now.record;
    const then = this.#evidence;
    const deep = this.#kept.proof.result.deep || now.deep;
    const at = (key: string, values: Iterable<Difference>) => [...values].map((value) => ({ ...value, at: key }));
    const { inputs, parts } = this.#withoutLater(now);
    yield* at(jobKey(job), differences(acceptedOf(then, deep), acceptedOf({ ...now.evidence, inputs }, deep)));
    yield* at(partsKey(job, parts.count), differences(then.parts, parts, 'parts'));
    for (const gather of then.gathers) {
      const found = now.evidence.gathers.find(({ step }) => step === gather.step);
      yield* at(openedKey(job, gather.step), differences(gather, found, `gathers.${gather.step}`));
    }
    for (const [index, facts] of now.facts.entries()) yield* this.#stepChanges(index, facts, now.evidence);
    for (const files of then.files) {
      // The files come from the step before: if its outputs were made again, so are the files.
      const before = this.#now.record.spec.steps.findIndex(({ name }) => name === files.step) - 1;
      if (this.#steps[before]?.explained === true) continue;
      const found = now.evidence.files.find(({ step }) => step === files.step);
      yield* at(stepPartsPrefix(job, files.step), differences(files, found, `files.${files.step}`));
    }
  }

  /** The inputs and parts that the job had at the time of the proof, as they are now. */
  #withoutLater({ evidence, before }: CurrentFacts): Pick<Evidence, 'inputs' | 'parts'> {
    const { records, extents = [] } = this.#then.record;
    const next = this.#now.record.extents?.[extents.length];
    const found = next === undefined ? null : before(next);
    return found === null ? evidence : { ...found, inputs: { ...found.inputs, records } };
  }

  /** Describes a change and names the objects that were written since, if the store knows. */
  async describe(store: ObjectStore, { path, stated, found, at }: Change): Promise<string> {
    const said = `${path} was ${shown(stated)} at proof ${this.#kept.number}, and is ${shown(found)} now`;
    const since = at.endsWith('/') ? await this.#writtenSince(store, at) : [];
    const where =
      since.length === 0
        ? `check ${at}`
        : `${since.join(', ')} ${since.length === 1 ? 'was' : 'were'} written after it`;
    return `${said}, but no journal entry in between explains it: ${where}`;
  }

  *#stepChanges(index: number, facts: StepFacts, { steps }: Evidence): Generator<Change> {
    const name = this.#now.record.spec.steps[index]?.name ?? '';
    const since = this.#steps[index];
    const then = this.#evidence.steps.find((step) => step.name === name);
    const now = steps.find((step) => step.name === name);
    if (since === undefined || since.published === null || then === undefined || now === undefined) return;
    // Altered or missing outputs have their own findings, and then the sums can't match.
    if (since.sound !== facts.published.count) return;
    const gone = since.sound - since.freshOutputs < countIn(since.published, facts.size);
    if (gone) yield* this.#lost(index, since, facts);
    if (gone || since.explained) return;
    const { job } = this.#now.record;
    const at = facts.size === 1 ? outKey(job, name, 0) : outPrefix(job, name);
    const changed = [...differences(sumsWith(then, since), sumsWith(now), `steps.${name}`)];
    if (changed.length === 0 && since.freshOutputs === 0 && this.#sameEnds(then, now))
      changed.push(...differences(then.root, now.root, `steps.${name}.root`));
    for (const change of changed) yield { ...change, at };
  }

  /** Outputs of that time whose tasks now have another end, although no one requested it. */
  *#lost(index: number, since: StepChanges, facts: StepFacts): Generator<Change> {
    const { record } = this.#now;
    const name = record.spec.steps[index]?.name ?? '';
    let told = 0;
    for (const [from, to] of since.published ?? []) {
      for (let n = from; n <= to && told < MAX_NAMED_TASKS; n += 1) {
        if (facts.published.has(n)) continue;
        if (this.#isAskedSince(index, n) || isSkipped(this.#now, index, n)) continue;
        // Otherwise the output is missing, which is already a finding.
        if (!facts.failed.has(n)) continue;
        told += 1;
        const end = { path: `the end of ${name}/${n}`, stated: 'published', found: 'failed' };
        yield { ...end, at: outKey(record.job, name, n) };
      }
    }
  }

  #isAskedSince(index: number, task: number): boolean {
    return roundOf(this.#now, index, task) > this.#then.round;
  }

  /** True if a different root can't be explained: no end of a task without an output may have changed. */
  #sameEnds(then: StepEvidence, now: StepEvidence): boolean {
    if (then.failed !== now.failed || then.skipped !== now.skipped) return false;
    if (then.failed === '') return true;
    // A task that was given up may have failed since, and one that was requested again may have failed again.
    const { stopped, asked } = this.#then;
    return stopped === null && asked.every(({ released }) => released) && isDeepStrictEqual(asked, this.#now.asked);
  }

  /** The first few objects that are younger than the proof by the store's clock. */
  async #writtenSince(store: ObjectStore, prefix: string): Promise<readonly string[]> {
    const since: string[] = [];
    const made = await store.head(this.#kept.key);
    if (made === null) return since;
    for await (const { key, modified } of store.list(prefix)) {
      if (modified > made.modified) since.push(key);
      if (since.length === SHOWN) break;
    }
    return since;
  }
}

/** The number of objects named. */
const SHOWN = 3;

/** The tasks of each step that had an output when the evidence was made, in step order; null if it doesn't say. */
function publishedThen({ record }: JobView, evidence: Evidence): readonly (Ranges | null)[] {
  const { steps } = record.spec;
  const all: (Ranges | null)[] = [];
  for (const [index, { name }] of steps.entries()) {
    const step = evidence.steps.find((each) => each.name === name);
    const due = sectionStart(steps, index) === index ? firstOf(step?.ends ?? 0) : (all[index - 1] ?? null);
    const ranges =
      step === undefined || due === null
        ? null
        : subtractRanges(subtractRanges(due, parseTaskSet(step.failed)), parseTaskSet(step.skipped));
    const outputs = step?.made.reduce((sum, made) => sum + made.outputs, 0) ?? 0;
    all.push(ranges !== null && countIn(ranges) === outputs ? ranges : null);
  }
  return all;
}

const firstOf = (count: number): Ranges => (count === 0 ? [] : [[0, count - 1]]);

/**
 * The content of job.json, and the facts that every verification records: only a deep one reads inputs without a
 * checksum.
 */
function acceptedOf({ record, spec, code, submitted, inputs }: Evidence, deep: boolean) {
  const { root, listed, ...counts } = inputs;
  return {
    record,
    spec,
    code,
    submitted,
    inputs: { ...counts, ...(!deep && { root }), listed: listed.map(acceptedInput) },
  };
}

function acceptedInput({ checksum, checksumFrom, ...rest }: InputEvidence) {
  return { ...rest, checksum: checksumFrom === 'submit' ? checksum : null };
}

/** A step's sums, including its changes since. */
function sumsWith({ bytesIn, bytesOut, counters, outputs, made }: StepEvidence, since?: StepChanges) {
  const sum = new TotalsSum();
  sum.add({ bytesIn, bytesOut, counters, seconds: 0 });
  const fresh = since?.fresh.totals();
  if (fresh !== undefined) sum.add(fresh);
  const { outputs: _, seconds: __, ...totals } = sum.totals();
  const by = new Map(made.map((each) => [madeBy(each), each.outputs]));
  for (const [name, count] of since?.made ?? []) by.set(name, (by.get(name) ?? 0) + count);
  return { ...totals, outputs: outputs + (fresh?.outputs ?? 0), made: Object.fromEntries(by) };
}

const madeBy = ({ round, code }: { readonly round: number; readonly code: string | null }): string =>
  `round ${round}, ${code === null ? 'no code' : `code ${code}`}`;

const partsKey = (job: string, count: number): string =>
  count > PARTS_PER_SHARD ? partsPrefix(job) : partShardKey(job, 0);

const shown = (value: unknown): string => (value === undefined ? 'nothing' : JSON.stringify(value));
