import * as v from 'valibot';
import type { Config } from '../config/load-config.ts';
import { BatchctlError } from '../errors.ts';
import type { Mend } from '../jobs/change/corrected-file.ts';
import type { SubmissionRequest } from '../jobs/submit/prepare.ts';
import type { Clock } from '../lib/clock.ts';
import { describeFound } from '../lib/problems.ts';
import type { CheckResult } from '../model/answers/doctor.ts';
import type { Scope } from '../model/api.ts';
import type { JobSpec } from '../model/job.ts';
import type { Platform } from '../ports/platform.ts';

/** What a verb is given. It never sees a terminal, flags, words or a socket. */
export interface VerbContext<Event = never> {
  platform(): Promise<Platform>;
  /** Ports of their own, for which a service is unreachable after so many milliseconds. Closed after the verb. */
  impatientPlatform(patienceMs: number): Promise<Platform>;
  readonly clock: Clock;
  /** The selected profile, and the whole configuration. */
  config(): Promise<Config>;
  /** The IANA zone in which the caller writes and reads times. */
  zone(): Promise<string>;
  /** Aborted when the caller has left or asked the verb to stop. */
  readonly signal: AbortSignal;
  /** Work out what would change, and change nothing. */
  readonly dryRun: boolean;
  readonly files: CallerFiles;
  /** Asks a person before something is destroyed, unless that was confirmed already. Throws `refused` for a no. */
  confirm(question: string): Promise<void>;
  /** Reports progress as it happens. Events are plain JSON values: they travel from a manager to its caller. */
  report(event: Event): void;
  /** Resolves once everything reported is shown; at once where the caller is elsewhere. */
  shown(): Promise<void>;
  /** What the answer comes to: the call ends with this error once the answer is shown. */
  conclude(error: BatchctlError): void;
  /** True: the caller has confirmed beforehand whatever the verb could ask (`--yes`). */
  readonly confirmed: boolean;
  /** Text for people that is not part of the answer. A caller may have asked for silence about notices. */
  notice(text: string): void;
  warn(text: string): void;
  /** Examines the configuration, the machine and the services where the verb runs. Leaves nothing behind. */
  examine(): Promise<readonly CheckResult[]>;
  /** Marks a point at which a test may kill the process. */
  readonly passed: (point: string) => void;
}

/** What a call says besides its answer. */
export type CallEvents<Event> = Pick<VerbContext<Event>, 'report' | 'shown' | 'conclude'>;

/** Milliseconds between reports of progress. */
const REPORT_MS = 80;

/** Reports at most so often that a terminal or a connection is not flooded: what comes in between is dropped. */
export function paced<T>(clock: Clock, report: (value: T) => void): (value: T) => void {
  let due = 0;
  return (value) => {
    const now = clock.monotonic();
    if (now < due) return;
    due = now + REPORT_MS;
    report(value);
  };
}

/** Files on the caller's machine, wherever the verb runs. */
export interface CallerFiles {
  /** Relative paths start there. */
  readonly cwd: string;
  /** True: the verb runs on another machine, which reads and writes no files for its caller. */
  readonly elsewhere: boolean;
  /** Writes to the caller's stdout; null: that is taken by the answer. */
  readonly stdout: ((bytes: Uint8Array) => Promise<void>) | null;
  /** The job that a file describes. Throws `jobFile` with every mistake, `notFound`. */
  job(path: string): Promise<JobSpec>;
  /** Where the files and inputs of a job are. `jobFile`: the file that describes it; null: the command line does. */
  source(jobFile: string | null, spec: JobSpec): Promise<SubmissionSource>;
  /** The job file of that name, with its own files. Throws `jobFile`, `notFound`. */
  mend(path: string): Promise<Mend>;
  /** The text of a small file that `option` names. Throws `notFound`. */
  text(option: string, path: string): Promise<string>;
}

export type SubmissionSource = Pick<
  SubmissionRequest,
  'directory' | 'inputDirectory' | 'stdin' | 'attachments' | 'code'
>;

// biome-ignore lint/suspicious/noExplicitAny: any field; its own types are inferred where it is declared.
type Field = v.BaseSchema<any, any, v.BaseIssue<unknown>>;
export type Fields = Readonly<Record<string, Field>>;
export type InputSchema<F extends Fields> = v.StrictObjectSchema<F, undefined>;

/** How a verb is declared: once, for the command line, the HTTP API, the documents and callers of a manager (ADR 41). */
export interface VerbDeclaration<F extends Fields, Result, Event> {
  readonly name: string;
  /** What a token must allow. */
  readonly scope: Scope;
  /** Fields with which a call needs more than `scope`: `verify` with `repair`. */
  readonly scopeWith?: Readonly<Record<string, Scope>>;
  /** True: it writes. The command line says where before it runs, and `dryRun` is honoured. */
  readonly changes: boolean;
  /** Below `/api/v1`, with `{name}` for fields that stand in the path; null: only the command line asks for it. */
  readonly http: { readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'; readonly path: string } | null;
  /** Below `/api/v1`: where a GET of it, without the fields of `scopeWith`, only shows. */
  readonly shownAt?: string;
  readonly input: InputSchema<F>;
  /** The schema of the answer, or of one row of a list. Loaded only for documents. */
  answer(): Promise<Field>;
  /** True: `run` returns its rows as they come. */
  readonly list: boolean;
  /** Whether a call goes on until something ends: a caller that lost the connection asks again. `given`: as it was typed. */
  lasts?(given: Given): boolean;
  /** The command that takes up such a call again; `batchctl NAME JOB` unless declared. */
  takeUp?(job: string, given: Given): string;
  /** Whether a call runs where the caller is, also through a manager: it reads or writes files there. */
  here?(given: Given): boolean;
  /** What Ctrl-C says of a call that lasts. `given`: as it was typed, with the job's id. */
  interrupted?(given: Given): BatchctlError;
  /** Of a list that lasts: tells rows that its caller had before the connection was lost from new ones. */
  resumed?(): Resumption;
  /** Fields that its HTTP path does not take: a call with them goes on, which one JSON answer can't show. */
  readonly framesOnly?: readonly string[];
  /** Whether a changing call that is made twice does what it does once: it may be sent again when its answer was lost. */
  repeatable?(given: Given): boolean;
  /** What an answer comes to, where that is told as an error after it: the answer stands. */
  verdict?(answer: Result): BatchctlError | null;
  /** The exit code that an answer means, or all rows of a list; 0 unless declared. `given`: as it was typed. */
  exit?(answer: Whole<Result>, given: Given): number;
  /** Returns the answer. Throws a BatchctlError otherwise; a list also while its rows are read. */
  run(context: VerbContext<Event>, input: v.InferOutput<InputSchema<F>>): Promise<Result> | Result;
}

/** An answer, or all rows of a list. */
type Whole<Result> = Result extends AsyncIterable<infer Row> ? readonly Row[] : Result;

/** Goes through the rows of a list that may be made anew. */
export interface Resumption {
  /** The list is made anew, from its beginning. */
  again(): void;
  /** What is new of a row; null: nothing. */
  fresh(row: unknown): unknown;
}

/** Fields of a call, as they were typed. */
export type Given = Readonly<Record<string, unknown>>;

// biome-ignore lint/suspicious/noExplicitAny: verbs of all kinds, as the registry holds them.
export type AnyVerb = VerbDeclaration<any, any, any>;

/** Declares a verb. `Event` is what it reports besides text. */
export function verb<Event = never>() {
  return <const F extends Fields, Result>(
    declaration: Omit<VerbDeclaration<F, Result, Event>, 'list'>,
  ): VerbDeclaration<F, Result, Event> => ({ list: false, ...declaration });
}

/** Declares a verb that returns rows as they come. What it reports is typed by its context's `VerbContext<Event>`. */
export function listVerb<const F extends Fields, Row, Event = never>(
  declaration: Omit<VerbDeclaration<F, AsyncIterable<Row>, Event>, 'list'>,
): VerbDeclaration<F, AsyncIterable<Row>, Event> {
  return { list: true, ...declaration };
}

/**
 * What a call returned, to be read, and the exit code that it means once that is done. Rows of a list are kept where they
 * decide it.
 */
export function weighed<Result>(
  { exit }: Pick<VerbDeclaration<Fields, Result, never>, 'exit'>,
  result: Result,
  given: Given,
): { readonly result: Result; exitCode(): number } {
  if (exit === undefined) return { result, exitCode: () => 0 };
  if (!isList(result)) return { result, exitCode: () => exit(result as Whole<Result>, given) };
  const rows: unknown[] = [];
  const kept = async function* (): AsyncIterable<unknown> {
    for await (const row of result) {
      rows.push(row);
      yield row;
    }
  };
  return { result: kept() as Result, exitCode: () => exit(rows as unknown as Whole<Result>, given) };
}

function isList(result: unknown): result is AsyncIterable<unknown> {
  return typeof result === 'object' && result !== null && Symbol.asyncIterator in result;
}

/** A field as the command line spells it: `[job]`, `--state <state>`, `--no-scale`. */
export function field<const S extends Field>(spec: string, text: string, schema: S) {
  return v.pipe(schema, v.description(text), v.metadata({ spec }));
}

/** A field that names a file of the caller's, which the verb reads by `context.files`. */
export function fileField(spec: string, text: string, file: FileKind) {
  return v.pipe(v.string(wrongText), v.description(text), v.metadata({ spec, file }));
}

/**
 * A job file, which a call by HTTP brings as `spec` and `code`; the same of a submission, whose local inputs go along; or a
 * small text, of which a call brings the lines.
 */
export type FileKind = 'job' | 'submission' | 'text';

export interface FieldText {
  /** `--state <state>`; null: nobody types it, the command line gives it by itself. */
  readonly spec: string | null;
  readonly text: string;
  readonly choices: readonly string[] | null;
  readonly repeated: boolean;
  /** Not null: it names a file of the caller's. */
  readonly file: FileKind | null;
}

/** How a field is spelled and described. */
export function fieldText(schema: Field): FieldText {
  const inner = 'wrapped' in schema ? (schema.wrapped as Field) : schema;
  const { spec = null, file = null } = v.getMetadata(inner) as { readonly spec?: string; readonly file?: FileKind };
  const choices = 'options' in inner && inner.type === 'picklist' ? (inner.options as readonly string[]) : null;
  return { spec, text: v.getDescription(inner) ?? '', choices, repeated: inner.type === 'array', file };
}

/** A text; a number is taken for its digits. */
export const text = v.pipe(v.union([v.string(), v.number()], wrongText), v.transform(String));

/** A text that `parse` makes a value of; what it throws as a RangeError is told with the field's name. */
export function parsedText<T>(parse: (text: string) => T) {
  return v.pipe(
    text,
    v.rawTransform<string, T>(({ dataset, addIssue, NEVER }) => {
      try {
        return parse(dataset.value);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        addIssue({ message: error.message });
        return NEVER;
      }
    }),
  );
}

export const flag = v.boolean((issue) => `expected true or false, found ${describeFound(issue.input)}`);

/** One of a few words. */
export const oneOf = <const W extends readonly string[]>(words: W) =>
  v.picklist(words, ({ input }) => `expected one of ${words.join(', ')}, found ${describeFound(input)}`);

function wrongText(issue: v.BaseIssue<unknown>): string {
  return `expected text or a number, found ${describeFound(issue.input)}`;
}

/** The fields that name files of the caller's, by their names. */
export function fileFields({ input }: Pick<AnyVerb, 'input'>): ReadonlyMap<string, FileKind> {
  const files = Object.entries(input.entries as Fields).flatMap(([name, schema]): [string, FileKind][] => {
    const { file } = fieldText(schema);
    return file === null ? [] : [[name, file]];
  });
  return new Map(files);
}

/**
 * The input that fields of a call come to. `nameOf` spells a field for its caller. Throws `usage` for the first field that
 * is unknown, missing or wrong.
 */
export function parseInput<F extends Fields>(
  { input }: Pick<VerbDeclaration<F, unknown, never>, 'input'>,
  given: Readonly<Record<string, unknown>>,
  nameOf: (field: string) => string = (field) => field,
): v.InferOutput<InputSchema<F>> {
  const known = Object.entries(given).filter(([, value]) => value !== undefined && value !== null);
  const listed = known.map(([name, value]) => {
    const schema = Object.hasOwn(input.entries, name) ? input.entries[name] : undefined;
    const single = schema !== undefined && fieldText(schema).repeated && !Array.isArray(value);
    return [name, single ? [value] : value];
  });
  const result = v.safeParse(input, Object.fromEntries(listed), { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const name = String(issue.path?.[0]?.key ?? '');
  if (!Object.hasOwn(input.entries, name)) throw new BatchctlError('usage', `unknown field "${name.slice(0, 100)}"`);
  const missing = issue.input === undefined;
  throw new BatchctlError('usage', `${nameOf(name)}: ${missing ? 'expected, found nothing' : issue.message}`);
}
