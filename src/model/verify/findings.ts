/** What is wrong, by a stable code, in a sentence. */
export interface Finding {
  readonly code: string;
  readonly message: string;
}

/** So many findings of one code are told in words; the rest is counted. */
const TOLD = 10;

/** Collects findings in constant memory, however much is wrong. */
export class Findings {
  readonly #told: Finding[] = [];
  readonly #counts = new Map<string, number>();

  add(code: string, message: string): void {
    const count = (this.#counts.get(code) ?? 0) + 1;
    this.#counts.set(code, count);
    if (count <= TOLD) this.#told.push({ code, message });
  }

  /** How many there are of a code. */
  count(code: string): number {
    return this.#counts.get(code) ?? 0;
  }

  get any(): boolean {
    return this.#told.length > 0;
  }

  /** What was found, in its order; what wasn't told in words is counted at the end. */
  list(): readonly Finding[] {
    const rest = [...this.#counts].flatMap(([code, count]) =>
      count > TOLD ? [{ code, message: `and ${count - TOLD} more like these` }] : [],
    );
    return [...this.#told, ...rest];
  }
}

/** So many tasks are named in a list; the counts say how many there are. */
export const NAMED = 1_000;

/** Names of tasks (`step/n`), the first thousand of them. */
export class TaskNames {
  readonly names: string[] = [];
  count = 0;

  add(step: string, task: number): void {
    this.count += 1;
    if (this.names.length < NAMED) this.names.push(`${step}/${task}`);
  }
}

/** Findings that say in which line of a file they were made. */
export class LocatedFindings extends Findings {
  /** The line that is looked at, from 1; null where a finding is of no line. */
  line: number | null = null;

  override add(code: string, message: string): void {
    super.add(code, this.line === null ? message : `line ${this.line}: ${message}`);
  }

  /** Adds one that names its lines itself. */
  addUnlocated(code: string, message: string): void {
    super.add(code, message);
  }
}
