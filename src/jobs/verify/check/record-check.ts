import { isCount, isRecord, isText } from '../../../lib/json.ts';
import { emptyView, foldJournal } from '../../../model/fold.ts';
import { hasBarrier, type JobInput, type JobRecord, stepIndex } from '../../../model/job.ts';
import type { JournalEntry, TaskSets } from '../../../model/journal.ts';
import { INPUTS_PREFIX } from '../../../model/keys.ts';
import { parseTaskSet, subtractRanges } from '../../../model/task-set.ts';
import type { InputLine } from '../../../model/verify/evidence.ts';
import type { JobView } from '../../../model/view.ts';
import { instantIn } from '../../failures.ts';
import { recordDigest } from '../../submit/same-job.ts';
import type { Rule } from './rules.ts';

/** Receives a contradiction: its rule (`RULES`), and a sentence that names both sides. */
export type Say = (rule: Rule, message: string) => void;

/** Clocks of two machines may differ by this much, milliseconds. */
export const CLOCKS_APART = 24 * 60 * 60 * 1_000;

const CHECKSUM = /^sha256:[0-9a-f]{64}$/;

export const isChecksum = (value: unknown): boolean => isText(value) && CHECKSUM.test(value);

/** Checks what job.json states twice; `record` with the inputs of the file. */
export function checkRecord(record: JobRecord, say: Say): void {
  const { job, spec, digest, runKey, runNumber, createdAt, notBefore, finishBy = null, parts, rehearsal } = record;
  const found = recordDigest(record);
  if (found !== digest)
    say('recordDigest', `job.json has the digest ${digest}, but its spec, code and inputs have ${found}`);
  const [, name, day, minute] = /^(.+)-(\d{8})-(\d{4})-[^-]+$/.exec(job) ?? [];
  const stamp = String(createdAt).replace(/[-:]/g, '');
  if (name !== spec.name || day !== stamp.slice(0, 8) || minute !== stamp.slice(9, 13))
    say('jobId', `the job ${job} is named ${spec.name}, and was created at ${createdAt}`);
  if ((runKey === null) !== (runNumber === null) || (runNumber !== null && !isCount(runNumber)))
    say('runKey', `the run key is ${runKey}, and its number is ${runNumber}`);
  for (const time of [createdAt, notBefore, finishBy])
    if (time !== null && instantIn(time) === null) say('recordTimes', `${time} in job.json is not a time`);
  if (finishBy !== null && (instantIn(finishBy) ?? 0) < (instantIn(createdAt) ?? 0))
    say('recordTimes', `the job was created at ${createdAt}, to finish by ${finishBy}`);
  if (rehearsal && parts > rehearsal.of.parts)
    say('rehearsal', `a rehearsal with ${parts} parts is a sample of ${rehearsal.of.parts}`);
  checkRecords(record, say);
}

function checkRecords({ inputs, records, rehearsal }: JobRecord, say: Say): void {
  if (rehearsal) return;
  const known = inputs.length > 0 && inputs.every((input) => input.records !== null);
  const sum = inputs.reduce((total, input) => total + (input.records ?? 0), 0);
  if (records !== (known ? sum : null))
    say('records', `the job has ${records} records, but its inputs have ${known ? sum : 'no count'}`);
}

const SOURCE_FIELDS: Readonly<Record<JobInput['source']['kind'], readonly string[]>> = {
  file: ['path', 'pin'],
  store: ['key', 'etag'],
  s3: ['bucket', 'key', 'etag', 'version'],
  pipe: [],
};

/** Checks the inputs, one line after the other. */
export class InputsCheck {
  readonly #say: Say;
  readonly #places = new Map<string, number>();
  /** An input whose bytes only a deep verification reads; and one that such a verification didn't read. */
  verified: string | null = null;
  unread: string | null = null;

  constructor(say: Say) {
    this.#say = say;
  }

  /** `added`: the job was extended by it. */
  add({ n, name, size, source, checksum, checksumFrom }: InputLine, added: boolean): void {
    if ((checksum === null) !== (checksumFrom === null) || !['submit', 'verify', null].includes(checksumFrom))
      this.#say('inputChecksum', `input ${n}, ${name}, has the checksum ${checksum}, computed by ${checksumFrom}`);
    if (checksum !== null && !isChecksum(checksum))
      this.#say('inputChecksum', `the checksum of input ${n}, ${name}, is ${checksum}`);
    // Files that are read in place are hashed only by a deep verification, and a pipe is gone by then.
    if (source.kind === 'pipe' ? checksum !== null : source.kind === 'file' && checksumFrom === 'submit')
      this.#say(
        'inputChecksum',
        `input ${n}, ${name}, is a ${source.kind}, but has a checksum, computed by ${checksumFrom}`,
      );
    if (checksumFrom === 'verify') this.verified ??= name;
    if (checksumFrom === null && source.kind !== 'pipe') this.unread ??= name;
    this.#checkSource({ n, name, size, source }, added);
    if (source.kind === 'store' && source.key.startsWith(INPUTS_PREFIX) && checksumFrom === 'submit') {
      const sha256 = source.key.slice(INPUTS_PREFIX.length).split('/')[0];
      if (checksum !== `sha256:${sha256}`)
        this.#say('inputChecksum', `input ${n}, ${name}, has ${checksum}, but is stored as ${source.key}`);
    }
  }

  #checkSource({ n, name, size, source }: Pick<InputLine, 'n' | 'name' | 'size' | 'source'>, added: boolean): void {
    const fields = Object.hasOwn(SOURCE_FIELDS, source.kind) ? SOURCE_FIELDS[source.kind] : null;
    const known: Readonly<Record<string, unknown>> = { ...source };
    if (fields === null || fields.some((field) => known[field] === undefined)) {
      this.#say('inputSource', `the source of input ${n}, ${name}, is not one: ${JSON.stringify(source)}`);
      return;
    }
    // Two files with the same name and bytes are uploaded once.
    if (source.kind === 'pipe' || (source.kind === 'store' && source.key.startsWith(INPUTS_PREFIX))) return;
    if (source.kind === 'file' && (!isRecord(source.pin) || source.pin.size !== size))
      this.#say('inputSource', `input ${n}, ${name}, has ${size} bytes, but its file has ${source.pin?.size}`);
    // A table that has grown is the same file with another pin.
    const place = JSON.stringify(fields.filter((field) => added || field !== 'pin').map((field) => known[field]));
    const other = this.#places.get(place);
    if (other !== undefined) this.#say('inputTwice', `input ${n}, ${name}, is also input ${other}`);
    this.#places.set(place, n);
  }
}

/** Checks each journal entry against those before it. */
export class DecisionsCheck {
  readonly #say: Say;
  readonly #created: number;
  readonly #entries: JournalEntry[] = [];
  readonly #ids = new Map<string, number>();
  #view: JobView;

  constructor(record: JobRecord, say: Say) {
    this.#say = say;
    this.#created = instantIn(record.createdAt) ?? 0;
    this.#view = emptyView(record);
  }

  /** When the last entry was written, milliseconds since the epoch. */
  get last(): number {
    return instantIn(this.#entries.at(-1)?.when) ?? this.#created;
  }

  add(n: number, entry: JournalEntry): void {
    const when = instantIn(entry.when);
    const hasFormat = isCount(entry.format) && entry.format > 0;
    if (!hasFormat || !isText(entry.id) || !isText(entry.who) || !isText(entry.what) || when === null) {
      this.#say('decision', `decision ${n} lacks a format, an id, a time or an author`);
      return;
    }
    const twin = this.#ids.get(entry.id);
    if (twin !== undefined) this.#say('decisionTwice', `decision ${n} has the id of decision ${twin}`);
    this.#ids.set(entry.id, n);
    if (when < this.#created - CLOCKS_APART)
      this.#say('decisionTime', `decision ${n} was made at ${entry.when}, before the job existed`);
    const view = this.#view;
    this.#checkTasks(n, entry);
    this.#checkRound(n, entry, view);
    this.#checkReference(n, entry, view);
    this.#entries.push(entry);
    this.#view = foldJournal(view, [entry]);
  }

  #checkTasks(n: number, entry: JournalEntry): void {
    const { steps } = this.#view.record.spec;
    const named = 'tasks' in entry && entry.tasks !== undefined ? entry.tasks : {};
    const within: readonly (TaskSets | null | undefined)[] =
      entry.what === 'retry' ? [entry.canaries] : entry.what === 'skip' ? [entry.failed] : [];
    for (const [step, set] of Object.entries(named)) {
      const index = stepIndex(this.#view.record.spec, step);
      const last = parseTaskSet(set).at(-1)?.[1] ?? -1;
      // How many tasks a step behind an explode has is known only later.
      const isFirst = steps.slice(0, index + 1).every((_, at) => at === 0 || !hasBarrier(steps, at));
      if (index === -1 || (isFirst && last >= this.#view.record.parts) || (steps[index]?.gather === true && last > 0))
        this.#say('decisionTasks', `decision ${n} names ${step}/${set}, which the job doesn't have`);
    }
    for (const sets of within)
      for (const [step, set] of Object.entries(sets ?? {}))
        if (subtractRanges(parseTaskSet(set), parseTaskSet(named[step] ?? '')).length > 0)
          this.#say('decisionTasks', `decision ${n} names ${step}/${set}, which are not among its tasks`);
  }

  #checkRound(n: number, entry: JournalEntry, { round }: JobView): void {
    const isNew = entry.what === 'extend' || entry.what === 'retry' || entry.what === 'skip' || entry.what === 'unskip';
    if (isNew && entry.round !== undefined && entry.round !== round + 1)
      this.#say('decisionRound', `decision ${n} begins round ${entry.round} after round ${round}`);
    if (entry.what === 'close' && entry.round !== round)
      this.#say('decisionRound', `decision ${n} closes round ${entry.round} in round ${round}`);
  }

  #checkReference(n: number, entry: JournalEntry, { asked, record, sent }: JobView): void {
    const say = (message: string) => this.#say('decisionOf', `decision ${n} ${message}`);
    const { deliverTo = null } = record;
    switch (entry.what) {
      case 'sent':
        if (sent) say('says that the tasks were sent, as an entry before it does');
        return;
      case 'close':
        if (entry.state === 'succeeded' && entry.reason !== null)
          say(`closes as succeeded, because of ${entry.reason}`);
        return;
      case 'retry-rest':
        if (!asked.some(({ round, released }) => round === entry.round && !released))
          say(`releases round ${entry.round}, which no canary holds back`);
        return;
      case 'delivered':
      case 'undelivered':
        if (this.#entries[entry.after]?.what !== 'close') say(`delivers after entry ${entry.after}, which is no close`);
        if (entry.to !== deliverTo?.place)
          say(`delivers to ${entry.to}, but the job to ${deliverTo?.place ?? 'no place'}`);
        return;
      case 'open':
        if (!hasBarrier(record.spec.steps, stepIndex(record.spec, entry.step)))
          say(`opens step ${entry.step}, which waits for nothing`);
        return;
      case 'prune':
        this.#say('pruned', `decision ${n} removes what the lines describe`);
        return;
      default:
        return;
    }
  }
}
