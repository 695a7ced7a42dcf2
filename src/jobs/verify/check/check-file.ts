import { createHash } from 'node:crypto';
import { closeSync, readSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { BatchctlError, hasCode, isKind, messageOf } from '../../../errors.ts';
import { bytesChecksum } from '../../../lib/file-checksum.ts';
import { parseObject, requireKnownFormat } from '../../../lib/json.ts';
import { openRegularFile } from '../../../lib/read-file.ts';
import { proofKey } from '../../../model/keys.ts';
import { checkChains } from '../../../model/verify/chains-check.ts';
import { EVIDENCE_FORMAT, type ProofLine, parseLine } from '../../../model/verify/evidence.ts';
import { type Finding, Findings, LocatedFindings } from '../../../model/verify/findings.ts';
import { composeResult, differences, skipsOf, type VerifyResult } from '../../../model/verify/verify-result.ts';
import type { JobView } from '../../../model/view.ts';
import { instantIn } from '../../failures.ts';
import { proofChecksum, proofNumber, type StoredProof } from '../proof.ts';
import { checkState, checkTotals } from '../verify-job.ts';
import { type ClaimedState, EvidenceCheck } from './evidence-check.ts';
import { CLOCKS_APART, isChecksum, type Say } from './record-check.ts';
import { CLOCK_RULES } from './rules.ts';

export interface FileCheckResult {
  /** Lines in the file, including the seal. */
  readonly lines: number;
  /** SHA-256 (hex) of all lines before the last, as computed now. */
  readonly sha256: string;
  /** The proof's key in the store, and the checksum of its bytes; null if no proof can be read. */
  readonly key: string | null;
  readonly checksum: string | null;
  readonly proof: StoredProof | null;
  /** All inconsistencies, by stable codes; none: the file proves what it states. */
  readonly mismatches: readonly Finding[];
  /** Times that contradict each other. */
  readonly warnings: readonly Finding[];
}

export interface CheckOptions {
  readonly signal?: AbortSignal;
  /** Called repeatedly with the number of bytes read. */
  readonly onProgress?: (bytes: number) => void;
}

/** Progress is reported after this many lines. */
const TURN = 1_000;

/**
 * Checks an evidence file on its own, without store or configuration: recomputes everything that its proof states from
 * the lines before it. Throws `notFound` or `usage` for a file that can't be read, and `newer` for one by rules of a later
 * version, which this one can neither confirm nor refute. Only a file whose seal holds is of a later version: in any other, a
 * byte was changed.
 */
export async function checkFile(path: string, options: CheckOptions = {}): Promise<FileCheckResult> {
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
  /** The first thing that only a later version can read. */
  #newer: BatchctlError | null = null;

  /** The last line may be the seal, which covers all lines before it, so each line is held until the next arrives. */
  take(line: FileLine): void {
    if (this.#last !== null) this.#takeSealed(this.#last);
    this.#last = line;
  }

  finish(): FileCheckResult {
    const sha256 = this.#hash.digest('hex');
    this.#checkSeal(sha256);
    this.#findings.line = null;
    if (this.#newer !== null && this.#findings.list().length === 0) throw this.#newer;
    const proof = this.#newer === null ? this.#finishBody() : null;
    const { key = null, checksum = null } = this.#proof ?? {};
    const lines = this.#last?.number ?? 0;
    const found = this.#findings.list();
    const warnings = found.filter(({ code }) => CLOCK_RULES.includes(code));
    const mismatches = found.filter((finding) => !warnings.includes(finding));
    return { lines, sha256, key, checksum, proof, mismatches, warnings };
  }

  #takeSealed({ number, bytes }: FileLine): void {
    this.#hash.update(bytes).update('\n');
    if (this.#newer !== null) return;
    this.#findings.line = number;
    const text = bytes.toString('utf8');
    const line = parseLine(text);
    if (line === null) {
      if (number === 1)
        this.#guarded('line', () => requireKnownFormat('this file', parseObject(text) ?? {}, EVIDENCE_FORMAT));
      if (this.#newer === null) this.#findings.add('line', 'this is not a line written by verify');
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
      const read = proof.proof as StoredProof; // Errors in it are found by the comparison.
      compareResult(read.result, resultOf(claimed, read.result, this.#findings), this.#findings);
      checkProofLine(proof, read, claimed.view, this.#findings);
      checkVerdict(read, claimed, (rule, message) => this.#findings.add(rule, message));
      checkEntry(read, this.#checksums, this.#findings);
      stored = read;
    });
    return stored;
  }

  /** A file from outside may contain anything: an exception while checking it is a finding, not a bug. */
  #guarded(code: string, look: () => void): void {
    try {
      look();
    } catch (error) {
      if (isKind(error, 'newer')) {
        this.#newer ??= error;
        return;
      }
      const why = messageOf(error);
      this.#findings.add(code, `this can't be written by verify: ${why}`);
    }
  }
}

/** Longer values are truncated when a difference is reported. */
const SHOWN = 60;

/** Computes what the lines of a file prove, in the same way as `verify`. Errors in them are findings. */
function resultOf({ view, sum, scanned, ends }: ClaimedState, stated: VerifyResult, findings: Findings): VerifyResult {
  const chains = checkChains(
    view,
    ends.map(({ facts }) => facts),
    findings,
  );
  for (const [index, step] of chains.steps.entries()) {
    const listed = ends[index]?.ended;
    if (listed?.failed !== step.failed || listed.skipped !== step.skipped)
      findings.add('ends', `the ends of step ${step.name} do not list every task that failed or was skipped`);
  }
  const expectations = checkTotals(
    view,
    ends.map(({ totals }) => totals),
    findings,
  );
  checkState(view, findings);
  return composeResult({
    view,
    chains,
    scanned,
    expectations,
    findings,
    warnings: new Findings(),
    deep: stated.deep,
    altered: stated.altered,
    evidence: sum.finish(view),
    skips: skipsOf(sum.entries),
  });
}

function compareResult(stated: VerifyResult, found: VerifyResult, findings: Findings): void {
  // Problems and warnings are prose, which a later version may phrase differently. The verdict shows whether there were
  // any.
  const told = { problems: [], warnings: [], verdict: stated.verdict };
  for (const { path, ...values } of differences({ ...stated, ...told }, { ...found, ...told }))
    findings.add(
      'stated',
      `the proof states ${path} ${shown(values.stated)}, but the lines yield ${shown(values.found)}`,
    );
  if (stated.verdict !== 'proven')
    findings.add(
      'notProven',
      `the proof itself says ${stated.verdict}: ${stated.problems?.[0]?.message ?? 'no reason'}`,
    );
}

/** Checks a proof's checksums, its place in the chain, and the journal entry it was made at. */
function checkProofLine({ key, checksum }: ProofLine, proof: StoredProof, view: JobView, findings: Findings): void {
  const number = key === null ? null : proofNumber(key);
  if (key !== null && (number === null || key !== proofKey(view.record.job, number)))
    findings.add('proof', `${key} is not a key of a proof of ${view.record.job}`);
  if ((key === null) !== (proof.result.verdict !== 'proven'))
    findings.add('proof', 'only valid proofs are kept in the store');
  if (number !== null && (number === 0) !== (proof.previous === null))
    findings.add('proof', `proof ${number} ${number === 0 ? 'refers' : 'does not refer'} to an earlier proof`);
  if (checksum !== bytesChecksum(new TextEncoder().encode(JSON.stringify(proof))))
    findings.add('proof', 'the proof does not match its checksum');
  if (proof.format !== 1 || (proof.previous !== null && !isChecksum(proof.previous)))
    findings.add('proof', `the proof has format ${proof.format}, and names ${proof.previous} as the one before it`);
  if (proof.checksum !== proofChecksum(proof)) findings.add('proof', 'the proof does not match its name');
}

/** Checks the parts of a proof that no line yields: they are copied into the result that is compared. */
function checkVerdict({ when, result }: StoredProof, { verified, unread, decided }: ClaimedState, say: Say): void {
  const { verdict, problems, altered, deep, warnings } = result;
  if ((verdict === 'proven') !== (problems.length === 0 && altered.length === 0))
    say('verdict', `the verdict is ${verdict}, with ${problems.length} problems and ${altered.length} altered objects`);
  if (!deep && verified !== null) say('deep', `the proof is not deep, but says that verify read ${verified}`);
  if (deep && unread !== null && !warnings.some(({ code }) => code === 'inputChanged'))
    say('deep', `the proof is deep, but ${unread} has no checksum, and is not said to have changed`);
  const made = instantIn(when);
  if (made === null) say('proof', `${when}, when the proof was made, is not a time`);
  else if (made < decided - CLOCKS_APART)
    say('proofTime', `the proof was made at ${when}, before the last decision that it names`);
}

/** A proof names the last journal entry by the checksum of its bytes. */
function checkEntry(proof: StoredProof, checksums: readonly string[], findings: Findings): void {
  if (proof.entry !== checksums.length - 1 || proof.entryChecksum !== (checksums.at(-1) ?? null))
    findings.add('decisions', `the proof was made at entry ${proof.entry}, which is not the last decision here`);
}

function shown(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}...` : text;
}

interface FileLine {
  /** Counts from 1. */
  readonly number: number;
  /** The line's bytes without the newline. */
  readonly bytes: Buffer;
  /** False if the file ends in the middle of this line. */
  readonly whole: boolean;
}

/** Bytes read at once. That is quick: a stream's threads would take longer than most files. */
const CHUNK = 1024 * 1024;
const LEAST_CHUNK = 4_096;

/** No line of an evidence file is nearly this long: reading stops at a longer one. */
const LONGEST = 256 * 1024 * 1024;

const NEWLINE = 0x0a;

/** The lines of a file; memory holds one. Throws `notFound` and `usage` if the file can't be read. */
async function* readLines(path: string, signal?: AbortSignal): AsyncGenerator<FileLine> {
  let rest: Buffer[] = [];
  let length = 0;
  let number = 0;
  for await (const bytes of readChunks(path, signal)) {
    let from = 0;
    for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, from)) {
      const end = bytes.subarray(from, at);
      number += 1;
      yield { number, bytes: rest.length === 0 ? end : Buffer.concat([...rest, end]), whole: true };
      rest = [];
      length = 0;
      from = at + 1;
    }
    if (from < bytes.length) rest.push(bytes.subarray(from));
    length += bytes.length - from;
    if (length > LONGEST) break;
  }
  if (length > 0) yield { number: number + 1, bytes: Buffer.concat(rest), whole: false };
}

async function* readChunks(path: string, signal?: AbortSignal): AsyncGenerator<Buffer> {
  let fd: number | null = null;
  try {
    const opened = openRegularFile(path);
    if ('found' in opened) {
      throw new BatchctlError('usage', `expected a file of evidence, found ${opened.found}: ${path}`, {
        hint: 'write it to a file first: batchctl verify JOB -o FILE',
      });
    }
    fd = opened.fd;
    const { size } = opened.stat;
    for (let done = 0; ; ) {
      signal?.throwIfAborted();
      const into = Buffer.allocUnsafe(Math.min(CHUNK, Math.max(LEAST_CHUNK, size - done)));
      const got = readSync(fd, into, 0, into.length, null);
      if (got === 0) return;
      done += got;
      yield into.subarray(0, got);
      // A signal must reach the process.
      if (done > CHUNK) await nextTurn();
    }
  } catch (cause) {
    if (hasCode(cause, 'ENOENT', 'ENOTDIR')) throw new BatchctlError('notFound', `there is no file ${path}`, { cause });
    if (hasCode(cause, 'EACCES', 'EPERM'))
      throw new BatchctlError('usage', `${path} is not a readable file`, { cause });
    throw cause;
  } finally {
    if (fd !== null) closeSync(fd);
  }
}
