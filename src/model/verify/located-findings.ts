import { Findings } from './findings.ts';

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
