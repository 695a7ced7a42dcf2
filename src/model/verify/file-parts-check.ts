import type { FilePart } from '../part.ts';
import type { Findings } from './findings.ts';

/**
 * Proves, part by part and in constant memory, that the parts of a step behind an `explode` are exactly the files that
 * the step before it published: every file is one part, none is two, and each part names the file's key and checksum.
 */
export class FilePartsCheck {
  readonly #step: string;
  readonly #findings: Findings;

  constructor(step: string, findings: Findings) {
    this.#step = step;
    this.#findings = findings;
  }

  /** Compares a line of a shard with the part that is next. Answers what is done with: the line, the part, or both. */
  compare(line: string, where: string, expected: FilePart): 'line' | 'part' | 'both' {
    const found = parseFilePart(line);
    if (found === null) {
      this.#say('partAltered', `${where} is not a part of ${this.#step}`);
      return 'both';
    }
    if (found.n < expected.n) {
      this.#say('partTwice', `part ${found.n} of ${this.#step} is duplicated or out of order: ${where}`);
      return 'line';
    }
    if (found.n > expected.n) {
      this.missing(expected);
      return 'part';
    }
    if (!isSame(found, expected)) {
      const { n, from, name, key, checksum } = expected;
      this.#say(
        'partAltered',
        `part ${n} of ${this.#step} refers to ${found.key} with ${found.checksum}, but ${from} made ${name}, ${key} with ${checksum}`,
      );
    }
    return 'both';
  }

  /** Says that no line names a file that was published. */
  missing({ n, from, name }: FilePart): void {
    this.#say('partMissing', `part ${n} of ${this.#step} is missing: ${name}, which ${from} made`);
  }

  /** Says that a line comes after the last file. */
  extra(where: string): void {
    this.#say('partExtra', `${where} is a surplus part of ${this.#step}: no file is left for it`);
  }

  #say(code: string, message: string): void {
    this.#findings.add(code, message);
  }
}

function isSame(found: FilePart, expected: FilePart): boolean {
  return (
    found.n === expected.n &&
    found.kind === expected.kind &&
    found.key === expected.key &&
    found.size === expected.size &&
    found.checksum === expected.checksum &&
    found.from === expected.from &&
    found.name === expected.name
  );
}

function parseFilePart(line: string): FilePart | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && 'n' in value && typeof value.n === 'number'
      ? (value as FilePart)
      : null;
  } catch {
    return null;
  }
}
