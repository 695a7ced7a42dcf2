import { statSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { isKind } from '../../errors.ts';
import { fileChecksum } from '../../lib/file-checksum.ts';
import { type Extent, incompleteText, type JobInput, takesFiles } from '../../model/job.ts';
import {
  extentPartsPrefix,
  extentPiecesPrefix,
  jobPrefix,
  partsPrefix,
  piecesPrefix,
  shardCount,
  stepPartShardKey,
  stepPartsPrefix,
} from '../../model/keys.ts';
import { PARTS_PER_SHARD, type Part, type PiecePart, parsePart } from '../../model/part.ts';
import { extentOf, partShards } from '../../model/part-shards.ts';
import { inputLine } from '../../model/verify/evidence.ts';
import { MAX_NAMED_TASKS } from '../../model/verify/findings.ts';
import { FilePartsCheck, PartsCheck } from '../../model/verify/parts-check.ts';
import type { OpenedGather } from '../../model/view.ts';
import type { ObjectEntry } from '../../ports/object-store.ts';
import { fileParts, type OpenedStep, openedStep } from '../explode.ts';
import { stepTotals } from '../listing.ts';
import { fileDifference } from '../split/file-source.ts';
import { pinDifference, restoredEtag, versionReader } from '../split/store-source.ts';
import { AddedPartsCheck } from './added-parts.ts';
import { otherInputText } from './input-links.ts';
import { hashObject, type VerifyContext } from './verify-context.ts';

/**
 * Reports the inputs to the evidence. A deep verification also reads them, and reports changes since the job was
 * accepted. Inputs may be missing: the outputs exist.
 */
export async function scanInputs(ctx: VerifyContext): Promise<void> {
  for (const found of ctx.view.record.incomplete ?? []) ctx.warnings.add('inputIncomplete', incompleteText(found));
  for (const [n, input] of ctx.view.record.inputs.entries()) {
    ctx.signal?.throwIfAborted();
    const { changed, altered, checksum } = ctx.deep ? await readInput(ctx, input) : UNREAD;
    if (altered !== null)
      ctx.findings.add(
        'inputAltered',
        `the bytes of the input ${input.name} differ from those of the accepted version: ${altered}`,
      );
    if (changed !== null)
      ctx.warnings.add('inputChanged', `the input ${input.name} has changed since the job was accepted: ${changed}`);
    ctx.evidence?.input(inputLine(n, input, checksum));
  }
  ctx.evidence?.sum.endInputs();
}

interface InputRead {
  /** How its version differs now; null if unchanged. */
  readonly changed: string | null;
  /** How the bytes of the same version differ; null if they don't. */
  readonly altered: string | null;
  /** Checksum of its bytes, if they are still those that the job was accepted with. */
  readonly checksum: string | null;
}

const UNREAD: InputRead = { changed: null, altered: null, checksum: null };

async function readInput(ctx: VerifyContext, input: JobInput): Promise<InputRead> {
  const before = await changeOf(ctx, input);
  if (before !== null || input.source.kind === 'pipe') return { changed: before, altered: null, checksum: null };
  const checksum = await checksumOf(ctx, input);
  const changed = await changeOf(ctx, input);
  const altered = changed === null ? differenceOf(input, checksum) : null;
  return { changed, altered, checksum: changed === null && altered === null ? checksum : null };
}

function differenceOf({ checksum }: JobInput, found: string | null): string | null {
  return checksum === null || checksum === found ? null : `expected ${checksum}, found ${found}`;
}

async function changeOf(ctx: VerifyContext, input: JobInput): Promise<string | null> {
  const { source } = input;
  switch (source.kind) {
    case 'pipe':
      return null;
    case 'store': {
      const info = await ctx.store.head(source.key);
      if (info === null) return `${source.key} is gone`;
      if (info.etag === source.etag || (await restoredEtag(ctx.store, input)) !== null) return null;
      return `${source.key} was overwritten`;
    }
    case 's3': {
      const { bucket, key, etag, version } = source;
      return pinDifference(await (await ctx.bucket(bucket)).head(key, version), etag, `s3://${bucket}/${key}`);
    }
    case 'file': {
      const stat = statSync(source.path, { bigint: true, throwIfNoEntry: false });
      return stat === undefined ? `${source.path} no longer exists` : fileDifference(stat, source.pin);
    }
    default:
      return source satisfies never;
  }
}

async function checksumOf(
  { store, bucket, signal }: VerifyContext,
  { source, size }: JobInput,
): Promise<string | null> {
  if (source.kind === 'pipe') return null;
  if (source.kind === 'store') return (await hashObject(store, source.key, size, signal))?.checksum ?? null;
  if (source.kind === 's3') {
    const reader = versionReader(await bucket(source.bucket), source.version);
    return (await hashObject(reader, source.key, size, signal))?.checksum ?? null;
  }
  return fileChecksum(source.path, signal === undefined ? { length: size } : { length: size, signal });
}

/**
 * Reads the part shards of every opened step behind an `explode`, alongside the outputs they were made from. Memory
 * holds one shard.
 */
export async function scanStepParts(ctx: VerifyContext): Promise<void> {
  for (const [index, opened] of ctx.opened.entries()) {
    if (opened !== null && takesFiles(ctx.view.record.spec.steps, index)) await scanStep(ctx, index, opened);
  }
}

async function scanStep(ctx: VerifyContext, index: number, opened: OpenedGather): Promise<void> {
  const { store, view, findings } = ctx;
  const step = openedStep(store, view, { index, size: stepTotals(view)[index - 1] ?? 0, opened });
  const check = new FilePartsCheck(step.taker, findings);
  const lines = stepLinesOf(ctx, step);
  let line = (await lines.next()).value;
  let files = 0;
  try {
    for await (const expected of fileParts({ ...step, leftOut: opened.leftOut })) {
      files += 1;
      ctx.evidence?.file(step.taker, expected);
      const { n, checksum, from, name } = expected;
      const other = ctx.links.addFile(index, n, { checksum, input: `${name} of ${from}` });
      if (other !== null) findings.add('otherFile', otherInputText(view.record.spec.steps, other));
      if (files % TURN === 0) ctx.reportChecked(TURN);
      for (let done: 'line' | 'part' | 'both' = 'line'; done === 'line'; ) {
        done = line === undefined ? 'part' : check.compare(line.text, line.where, expected);
        if (line === undefined) check.reportMissing(expected);
        else if (done !== 'part') line = (await lines.next()).value;
      }
    }
  } catch (error) {
    // The output is gone or altered, or the task set is invalid: both are reported by other checks.
    if (!isKind(error, 'proof', 'corrupt') && !(error instanceof RangeError)) throw error;
    findings.add('partSource', `can't compare the parts of ${step.taker} with the files: ${error.message}`);
    return;
  }
  const altered = ctx.altered.find((name) => name.startsWith(`${step.step}/`));
  if (altered !== undefined)
    findings.add(
      'partSource',
      `the files of ${altered} are tasks of ${step.taker}, and it can't be made again for them`,
    );
  for (; line !== undefined; line = (await lines.next()).value) check.reportExtra(line.where);
  if (files !== opened.count) {
    findings.add('opened', `step ${step.taker} was opened with ${opened.count} files, but ${step.step} made ${files}`);
  }
}

async function* stepLinesOf(
  { store, view, signal, findings }: VerifyContext,
  step: OpenedStep,
): AsyncGenerator<{ readonly text: string; readonly where: string }, undefined> {
  const { job } = view.record;
  const known = new Set<string>();
  for (let shard = 0; shard < shardCount(step.opened.count); shard += 1) {
    signal?.throwIfAborted();
    const key = stepPartShardKey(job, step.taker, shard);
    known.add(key);
    const bytes = await store.read(key);
    if (bytes === null) findings.add('shardMissing', `${key} is missing, with up to ${PARTS_PER_SHARD} parts`);
    const text = new TextDecoder().decode(bytes ?? new Uint8Array());
    let line = 0;
    for (let from = 0; from < text.length; ) {
      const at = text.indexOf('\n', from);
      const end = at === -1 ? text.length : at;
      line += 1;
      yield { text: text.slice(from, end), where: `line ${line} of ${key}` };
      from = end + 1;
    }
  }
  for await (const key of store.keys(stepPartsPrefix(job, step.taker))) {
    if (!known.has(key)) findings.add('foreign', `${key} is not a part shard of step ${step.taker}`);
  }
  return undefined;
}

interface PartsScan {
  readonly parts: number;
  readonly inputs: number;
  readonly bytes: number;
}

/** Shards up to this size are read at once. Lists may have lines of 256 KiB, so larger shards are streamed. */
const IN_MEMORY = 16 * 1024 * 1024;

const TURN = 1_000;

/** Reads all part shards, once and in order, with the pieces that they name. */
export async function scanParts(ctx: VerifyContext): Promise<PartsScan> {
  const check = new PartsCheck(ctx.view, ctx.findings, ctx.warnings);
  const { record } = ctx.view;
  const added = new AddedPartsCheck(record, ctx.findings);
  let pieces = new PieceWalk(ctx, piecesPrefix(record.job));
  let extent: Extent | null = null;
  let parts = 0;
  for await (const part of readParts(ctx)) {
    check.add(part);
    added.take(part);
    if (part.kind === 'range' && part.assumed === true) ctx.cuts?.assumed.add(part.n);
    ctx.evidence?.part(part);
    const now = extentOf(record, part.n);
    if (now !== null && now !== extent) {
      await pieces.finish();
      pieces = new PieceWalk(ctx, extentPiecesPrefix(record.job, now.name));
      extent = now;
    }
    if (part.kind === 'piece') await pieces.take(part);
    parts += 1;
    if (parts % TURN === 0) ctx.reportChecked(TURN);
  }
  ctx.reportChecked(parts % TURN);
  ctx.evidence?.sum.endParts();
  check.finish();
  added.finish();
  await pieces.finish();
  return { parts, inputs: check.inputs, bytes: check.bytes };
}

/** The parts, in order. Reports shards and lines that are missing or altered. */
export async function* readParts(
  ctx: Pick<VerifyContext, 'store' | 'view' | 'signal' | 'findings'>,
): AsyncGenerator<Part> {
  const { record } = ctx.view;
  const sizes = new Map<string, number>();
  const { job, extents = [] } = record;
  for (const prefix of [partsPrefix(job), ...extents.map(({ name }) => extentPartsPrefix(job, name))])
    for await (const { key, size } of ctx.store.list(prefix)) sizes.set(key, size);
  for (const { key, first, count } of partShards(record)) {
    ctx.signal?.throwIfAborted();
    const size = sizes.get(key);
    sizes.delete(key);
    if (size === undefined) {
      ctx.findings.add('shardMissing', `${key} is missing, with ${count === 1 ? 'a part' : `${count} parts`}`);
      continue;
    }
    let line = 0;
    for await (const text of linesOf(ctx, key, size)) {
      line += 1;
      const part = parsePart(text);
      if (part !== null) yield part;
      else ctx.findings.add('partAltered', `line ${line} of ${key} is not a part`);
      if (part !== null && (part.n < first || part.n >= first + PARTS_PER_SHARD))
        ctx.findings.add('partAltered', `line ${line} of ${key} is part ${part.n}, which belongs elsewhere`);
    }
  }
  for (const key of sizes.keys()) ctx.findings.add('foreign', `${key} is not a part shard of this job`);
}

async function* linesOf(ctx: Pick<VerifyContext, 'store'>, key: string, size: number): AsyncGenerator<string> {
  if (size <= IN_MEMORY) {
    const bytes = await ctx.store.read(key);
    const text = new TextDecoder().decode(bytes ?? new Uint8Array());
    let from = 0;
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', from)) {
      yield text.slice(from, at);
      from = at + 1;
    }
    if (from < text.length) yield text.slice(from);
    return;
  }
  const stream = await ctx.store.get(key);
  yield* createInterface({ input: stream?.body ?? Readable.from([]), crlfDelay: Number.POSITIVE_INFINITY });
}

/** Walks the stored pieces alongside the parts that name them: both are ordered by number. */
class PieceWalk {
  readonly #ctx: VerifyContext;
  readonly #entries: AsyncIterator<ObjectEntry>;
  #next: ObjectEntry | null | undefined;

  constructor(ctx: VerifyContext, prefix: string) {
    this.#ctx = ctx;
    this.#entries = ctx.store.list(prefix)[Symbol.asyncIterator]();
  }

  /** Looks up the piece of a part. */
  async take(part: PiecePart): Promise<void> {
    const { store, findings, altered, deep, signal } = this.#ctx;
    await this.#skipTo(part.key);
    const entry = this.#next;
    if (entry === null || entry === undefined || entry.key !== part.key) {
      findings.add('pieceMissing', `${part.key}, with the bytes of part ${part.n}, is missing`);
      return;
    }
    this.#next = undefined;
    if (entry.size === part.size && !deep) return;
    const found = deep ? await hashObject(store, part.key, part.size, signal) : null;
    if (found?.size === part.size && found.checksum === part.checksum) return;
    findings.add(
      'pieceAltered',
      `${part.key}, with the bytes of part ${part.n}, differs from what was split from the input`,
    );
    if (altered.length < MAX_NAMED_TASKS) altered.push(part.key.slice(jobPrefix(this.#ctx.view.record.job).length));
  }

  async finish(): Promise<void> {
    await this.#skipTo(null);
    await this.#entries.return?.();
  }

  /** Skips to the first piece at or after `key`; skipped pieces belong to no part. */
  async #skipTo(key: string | null): Promise<void> {
    for (;;) {
      if (this.#next === undefined) {
        const { value, done } = await this.#entries.next();
        this.#next = done === true ? null : value;
      }
      if (this.#next === null || this.#next === undefined || (key !== null && this.#next.key >= key)) return;
      this.#ctx.findings.add('foreign', `${this.#next.key} is not a piece of this job's parts`);
      this.#next = undefined;
    }
  }
}
