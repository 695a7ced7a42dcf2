import { eachParallel } from '../../lib/parallel.ts';
import { ledgerAttemptsKey } from '../../model/keys.ts';
import { type AttemptEvent, UNKNOWN_FACTS } from '../../model/ledger/records.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import type { Totals } from './totals.ts';

/** The facts that `attemptLine` leaves out if they are unknown. */
const OMITTED = { endedAt: null, ...UNKNOWN_FACTS } as const;

/** An attempt as one line of JSON, without its job, which the object's key names, and without unknown values. */
export function attemptLine(event: AttemptEvent): string {
  const { job, counters, ...facts } = event;
  const known = Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== null));
  return JSON.stringify(Object.keys(counters).length === 0 ? known : { ...known, counters });
}

function attemptOfLine(job: string, line: string): AttemptEvent {
  return { job, ...OMITTED, ...(JSON.parse(line) as Omit<AttemptEvent, 'job' | keyof typeof OMITTED>) };
}

/** By step, task and id: the order of the lines in an object. */
export function compareAttempts(a: AttemptEvent, b: AttemptEvent): number {
  if (a.step !== b.step) return a.step < b.step ? -1 : 1;
  if (a.task !== b.task) return a.task - b.task;
  return a.attempt < b.attempt ? -1 : a.attempt > b.attempt ? 1 : 0;
}

/** Memory for objects of attempts, bytes: consecutive pages read the same ones. */
const CACHE_BYTES = 48 * 1024 * 1024;
/** Objects read at once. */
const READS = 16;

/** An object's bytes, and the position of each task's lines. */
interface Lines {
  readonly bytes: Buffer;
  readonly offsets: ReadonlyMap<string, ReadonlyMap<number, readonly [number, number]>>;
}

/** Reads attempts of tasks from writers' objects, which never change once a writer's totals name them. */
export class AttemptObjects {
  readonly #store: LedgerObjects;
  readonly #cache = new Map<string, Lines>();
  #cached = 0;

  constructor(store: LedgerObjects) {
    this.#store = store;
  }

  /** One writer's records of these tasks of a step: lines in the order of writing, so one attempt may have several. */
  async read(job: string, totals: Totals, step: string, tasks: ReadonlySet<number>): Promise<readonly AttemptEvent[]> {
    const wanted = totals.objects.filter(({ tasks: spans }) => {
      const span = spans[step];
      return span !== undefined && hasTaskIn(tasks, span);
    });
    const found: AttemptEvent[][] = wanted.map(() => []);
    await eachParallel(wanted.entries(), READS, async ([index, { n }]) => {
      const { bytes, offsets } = await this.#lines(ledgerAttemptsKey(job, totals.writer, n));
      for (const task of tasks) {
        const span = offsets.get(step)?.get(task);
        if (span === undefined) continue;
        for (const line of bytes.toString('utf8', ...span).split('\n'))
          if (line !== '') found[index]?.push(attemptOfLine(job, line));
      }
    });
    const recent = linesOf(totals.recent)
      .map((line) => attemptOfLine(job, line))
      .filter((event) => event.step === step && tasks.has(event.task));
    return [...found.flat(), ...recent];
  }

  async #lines(key: string): Promise<Lines> {
    const known = this.#cache.get(key);
    if (known !== undefined) {
      this.#cache.delete(key);
      this.#cache.set(key, known);
      return known;
    }
    // A missing object was pruned in the meantime.
    const bytes = Buffer.from((await this.#store.read(key)) ?? []);
    const lines: Lines = { bytes, offsets: indexLines(bytes) };
    this.#cache.set(key, lines);
    this.#cached += bytes.length;
    for (const [old, { bytes: oldBytes }] of this.#cache) {
      if (this.#cached <= CACHE_BYTES) break;
      this.#cache.delete(old);
      this.#cached -= oldBytes.length;
    }
    return lines;
  }
}

/** Lines are sorted by step and task, so those of a task are adjacent. */
function indexLines(bytes: Buffer): Lines['offsets'] {
  const offsets = new Map<string, Map<number, readonly [number, number]>>();
  for (let from = 0; from < bytes.length; ) {
    const newline = bytes.indexOf(10, from);
    const to = newline < 0 ? bytes.length : newline + 1;
    const { step, task } = JSON.parse(bytes.toString('utf8', from, to)) as Pick<AttemptEvent, 'step' | 'task'>;
    const ofStep = offsets.get(step) ?? new Map<number, readonly [number, number]>();
    offsets.set(step, ofStep);
    ofStep.set(task, [ofStep.get(task)?.[0] ?? from, to]);
    from = to;
  }
  return offsets;
}

function hasTaskIn(tasks: ReadonlySet<number>, [first, last]: readonly [number, number]): boolean {
  for (const task of tasks) if (task >= first && task <= last) return true;
  return false;
}

function linesOf(text: string): readonly string[] {
  return text.split('\n').filter((line) => line !== '');
}

/** The ledger's requirements of a store: atomic puts, reads, listings in key order. SimpleDB items provide that too. */
export type LedgerObjects = Pick<ObjectStore, 'put' | 'read' | 'list' | 'keys' | 'delete'>;
