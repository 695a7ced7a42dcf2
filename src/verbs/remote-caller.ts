import { Readable } from 'node:stream';
import * as v from 'valibot';
import type { Config } from '../config/load-config.ts';
import { BatchctlError } from '../errors.ts';
import type { CodeArchive } from '../jobs/code-archive.ts';
import { mapOf } from '../lib/fields.ts';
import { machineZone, parseZone } from '../lib/zone.ts';
import type { Scope } from '../model/api.ts';
import type { JobSpec } from '../model/job.ts';
import { codeKey } from '../model/keys.ts';
import type { Platform } from '../ports/platform.ts';
import type { Attachments, VerbRequest } from '../ports/verbs.ts';
import { type Caller, type CallerFiles, notConfirmed } from './context.ts';

/** A call of a verb through a manager. */
export interface VerbCall extends VerbRequest {
  /** The actor, for the journal: `token:NAME`. */
  readonly who: string;
  /** The scope of the caller's token. */
  readonly scope: Scope;
  /** Aborted when the caller is gone, or asked the verb to stop. */
  readonly signal: AbortSignal;
  /** Receives progress: an event as the verb declares it, or text for people. */
  report(event: unknown): void;
  warn(text: string): void;
  notice(text: string): void;
  /** Receives a row of a list; the next is made once it resolves, with the row's length in bytes. */
  row(row: unknown): Promise<number>;
}

/** A caller on another machine, whose files are only those that it sent along. Throws `usage`. */
export function remoteCaller(call: VerbCall, { profile }: Config, { store }: Pick<Platform, 'store'>): Caller {
  const { scope, signal, dryRun, yes, notice, warn } = call;
  const zone = call.tz === null ? (profile.tz ?? machineZone(undefined).zone) : parseZone(call.tz);
  return {
    scope,
    signal,
    dryRun,
    confirmed: yes,
    files: attachedFiles(attachmentsOf(call), store),
    zone: async () => zone,
    confirm: async (question) => {
      if (!yes && !dryRun) throw notConfirmed(question);
    },
    notice,
    warn,
  };
}

const NO_ATTACHMENTS: Attachments = { jobFile: null, inputs: [] };

function attachmentsOf({ name, dryRun, attachments }: VerbCall): Attachments {
  if (attachments === null) return NO_ATTACHMENTS;
  const checked = checkAttachments(attachments);
  // A plan's attachments are not stored and not checked, so nothing may be created from them.
  if (checked.planned == null || name === 'plan' || dryRun) return checked;
  throw new BatchctlError('usage', 'attachments.planned: expected only of a plan');
}

/** A directory of no machine: paths below it are names only. */
const NOWHERE = '/nonexistent';

function attachedFiles(attachments: Attachments, store: Platform['store']): CallerFiles {
  // A call has one job, whose files may be long.
  let code: Promise<CodeArchive | null> | null = null;
  const codeOf = (spec: JobSpec): Promise<CodeArchive | null> => {
    code ??= readCode(attachments, spec, store);
    return code;
  };
  return {
    cwd: NOWHERE,
    elsewhere: true,
    stdout: null,
    job: (path) => attachedSpec(attachments, path),
    source: async (_, spec) => ({
      directory: NOWHERE,
      inputDirectory: NOWHERE,
      stdin: Readable.from([]),
      attachments,
      code: await codeOf(spec),
    }),
    correctedJob: async (path) => {
      const spec = await attachedSpec(attachments, path);
      return { spec, code: await codeOf(spec) };
    },
    text: async (option, path) => attachedText(attachments, option, path),
  };
}

/** The spec that the caller sent. Throws `usage` if it sent none, and `jobFile` with all mistakes. */
async function attachedSpec({ jobFile }: Attachments, path: string): Promise<JobSpec> {
  if (jobFile === null || jobFile.path !== path) {
    throw new BatchctlError(
      'usage',
      `the job file ${path} was not sent along, and a manager does not read paths of its callers`,
      { hint: 'send the job as `spec`' },
    );
  }
  const { parseSentJobFile, specOfValue } = await import('../jobs/spec/job-file.ts');
  const { spec } = jobFile;
  return typeof spec === 'string' ? parseSentJobFile(spec, { file: path }) : specOfValue(spec, { file: path });
}

/** The files that the caller uploaded earlier; null for none. Throws `usage`, `notFound`, `corrupt`. */
async function readCode(
  { jobFile, planned }: Attachments,
  spec: JobSpec,
  store: Platform['store'],
): Promise<CodeArchive | null> {
  if (spec.files.length === 0) return null;
  const sha256 = jobFile?.code ?? null;
  if (sha256 === null || !/^[0-9a-f]{64}$/.test(sha256)) {
    throw new BatchctlError('usage', `the job's files (${spec.files.join(', ')}) were not sent along`, {
      hint: 'store their archive as code/<sha256>.tar.gz, and send its hash as `code`',
    });
  }
  // A plan stores nothing, so nothing was uploaded for it.
  if (planned != null) {
    const { files, hashes } = planned;
    return { sha256, gzip: new Uint8Array(), files, ...(hashes && { hashes }) };
  }
  const { readStoredCode } = await import('../jobs/code-archive.ts');
  const code = await readStoredCode(store, sha256);
  if (code !== null) return code;
  throw new BatchctlError('notFound', `the job's files, ${codeKey(sha256)}, are not in the store`, {
    hint: 'upload them first; the same command run again does that',
  });
}

function attachedText({ texts }: Attachments, option: string, path: string): string {
  const text = texts !== undefined && Object.hasOwn(texts, path) ? texts[path] : undefined;
  if (text !== undefined) return text;
  throw new BatchctlError(
    'usage',
    `${option} ${path} was not sent along, and a manager does not read paths of its callers`,
  );
}

const text = v.pipe(v.string(), v.maxLength(4_096));
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const checksum = v.pipe(v.string(), v.regex(/^sha256:[0-9a-f]{64}$/));

/** The length is checked first. The check of the items ends with the first wrong one: thousands would block a manager. */
const listOf = <const S extends v.GenericSchema>(item: S, most: number) =>
  v.pipe(v.array(v.unknown()), v.maxLength(most), v.array(item));

/** Far more than fit into a call. */
const MOST_INPUTS = 100_000;
/** Lines about what inputs leave out: a few for each name of an input. */
const MOST_LEFT_OUT = 10_000;
/** Maximum number of files that options may name. */
const MOST_TEXTS = 100;

const input = v.object({
  asked: text,
  name: text,
  key: v.pipe(v.string(), v.maxLength(1_024)),
  checksum,
  size: count,
});

/** An input of a plan. It is only counted; nothing is stored. */
const plannedInput = v.object({
  name: text,
  size: count,
  checksum: v.nullable(checksum),
  records: v.nullable(count),
  compression: v.nullable(v.picklist(['gzip', 'zstd'])),
  parts: v.exactOptional(v.literal(0)),
  source: v.looseObject({ kind: v.picklist(['store', 's3', 'pipe', 'file']) }),
});

const planned = v.object({
  files: listOf(text, MOST_INPUTS),
  hashes: v.exactOptional(mapOf(text, text, 'a map of text')),
  cut: v.nullable(
    v.object({
      parts: count,
      records: v.nullable(count),
      pieces: count,
      inputs: listOf(plannedInput, MOST_INPUTS),
      sizes: v.object({
        bins: listOf(v.tuple([v.number(), count, v.pipe(v.number(), v.minValue(0))]), 10_000),
        largest: v.object({ n: count, size: v.number() }),
      }),
    }),
  ),
});

const ATTACHMENTS = v.object({
  jobFile: v.nullable(v.object({ path: text, spec: v.unknown(), code: v.nullable(text) })),
  inputs: listOf(input, MOST_INPUTS),
  leftOut: v.exactOptional(listOf(text, MOST_LEFT_OUT)),
  texts: v.exactOptional(
    v.pipe(mapOf(text, v.pipe(v.string(), v.maxLength(2 ** 20)), 'a map of text'), v.maxEntries(MOST_TEXTS)),
  ),
  planned: v.exactOptional(v.nullable(planned)),
});

/** Checks untrusted data from a caller. Throws `usage`. */
function checkAttachments(sent: unknown): Attachments {
  const result = v.safeParse(ATTACHMENTS, sent, { abortEarly: true });
  // The location of a plan's input, which the schema leaves open, only labels the plan.
  if (result.success) return result.output as unknown as Attachments;
  const [issue] = result.issues;
  throw new BatchctlError('usage', `attachments.${v.getDotPath(issue)}: ${issue.message}`);
}
