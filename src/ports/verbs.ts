import type { Writable } from 'node:stream';
import { type ApiError, covers, type Scope } from '../model/api.ts';
import type { PartSizesJson } from '../model/forecast/part-sizes.ts';
import type { JobInput, Join } from '../model/job.ts';

type JsonSchema = Readonly<Record<string, unknown>>;

/** One verb of the command line, as the manager offers it: `POST /api/v1/jobs/{job}/retries`. */
export interface Verb {
  /** `retry`, `schedule add`. */
  readonly name: string;
  readonly summary: string;
  readonly about: string | null;
  /** A command line of it: `batchctl retry last`. */
  readonly example: string;
  /** What a caller must be allowed to. */
  readonly scope: Scope;
  /** Fields that ask for more than `scope`, as they make another act of it: `verify` with `repair`. */
  readonly scopeWith: Readonly<Record<string, Scope>>;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below `/api/v1`, with `{name}` for arguments; null: only the command line asks for it, by frames. */
  readonly path: string | null;
  /** Where the same verb only shows, by GET, without the fields of `scopeWith`; null: nowhere. */
  readonly shownAt: string | null;
  /** The field that names a job file, which the API takes as `spec` and `code`; null: none. */
  readonly jobFile: string | null;
  /** Fields that name a small text file, of which the API takes the lines as a list. */
  readonly lines: readonly string[];
  /** True: it answers JSON Lines, which the API answers as `{"items": [...]}`. */
  readonly list: boolean;
  /** Arguments and options by their camelCase names: a draft 2020-12 object schema. */
  readonly input: JsonSchema;
  /** Of the answer, or of one item of a list; null: none. */
  readonly output: JsonSchema | null;
  /** True: `dryRun` says what it would do. */
  readonly writes: boolean;
  /** True: it can be called for its answer as a value (`VerbRunner.call`); false: it prints. */
  readonly declared: boolean;
}

/** What this call of a verb needs. */
export function scopeOf(
  { scope, scopeWith }: Pick<Verb, 'scope' | 'scopeWith'>,
  input: Readonly<Record<string, unknown>>,
): Scope {
  const asked = Object.entries(scopeWith).filter(
    ([field]) => input[field] !== undefined && input[field] !== null && input[field] !== false,
  );
  return asked.reduce((needed, [, more]) => (covers(needed, more) ? needed : more), scope);
}

/** What a command line sends along with a verb, as its files are not on the manager's machine. */
export interface Attachments {
  /** The job file that the verb names: the spec that it comes to, and the hash of its files, put before. */
  readonly jobFile: { readonly path: string; readonly spec: unknown; readonly code: string | null } | null;
  /** Local inputs that were put into the store before: under which name they were asked for, and where they are. */
  readonly inputs: readonly AttachedInput[];
  /** What small text files hold that options name (`--holidays`), by their paths as given. */
  readonly texts?: Readonly<Record<string, string>>;
  /** Only a plan is asked for, for which nothing was put: what the caller's own cutting came to. */
  readonly planned?: AttachedPlan | null;
  /** Of `verify`: its evidence goes to stdout, before the answer. */
  readonly evidence?: boolean;
  /** Of `run JOB`: the caller has just submitted it, or not, and fetches its outputs itself. */
  readonly run?: AttachedRun | null;
}

export interface AttachedPlan {
  /** Names of the job's files. */
  readonly files: readonly string[];
  /** Null: no input is local, and the manager cuts them itself. */
  readonly cut: {
    readonly parts: number;
    readonly records: number | null;
    readonly inputs: readonly JobInput[];
    /** Bytes of pieces that would be stored. */
    readonly pieces: number;
    readonly sizes: PartSizesJson;
  } | null;
}

export interface AttachedRun {
  readonly created: boolean;
  /** Where the caller puts the outputs, as typed; null: nowhere. */
  readonly output: string | null;
  readonly header: 'once' | null;
  /** Absent from callers of 0.1.0. */
  readonly join?: Join | null;
}

export interface AttachedInput {
  /** As the job file, or `--input`, has it: a path, a pattern, a directory. */
  readonly asked: string;
  /** The file's own name among what that means. */
  readonly name: string;
  readonly key: string;
  /** `sha256:...` */
  readonly checksum: string;
  /** Bytes. */
  readonly size: number;
}

export interface VerbCall {
  readonly name: string;
  /** Texts, numbers, true, or lists of them, by the names of the verb's `input`. */
  readonly input: Readonly<Record<string, unknown>>;
  /** Who acts, for the journal: `token:NAME`. */
  readonly who: string;
  readonly flags: VerbFlags;
  /** The caller's terminal; null: what is printed goes to a file or a pipe. */
  readonly terminal: CallerTerminal | null;
  readonly attachments: Attachments | null;
  readonly out: Writable;
  readonly err: Writable;
  /** Aborted when the caller is gone, or asked the verb to stop. */
  readonly signal: AbortSignal;
}

export interface CallerTerminal {
  readonly columns: number;
  readonly color: boolean;
  /** Which of the two streams it shows; both unless said. */
  readonly shows?: readonly ('out' | 'err')[];
}

/** Those of the flags of every command that a caller may give. */
export interface VerbFlags {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly yes: boolean;
  readonly dryRun: boolean;
  /** An IANA zone; null: the profile's. */
  readonly tz: string | null;
}

/** Runs the command line's verbs for callers of the manager: one implementation for both (ADR 21). */
export interface VerbRunner {
  /** The name of the profile that they act on. */
  readonly profile: string;
  readonly verbs: readonly Verb[];
  /** Never throws for what a verb throws: its error is part of how it ended. Throws `usage` for an unknown verb. */
  run(call: VerbCall): Promise<VerbEnd>;
  /** The same for a declared verb, whose answer and events are values. */
  call(call: ValueCall): Promise<ValueEnd>;
}

/** What a caller wants of a declared verb. */
export interface AskedValue {
  readonly name: string;
  /** Values by the names of the verb's `input`. */
  readonly input: Readonly<Record<string, unknown>>;
  readonly dryRun: boolean;
  /** True: the caller has confirmed what the verb would ask before it destroys something. */
  readonly yes: boolean;
  /** An IANA zone; null: the profile's. */
  readonly tz: string | null;
  readonly attachments: Attachments | null;
}

export interface ValueCall extends AskedValue {
  /** Who acts, for the journal: `token:NAME`. */
  readonly who: string;
  /** Aborted when the caller is gone, or asked the verb to stop. */
  readonly signal: AbortSignal;
  /** Takes what it reports while it runs: an event as the verb declares it, or text for people. */
  report(event: unknown): void;
  warn(text: string): void;
  notice(text: string): void;
  /** Takes a row of a list; the next is made once it resolves. */
  row(row: unknown): Promise<void>;
}

export interface ValueEnd extends VerbEnd {
  /** Undefined: of a list, and where an error ended it. */
  readonly answer: unknown;
}

export interface VerbEnd {
  readonly exitCode: number;
  readonly error: ApiError | null;
  /** What was thrown, where nobody foresaw it: for the log, and never for the caller. */
  readonly cause?: unknown;
}
