import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { BatchctlError } from '../../errors.ts';
import { type CodeArchive, packCode } from '../../jobs/code-archive.ts';
import { planCut } from '../../jobs/plan.ts';
import { jobFileOf } from '../../jobs/spec/format-job-file.ts';
import { closeInputs, FileChecksums, findInputs, needsNoInput } from '../../jobs/submit/inputs.ts';
import type { FindSource } from '../../jobs/submit/job-outputs.ts';
import { awaitInputs, prepare, resolveSpec } from '../../jobs/submit/prepare.ts';
import type { SubmissionRequest } from '../../jobs/submit/prepared.ts';
import { digestOf } from '../../jobs/submit/same-job.ts';
import type { FoundInput } from '../../jobs/submit/upload-inputs.ts';
import { uploadInputs } from '../../jobs/submit/upload-inputs.ts';
import type { JobSpec } from '../../model/job.ts';
import { codeKey } from '../../model/keys.ts';
import { isS3Uri } from '../../model/s3-uri.ts';
import type { Manager } from '../../ports/manager.ts';
import type { AttachedInput, Attachments } from '../../ports/verbs.ts';
import { NO_EVENTS } from '../../verbs/context.ts';
import {
  noticeLargeFile,
  requestOf,
  type SubmissionInput,
  warnOfLeftOut,
  withSubmitProgress,
} from '../../verbs/submission.ts';
import type { Context } from '../context.ts';
import { verbContext } from '../in-process.ts';
import { openJobFile } from '../open-job-file.ts';
import { withSubmitter } from '../submit-progress.ts';

/** A job file read on this machine, and where it is. */
export interface LocalJob {
  readonly path: string;
  readonly spec: JobSpec;
  /** The job file's directory. */
  readonly directory: string;
}

/** Reads a job file on this machine. Throws `jobFile` with every mistake, `notFound`. */
export async function openLocalJob(ctx: Context, path: string): Promise<LocalJob> {
  return { path, spec: await openJobFile(ctx, path), directory: dirname(resolve(ctx.io.cwd, path)) };
}

/** The spec and its packed files. Without `put` the files are not uploaded; only their hashes matter then. */
export async function attachCode(
  ctx: Context,
  manager: Manager,
  { path, spec, directory }: LocalJob,
  put = true,
): Promise<{ readonly attachments: Attachments; readonly code: CodeArchive | null }> {
  const code = await packCode(directory, spec.files);
  for (const text of code?.leftOut ?? []) ctx.warn(text);
  if (code !== null && put) await manager.store.put(codeKey(code.sha256), code.gzip);
  const jobFile = { path, spec: jobFileOf(spec), code: code?.sha256 ?? null };
  return { code, attachments: { jobFile, inputs: [] } };
}

/** Uploads job file and local inputs, once everything was found. Throws as `prepare` does. */
export async function attachSubmission(
  ctx: Context,
  manager: Manager,
  job: LocalJob,
  input: SubmissionInput,
): Promise<Attachments> {
  const { request, spec } = await localRequestOf(ctx, job, input);
  const stdin = new SpooledStdin(ctx);
  try {
    const checksums = new FileChecksums(noticeLargeFile(ctx));
    const find = async () => {
      const inputs: RequestedInput[] = [];
      const leftOut: string[] = [];
      const seen = new Map<string, string>();
      for (const asked of localInputNames(spec)) {
        const found = await findLocalInputs(manager, request, asked, { checksums, stdin, seen, leftOut });
        inputs.push(...found.map((input) => ({ ...input, asked })));
      }
      return {
        inputs,
        leftOut,
        digest: digestOf({ spec, code: null, inputs: inputs.map(({ input }) => input), period: null, place: null }),
      };
    };
    const found = await awaitInputs(find, input.awaitInput ?? 0, {
      clock: ctx.clock,
      signal: ctx.signal,
      onWait: (why) => ctx.notice(`waiting: ${why}`),
    });
    warnOfLeftOut(ctx, found);
    const { attachments, code } = await attachCode(ctx, manager, job);
    const put = await withSubmitter(ctx, (submitter) =>
      withSubmitProgress(submitter, (onProgress) =>
        uploadInputs(manager.store, found.inputs, {
          signal: ctx.signal,
          onProgress: (done, total) => onProgress({ phase: 'upload', done, total }),
        }),
      ),
    ).finally(() => closeInputs(found.inputs));
    const inputs = put.map((each, at) => attachedInput(found.inputs[at]?.asked ?? '', each));
    return { ...attachments, inputs, leftOut: [...(code?.leftOut ?? []), ...found.leftOut] };
  } finally {
    stdin.remove();
  }
}

interface RequestedInput extends FoundInput {
  /** The name by which it was requested. */
  readonly asked: string;
}

/** The request that the flags make, and its spec with parameters and period filled in. */
async function localRequestOf(ctx: Context, job: LocalJob, input: SubmissionInput) {
  const asked = await requestOf(verbContext(ctx, NO_EVENTS), job.spec, job.path, input);
  const request: SubmissionRequest = { ...asked, directory: job.directory };
  // Directories and programs of this machine mean nothing to the manager.
  return { request, spec: resolveSpec({ ...request, attachments: NO_ATTACHMENTS }).spec };
}

const NO_ATTACHMENTS: Attachments = { jobFile: null, inputs: [] };

/** Inputs that are files of this machine, or its stdin. */
function localInputNames({ input }: Pick<JobSpec, 'input'>): readonly string[] {
  if (input === null || needsNoInput(input.split)) return [];
  return input.from.filter((name) => !/^(store:|job:|https?:)/.test(name) && !isS3Uri(name));
}

interface LocalInputContext {
  readonly checksums: FileChecksums;
  readonly stdin: SpooledStdin;
  readonly seen: Map<string, string>;
  readonly leftOut: string[];
}

async function findLocalInputs(
  manager: Manager,
  { spec, inputs, inputDirectory, directory, own = [] }: SubmissionRequest,
  name: string,
  { checksums, stdin, seen, leftOut }: LocalInputContext,
): Promise<readonly FoundInput[]> {
  const given = inputs.length > 0;
  if (name === '-' && !given)
    throw new BatchctlError('usage', 'the input - can be used only once, and only with --input');
  const found = await findInputs([name === '-' ? await stdin.path() : name], {
    store: manager.store,
    checksums,
    seen,
    own,
    onLeftOut: (text) => leftOut.push(text),
    stdin: null,
    attached: null,
    split: spec.input?.split ?? { by: 'file' },
    directory: given ? inputDirectory : directory,
    bucket: () => Promise.reject(new TypeError('no bucket is an own input')),
    findSource: () => Promise.reject(new TypeError('no job is an own input')),
  });
  return name === '-' ? found.map((each) => ({ ...each, input: { ...each.input, name } })) : found;
}

function attachedInput(asked: string, { input }: FoundInput): AttachedInput {
  const { name, checksum, size, source } = input;
  if (checksum === null || source.kind !== 'store') throw new TypeError(`${name} was not put`);
  return { asked, name, key: source.key, checksum, size };
}

/** Stdin, spooled to a file: it can be uploaded only when it is complete. */
class SpooledStdin {
  readonly #ctx: Context;
  #directory: string | null = null;

  constructor(ctx: Context) {
    this.#ctx = ctx;
  }

  async path(): Promise<string> {
    if (this.#directory !== null) return join(this.#directory, 'stdin');
    this.#directory = mkdtempSync(join(tmpdir(), 'batchctl-stdin-'));
    const path = join(this.#directory, 'stdin');
    await pipeline(this.#ctx.io.stdin, createWriteStream(path, { mode: 0o600 }), { signal: this.#ctx.signal });
    return path;
  }

  remove(): void {
    if (this.#directory !== null) rmSync(this.#directory, { recursive: true, force: true });
  }
}

/**
 * The attachments of a plan. Nothing is uploaded: local inputs are cut here, for the number and sizes of their parts.
 */
export async function attachPlan(
  ctx: Context,
  manager: Manager,
  job: LocalJob,
  input: SubmissionInput,
  find: FindSource,
): Promise<Attachments> {
  const { request, spec } = await localRequestOf(ctx, job, input);
  const { attachments, code } = await attachCode(ctx, manager, job, false);
  const files = code?.files ?? [];
  if (localInputNames(spec).length === 0) return { ...attachments, planned: { files, cut: null } };
  const { bucket } = await ctx.platform();
  const prepared = await prepare({ ...request, code }, manager.store, find, new FileChecksums(), bucket);
  warnOfLeftOut(ctx, prepared);
  const { count: parts, records, inputs, pieces, sizes } = await planCut(prepared, ctx.signal);
  return { ...attachments, planned: { files, cut: { parts, records, inputs, pieces, sizes: sizes.toJSON() } } };
}
