import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, ftruncateSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { BatchctlError, hasCode } from '../../errors.ts';
import { VERSION } from '../../lib/version.ts';
import type { JournalEntry } from '../../model/journal.ts';
import type { FilePart, Part } from '../../model/part.ts';
import type {
  DecisionLine,
  EndLine,
  Evidence,
  EvidenceLine,
  InputLine,
  OpenedLine,
} from '../../model/verify/evidence.ts';
import { EVIDENCE_FORMAT } from '../../model/verify/evidence.ts';
import type { JobView } from '../../model/view.ts';
import { draftIn, removeStaleDrafts } from '../fetch/target.ts';
import { EvidenceSum } from './evidence-sum.ts';

/** Characters written at once. */
const CHUNK = 256 * 1024;

/** An evidence file in progress (docs/proof.md), written next to its final name, so that half a file is never read. */
export class EvidenceFile {
  readonly #path: string;
  readonly #draft: string;
  readonly #fd: number;
  #hash = createHash('sha256');
  #waiting: string[] = [];
  #length = 0;
  #lines = 0;
  #open = true;

  private constructor(path: string, draft: string, fd: number) {
    this.#path = path;
    this.#draft = draft;
    this.#fd = fd;
  }

  /** Throws `usage` if the file can't be created. */
  static async create(path: string): Promise<EvidenceFile> {
    const draft = draftIn(dirname(path));
    try {
      const fd = openSync(draft, 'ax');
      await removeStaleDrafts(dirname(path));
      return new EvidenceFile(path, draft, fd);
    } catch (cause) {
      throw cannotWrite(path, cause);
    }
  }

  /** Writes a line. Throws `full` if the disk is full. */
  line(line: EvidenceLine, text = JSON.stringify(line)): void {
    this.#lines += 1;
    this.#length += text.length + 1;
    this.#waiting.push(text, '\n');
    if (this.#length >= CHUNK) this.#flush();
  }

  /** Removes all lines, for a verification that begins again. */
  restart(): void {
    ftruncateSync(this.#fd);
    this.#hash = createHash('sha256');
    this.#waiting = [];
    this.#length = 0;
    this.#lines = 0;
  }

  /** Adds the seal, and renames the file to its final name once its content is safe on disk. */
  finish(): void {
    this.#flush();
    this.line({ line: 'seal', lines: this.#lines, sha256: this.#hash.copy().digest('hex') });
    this.#flush();
    try {
      fsyncSync(this.#fd);
      this.#close();
      renameSync(this.#draft, this.#path);
      syncDirectory(dirname(this.#path));
    } catch (cause) {
      throw cannotWrite(this.#path, cause);
    }
  }

  /** Removes an unfinished file; does nothing after `finish`. */
  discard(): void {
    this.#close();
    rmSync(this.#draft, { force: true });
  }

  #close(): void {
    if (this.#open) closeSync(this.#fd);
    this.#open = false;
  }

  #flush(): void {
    const bytes = Buffer.from(this.#waiting.join(''));
    this.#waiting = [];
    this.#length = 0;
    this.#hash.update(bytes);
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at);
    } catch (cause) {
      throw cannotWrite(this.#path, cause);
    }
  }
}

function syncDirectory(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function cannotWrite(path: string, cause: unknown): BatchctlError {
  if (hasCode(cause, 'ENOSPC', 'EDQUOT')) {
    return new BatchctlError('full', `there is no space left for ${path}`, {
      cause,
      hint: 'use a file on a disk with more space: about 400 bytes per task and step',
    });
  }
  return new BatchctlError('usage', `can't write the evidence to ${path}`, {
    cause,
    hint: 'choose a file in an existing, writable directory',
  });
}

/** Receives what a verification sees, in an evidence file's order; adds it up, and writes it if a file is wanted. */
export class EvidenceLog {
  readonly #view: JobView;
  readonly #file: EvidenceFile | null;
  readonly sum: EvidenceSum;

  constructor(view: JobView, file: EvidenceFile | null) {
    this.#view = view;
    this.#file = file;
    this.sum = new EvidenceSum((shard) => file?.line(shard), view.record.extents);
    const { inputs, ...record } = view.accepted;
    const extended = view.record.extents === undefined ? {} : { inputs: inputs.length };
    file?.line({ line: 'evidence', format: EVIDENCE_FORMAT, version: VERSION, job: record.job, record, ...extended });
  }

  input(line: InputLine): void {
    const text = JSON.stringify(line);
    this.sum.input(line, text);
    this.#file?.line(line, text);
  }

  decision(line: DecisionLine, entry: JournalEntry): void {
    const text = JSON.stringify(line);
    this.sum.decision(line, entry, text);
    this.#file?.line(line, text);
  }

  part(part: Part): void {
    const line = { line: 'part', ...part } as const;
    const text = JSON.stringify(line);
    this.sum.part(part.n, text);
    this.#file?.line(line, text);
  }

  opened(line: OpenedLine): void {
    this.sum.opened(line);
    this.#file?.line(line);
  }

  end(line: EndLine): void {
    const text = JSON.stringify(line);
    this.sum.end(line, text);
    this.#file?.line(line, text);
  }

  /** The file of a task of the step after an `explode`. Called after the ends of all steps. */
  file(step: string, part: FilePart): void {
    const line = { line: 'file', step, ...part } as const;
    const text = JSON.stringify(line);
    this.sum.file(line, text);
    this.#file?.line(line, text);
  }

  finish(): Evidence {
    this.sum.endFiles();
    return this.sum.finish(this.#view);
  }
}
