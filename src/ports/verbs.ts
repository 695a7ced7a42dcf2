import { type ApiError, hasScope, type Scope } from '../model/api.ts';
import type { PartSizesJson } from '../model/forecast/part-sizes.ts';
import type { JobInput } from '../model/job.ts';

type JsonSchema = Readonly<Record<string, unknown>>;

/** One verb of the command line in the manager's API: `POST /api/v1/jobs/{job}/retries`. */
export interface Verb {
  /** `retry`, `schedule add`. */
  readonly name: string;
  readonly summary: string;
  readonly about: string | null;
  /** An example command line: `batchctl retry last`. */
  readonly example: string;
  readonly scope: Scope;
  /** Fields that need a higher scope, because they make it another action: `verify` with `repair`. */
  readonly scopeWith: Readonly<Record<string, Scope>>;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below `/api/v1`, with `{name}` for arguments; null: only the command line calls it, through frames. */
  readonly path: string | null;
  /** The GET path where the same verb only reads, without the fields of `scopeWith`; null: none. */
  readonly shownAt: string | null;
  /** The field that names a job file, which the API takes as `spec` and `code`; null: none. */
  readonly jobFile: string | null;
  /** Fields that name a small text file, whose lines the API takes as a list. */
  readonly lines: readonly string[];
  /** True: it answers JSON Lines, which the API returns as `{"items": [...]}`. */
  readonly list: boolean;
  /** Arguments and options by their camelCase names: a draft 2020-12 object schema. */
  readonly input: JsonSchema;
  /** The schema of the answer, or of one item of a list; null: none. */
  readonly output: JsonSchema | null;
  /** True: `dryRun` says what it would do. */
  readonly writes: boolean;
}

export function scopeOf(
  { scope, scopeWith }: Pick<Verb, 'scope' | 'scopeWith'>,
  input: Readonly<Record<string, unknown>>,
): Scope {
  const asked = Object.entries(scopeWith).filter(
    ([field]) => input[field] !== undefined && input[field] !== null && input[field] !== false,
  );
  return asked.reduce((needed, [, more]) => (hasScope(needed, more) ? needed : more), scope);
}

/** What a command line sends with a verb, because its files aren't on the manager's machine. */
export interface Attachments {
  /** The job file that the verb names: its spec, and the hash of its files, which were put before. */
  readonly jobFile: { readonly path: string; readonly spec: unknown; readonly code: string | null } | null;
  /** Local inputs that were put into the store before: the requested name, and the location. */
  readonly inputs: readonly AttachedInput[];
  /** What the local inputs and files leave out, in a line each; the command line has warned of it. */
  readonly leftOut?: readonly string[];
  /** The content of small text files that options name (`--holidays`), by their paths as given. */
  readonly texts?: Readonly<Record<string, string>>;
  /** For a plan only, for which nothing was put: the result of the caller's own splitting. */
  readonly planned?: AttachedPlan | null;
}

export interface AttachedPlan {
  readonly files: readonly string[];
  /** What `filesInArchive` answers of them; absent for a plan, which changes none. */
  readonly hashes?: Readonly<Record<string, string>>;
  /** Null: no input is local, and the manager splits them itself. */
  readonly cut: {
    readonly parts: number;
    readonly records: number | null;
    readonly inputs: readonly JobInput[];
    /** Bytes of pieces that would be stored. */
    readonly pieces: number;
    readonly sizes: PartSizesJson;
  } | null;
}

export interface AttachedInput {
  /** As in the job file or `--input`: a path, a pattern, a directory. */
  readonly asked: string;
  /** The name of one matching file. */
  readonly name: string;
  readonly key: string;
  /** `sha256:...` */
  readonly checksum: string;
  /** Bytes. */
  readonly size: number;
}

/** Runs the command line's verbs for callers of the manager: one implementation for both (ADR 41). */
export interface VerbRunner {
  /** The name of their profile. */
  readonly profile: string;
  readonly verbs: readonly Verb[];
  /** Never throws a verb's own error, which is part of the result. Throws `usage` for an unknown verb. */
  call(call: VerbCall): Promise<VerbResponse>;
}

export interface VerbRequest {
  readonly name: string;
  /** Values by the names of the verb's `input`. */
  readonly input: Readonly<Record<string, unknown>>;
  readonly dryRun: boolean;
  /** True: the caller has confirmed what the verb would ask before it destroys anything. */
  readonly yes: boolean;
  /** An IANA zone; null: the profile's. */
  readonly tz: string | null;
  readonly attachments: Attachments | null;
}

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

export interface VerbResponse extends VerbOutcome {
  /** Undefined for a list, and after an error. */
  readonly answer: unknown;
  /** The `after` of the page that follows in a list; null or absent: the answer is complete. */
  readonly next?: string | null;
}

export interface VerbOutcome {
  readonly exitCode: number;
  readonly error: ApiError | null;
  /** An unexpected error, for the log only, never for the caller. */
  readonly cause?: unknown;
}
