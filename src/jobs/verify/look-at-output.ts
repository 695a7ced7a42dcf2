import { createHash } from 'node:crypto';
import { isKind } from '../../errors.ts';
import { stagedPrefix } from '../../model/keys.ts';
import type { OutputFile, OutputMeta, OutputOf } from '../../model/output.ts';
import { manifestLines, manifestProblem, metaProblem } from '../../model/verify/output-check.ts';
import type { ObjectInfo } from '../../ports/object-store.ts';
import { manifestOf, metaOf } from '../output.ts';
import { hashObject } from './hash-object.ts';
import type { Verifying } from './verify-context.ts';

/** A task's published object, as a listing names it. */
export interface Found {
  readonly task: number;
  readonly key: string;
}

export interface Looked {
  readonly task: number;
  readonly meta: OutputMeta | null;
  /** What is wrong with it, in words. */
  readonly problem: string | null;
}

/** Looks at a task's published object. Deep: reads every byte. */
export async function lookAt(ctx: Verifying, name: string, { task, key }: Found): Promise<Looked> {
  const of = { job: ctx.view.record.job, step: name, task };
  try {
    const info = await ctx.store.head(key);
    if (info === null) return { task, meta: null, problem: 'it went away while it was looked at' };
    const brief = metaOf(of, info.metadata);
    if (brief.manifest === true) return await lookAtManifest(ctx, of, key, brief.attempt);
    const problem = metaProblem(brief, ctx.view.round) ?? (await bytesProblem(ctx, info, brief));
    return { task, meta: brief, problem };
  } catch (error) {
    if (!isKind(error, 'corrupt')) throw error;
    return { task, meta: null, problem: error.message };
  }
}

/** The bytes are read only by a deep look. */
async function bytesProblem(ctx: Verifying, info: ObjectInfo, expected: OutputMeta): Promise<string | null> {
  if (info.size !== expected.bytesOut) return `it has ${info.size} bytes, and ${expected.bytesOut} were published`;
  return ctx.deep ? hashProblem(ctx, info.key, expected.bytesOut, expected.checksum) : null;
}

async function lookAtManifest(ctx: Verifying, of: OutputOf, key: string, attempt: string): Promise<Looked> {
  const { job, step, task } = of;
  const bytes = await ctx.store.read(key);
  if (bytes === null) return { task, meta: null, problem: 'it went away while it was looked at' };
  const { meta, single, files } = manifestOf(of, attempt, bytes);
  const prefix = stagedPrefix(job, step, task, attempt);
  const problem =
    metaProblem(meta, ctx.view.round) ??
    manifestProblem(meta, files) ??
    (checksumOfManifest(single, files) === meta.checksum ? null : 'its files have other checksums than it says') ??
    (await filesProblem(ctx, prefix, files));
  return { task, meta, problem };
}

function checksumOfManifest(single: boolean, files: readonly OutputFile[]): string | undefined {
  if (single) return files[0]?.checksum;
  return `sha256:${createHash('sha256').update(manifestLines(files)).digest('hex')}`;
}

async function filesProblem(ctx: Verifying, prefix: string, files: readonly OutputFile[]): Promise<string | null> {
  const sizes = new Map<string, number>();
  for await (const { key, size } of ctx.store.list(prefix)) sizes.set(key, size);
  for (const { key, size, checksum } of files) {
    const found = sizes.get(key);
    if (found === undefined) return `${key} is gone`;
    if (found !== size) return `${key} has ${found} bytes, and ${size} were published`;
    const problem = ctx.deep ? await hashProblem(ctx, key, size, checksum) : null;
    if (problem !== null) return problem;
  }
  return null;
}

async function hashProblem(ctx: Verifying, key: string, size: number, checksum: string): Promise<string | null> {
  const found = await hashObject(ctx.store, key, size, ctx.signal);
  if (found === null) return `${key} is gone`;
  return found.checksum === checksum ? null : `${key} has ${found.checksum}, and ${checksum} was published`;
}
