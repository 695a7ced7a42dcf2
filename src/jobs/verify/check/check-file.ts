import { createHash } from 'node:crypto';
import type { ProofLine } from '../../../model/verify/evidence-lines.ts';
import type { Finding } from '../../../model/verify/findings.ts';
import { LocatedFindings } from '../../../model/verify/located-findings.ts';
import { parseLine } from '../../../model/verify/parse-line.ts';
import type { StoredProof } from '../proof.ts';
import { checkEntry, checkProofLine, compareResult, resultOf } from './compare-proof.ts';
import { EvidenceCheck } from './evidence-check.ts';
import { type FileLine, readLines } from './read-lines.ts';

/** What a check of an evidence file found. */
export interface FileChecked {
  /** In the file, the seal included. */
  readonly lines: number;
  /** SHA-256 (hex) of all lines before the last, as it is now. */
  readonly sha256: string;
  /** Where the store keeps the proof, and its bytes' checksum; null where none can be read. */
  readonly key: string | null;
  readonly checksum: string | null;
  readonly proof: StoredProof | null;
  /** All that doesn't go together, by stable codes; none: the file proves what it states. */
  readonly mismatches: readonly Finding[];
}

export interface CheckOptions {
  readonly signal?: AbortSignal;
  /** Called now and then with the bytes read. */
  readonly onProgress?: (bytes: number) => void;
}

/** Progress is told each so many lines. */
const TURN = 1_000;

/**
 * Checks an evidence file by itself: no store, no configuration. All that its proof states is made again from the lines
 * before it. Throws `notFound` and `usage` for a file that can't be read.
 */
export async function checkFile(path: string, options: CheckOptions = {}): Promise<FileChecked> {
  const check = new FileCheck();
  let bytes = 0;
  for await (const line of readLines(path, options.signal)) {
    bytes += line.bytes.length + 1;
    check.take(line);
    if (line.number % TURN === 0) options.onProgress?.(bytes);
  }
  return check.finish();
}

class FileCheck {
  readonly #findings = new LocatedFindings();
  readonly #hash = createHash('sha256');
  readonly #body = new EvidenceCheck(this.#findings);
  readonly #checksums: string[] = [];
  #last: FileLine | null = null;
  #proof: ProofLine | null = null;

  /** The last line may be the seal, which is over all before it: so each line waits for the next. */
  take(line: FileLine): void {
    if (this.#last !== null) this.#takeSealed(this.#last);
    this.#last = line;
  }

  finish(): FileChecked {
    const sha256 = this.#hash.digest('hex');
    this.#checkSeal(sha256);
    this.#findings.line = null;
    const proof = this.#finishBody();
    const { key = null, checksum = null } = this.#proof ?? {};
    const lines = this.#last?.number ?? 0;
    return { lines, sha256, key, checksum, proof, mismatches: this.#findings.list() };
  }

  #takeSealed({ number, bytes }: FileLine): void {
    this.#hash.update(bytes).update('\n');
    this.#findings.line = number;
    const text = bytes.toString('utf8');
    const line = parseLine(text);
    if (line === null) {
      this.#findings.add('line', 'this is not a line written by verify');
      return;
    }
    if (line.line === 'seal' || this.#proof !== null) {
      this.#findings.add('order', `expected only the seal after the proof, found ${line.line}`);
      return;
    }
    if (line.line === 'proof') {
      this.#proof = line;
      return;
    }
    if (line.line === 'decision') this.#checksums.push(line.checksum);
    this.#guarded('line', () => this.#body.take(line, text, number));
  }

  #checkSeal(sha256: string): void {
    const last = this.#last;
    if (last === null) {
      this.#findings.add('seal', 'the file is empty');
      return;
    }
    this.#findings.line = last.number;
    const seal = last.whole ? parseLine(last.bytes.toString('utf8')) : null;
    if (seal?.line !== 'seal') {
      this.#findings.add('seal', 'the file is truncated: its last line is not a seal');
      return;
    }
    const lines = last.number - 1;
    if (seal.lines !== lines)
      this.#findings.add('seal', `the seal covers ${seal.lines} lines, but there are ${lines} before it`);
    if (last.bytes.toString('utf8') !== JSON.stringify({ line: 'seal', lines: seal.lines, sha256 }))
      this.#findings.add('seal', 'the lines before the seal do not match it');
  }

  #finishBody(): StoredProof | null {
    const proof = this.#proof;
    if (proof === null) this.#findings.add('proof', 'the file contains no proof');
    let stored: StoredProof | null = null;
    this.#guarded('proof', () => {
      const claimed = this.#body.finish();
      if (claimed === null) {
        this.#findings.add('line', 'the file does not name its job');
        return;
      }
      if (proof === null) return;
      const read = proof.proof as StoredProof; // what is amiss with it is found as it is compared
      compareResult(read.result, resultOf(claimed, read.result, this.#findings), this.#findings);
      checkProofLine(proof, read, claimed.view, this.#findings);
      checkEntry(read, this.#checksums, this.#findings);
      stored = read;
    });
    return stored;
  }

  /** A file from outside may hold anything: what trips over it is a finding about the file, not a bug to report. */
  #guarded(code: string, look: () => void): void {
    try {
      look();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#findings.add(code, `this can't be written by verify: ${why}`);
    }
  }
}
