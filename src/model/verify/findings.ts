/** A problem: a stable code and a sentence. */
export interface Finding {
  readonly code: string;
  readonly message: string;
}

/** How many findings of one code are reported as text; the others are counted. */
const MAX_REPORTED = 10;

export class Findings {
  readonly #reported: Finding[] = [];
  readonly #counts = new Map<string, number>();

  add(code: string, message: string): void {
    const count = (this.#counts.get(code) ?? 0) + 1;
    this.#counts.set(code, count);
    if (count <= MAX_REPORTED) this.#reported.push({ code, message });
  }

  count(code: string): number {
    return this.#counts.get(code) ?? 0;
  }

  get any(): boolean {
    return this.#reported.length > 0;
  }

  /** The findings in their order; those not reported as text are counted at the end. */
  list(): readonly Finding[] {
    const rest = [...this.#counts].flatMap(([code, count]) =>
      count > MAX_REPORTED ? [{ code, message: `and ${count - MAX_REPORTED} more like these` }] : [],
    );
    return [...this.#reported, ...rest];
  }
}

/** How many tasks a list names; the counts are complete. */
export const MAX_NAMED_TASKS = 1_000;

/** Names of tasks (`step/n`), the first thousand of them. */
export class TaskNames {
  readonly names: string[] = [];
  count = 0;

  add(step: string, task: number): void {
    this.count += 1;
    if (this.names.length < MAX_NAMED_TASKS) this.names.push(`${step}/${task}`);
  }
}

/** Findings that name the line of a file that they are about. */
export class LocatedFindings extends Findings {
  /** The current line, from 1; null if a finding isn't about a line. */
  line: number | null = null;

  override add(code: string, message: string): void {
    super.add(code, this.line === null ? message : `line ${this.line}: ${message}`);
  }

  /** Adds a finding that names its lines itself. */
  addUnlocated(code: string, message: string): void {
    super.add(code, message);
  }
}
