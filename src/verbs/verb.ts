import * as v from 'valibot';
import { BatchctlError } from '../errors.ts';
import { describeFound } from '../lib/problems.ts';
import { wholeNumberParser } from '../lib/units.ts';
import { hasScope, type Scope } from '../model/api.ts';
import type { VerbContext } from './context.ts';

// biome-ignore lint/suspicious/noExplicitAny: any field; its own types are inferred at its declaration.
type Field = v.BaseSchema<any, any, v.BaseIssue<unknown>>;
export type Fields = Readonly<Record<string, Field>>;
export type InputSchema<F extends Fields> = v.StrictObjectSchema<F, undefined>;
export type FieldValues<F extends Fields> = v.InferOutput<InputSchema<F>>;

/** A verb, for the command line, the HTTP API, the documentation and callers of a manager (ADR 41). */
export interface VerbDeclaration<F extends Fields, Result, Event> {
  readonly name: string;
  /** The scope that a token needs. */
  readonly scope: Scope;
  /** Fields that require another scope: `verify` with `repair`. */
  readonly scopeWith?: Readonly<Record<string, Scope>>;
  /** True: it writes. The command line first prints where, and `dryRun` is supported. */
  readonly changes: boolean;
  /** Null: only the command line offers it. */
  readonly http: Http | null;
  /** Path below `/api/v1` for a GET that only reads, without the fields of `scopeWith`. */
  readonly shownAt?: string;
  readonly input: InputSchema<F>;
  /** The schema of the answer, or of one row of a list. Loaded only for documentation. */
  answer(): Promise<Field>;
  /** True: `run` returns rows as they become available. */
  readonly list: boolean;
  /** Whether a call continues until something ends: a caller that lost the connection repeats it. */
  isLongRunning?(input: FieldValues<F>): boolean;
  /** The command that resumes such a call; default: `batchctl NAME JOB`. */
  continueCommand?(job: string, input: FieldValues<F>): string;
  /** Whether a call runs on the caller's machine even with a manager, because it reads or writes files there. */
  runsLocally?(input: FieldValues<F>): boolean;
  /** The error that Ctrl-C produces in such a call. `input` has the job's id. */
  interruptedError?(input: FieldValues<F>): BatchctlError;
  /**
   * For a list with the fields `PAGED`, which a manager answers in pages: the `after` of the page that begins after a
   * row. Null for a call that can't be continued.
   */
  cursorOf?(row: RowOf<Result>, input: FieldValues<F>): string | null;
  /** For a followed list: drops rows that the caller had received before it lost the connection. */
  createResumption?(): Resumption;
  /** Fields that its HTTP path doesn't accept: a call with them continues, which a single JSON answer can't express. */
  readonly framesOnly?: readonly string[];
  /** Repeating a changing call has no further effect, so it may be sent again after its answer was lost. */
  repeatable?(input: FieldValues<F>): boolean;
  /** The error that follows an answer, if it implies one; the answer itself stays valid. */
  verdict?(answer: Result): BatchctlError | null;
  /** The exit code for an answer, or for all rows of a list; default: 0. */
  exit?(answer: Whole<Result>, input: FieldValues<F>): number;
  /** Returns the answer, or throws a BatchctlError. A list may also throw while its rows are read. */
  run(context: VerbContext<Event>, input: FieldValues<F>): Promise<Result> | Result;
}

type RowOf<Result> = Result extends AsyncIterable<infer Row> ? Row : never;

/** An answer, or all rows of a list. */
type Whole<Result> = Result extends AsyncIterable<infer Row> ? readonly Row[] : Result;

/** The scope that a call with these fields needs. */
export function scopeOf(
  { scope, scopeWith = {} }: Pick<AnyVerb, 'scope' | 'scopeWith'>,
  input: Readonly<Record<string, unknown>>,
): Scope {
  const asked = Object.entries(scopeWith).filter(
    ([field]) => input[field] !== undefined && input[field] !== null && input[field] !== false,
  );
  return asked.reduce((needed, [, more]) => (hasScope(needed, more) ? needed : more), scope);
}

export interface Resumption {
  /** The list starts again from its beginning. */
  restart(): void;
  /** The new part of a row; null: nothing is new. */
  newPart(row: unknown): unknown;
}

/** Fields of a call as a person typed them or a program sent them: not yet checked. */
export type Given = Readonly<Record<string, unknown>>;

// biome-ignore lint/suspicious/noExplicitAny: the registry holds verbs of all types.
export type AnyVerb = VerbDeclaration<any, any, any>;

/** A call of the API: a method, and a path below `/api/v1` with `{name}` for fields in the path. */
export interface Http {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
}

/** The common options of verbs that change something. */
export const changing = (method: Http['method'], path: string) =>
  ({ scope: 'operate', changes: true, http: { method, path } }) as const;

/** The common options of verbs that only read. */
export const reading = (path: string) => ({ scope: 'read', changes: false, http: { method: 'GET', path } }) as const;

/** Declares a verb. `Event` is the type of its progress events. */
export function verb<Event = never>() {
  return <const F extends Fields, Result>(
    declaration: Omit<VerbDeclaration<F, Result, Event>, 'list'>,
  ): VerbDeclaration<F, Result, Event> => ({ list: false, ...declaration });
}

/** Declares a verb that returns rows as they come; its context gives the type of its events. */
export function listVerb<const F extends Fields, Row, Event = never>(
  declaration: Omit<VerbDeclaration<F, AsyncIterable<Row>, Event>, 'list'>,
): VerbDeclaration<F, AsyncIterable<Row>, Event> {
  return { list: true, ...declaration };
}

/** A verb for callers that pass its fields as typed. */
export function asCallable<F extends Fields, Result, Event>(
  declared: VerbDeclaration<F, Result, Event>,
): VerbDeclaration<Fields, Result, Event> {
  return declared as unknown as VerbDeclaration<Fields, Result, Event>;
}

/** Runs a verb on fields as typed. A verdict on its answer goes to the context's `conclude`. */
export async function runVerb<Result, Event>(
  verb: VerbDeclaration<Fields, Result, Event>,
  given: Given,
  context: VerbContext<Event>,
): Promise<Result> {
  const result = await verb.run(context, typedInput(verb, given));
  const verdict = verb.verdict?.(result) ?? null;
  if (verdict !== null) context.conclude(verdict);
  return result;
}

/** The values of a call's fields, wrong ones named as on the command line. Throws `usage`. */
export const typedInput = <F extends Fields>(
  verb: Pick<VerbDeclaration<F, unknown, never>, 'input'>,
  given: Given,
): FieldValues<F> => parseInput(verb, given, flagOf(verb.input.entries));

/** Spells a field as on the command line: `--canary`, `job`. */
export const flagOf =
  (fields: Fields) =>
  (name: string): string => {
    const schema = Object.hasOwn(fields, name) ? fields[name] : undefined;
    const spec = schema === undefined ? null : fieldText(schema).spec;
    return /--[a-z][a-z-]*/.exec(spec ?? '')?.[0] ?? name;
  };

/** The result of a call, and a function for its exit code afterwards. Keeps rows only if the code depends on them. */
export function withExitCode<Result>(
  verb: Pick<VerbDeclaration<Fields, Result, never>, 'exit' | 'input'>,
  result: Result,
  given: Given,
): { readonly result: Result; exitCode(): number } {
  if (verb.exit === undefined) return { result, exitCode: () => 0 };
  const exitOf = (answer: unknown): number => verb.exit?.(answer as Whole<Result>, typedInput(verb, given)) ?? 0;
  if (!isList(result)) return { result, exitCode: () => exitOf(result) };
  const rows: unknown[] = [];
  const kept = async function* (): AsyncIterable<unknown> {
    for await (const row of result) {
      rows.push(row);
      yield row;
    }
  };
  return { result: kept() as Result, exitCode: () => exitOf(rows) };
}

function isList(result: unknown): result is AsyncIterable<unknown> {
  return typeof result === 'object' && result !== null && Symbol.asyncIterator in result;
}

/** A field in command-line syntax: `[job]`, `--state <state>`, `--no-scale`. */
export function field<const S extends Field>(spec: string, text: string, schema: S) {
  return v.pipe(schema, v.description(text), v.metadata({ spec }));
}

/** A field that may be left out; it is then `fallback`, or undefined. */
export function option<
  const S extends Field,
  const D extends v.Default<ReturnType<typeof field<S>>, undefined> = undefined,
>(spec: string, text: string, schema: S, fallback?: D) {
  return v.optional(field(spec, text, schema), fallback as D);
}

/** The rows until there are `limit` of them. */
export async function* firstRows<Row>(rows: AsyncIterable<Row>, limit: number | undefined): AsyncIterable<Row> {
  let left = limit ?? Number.POSITIVE_INFINITY;
  for await (const row of rows) {
    yield row;
    left -= 1;
    if (left <= 0) return;
  }
}

/** A field that names a file of the caller, read through `context.files`. */
export function fileField(spec: string, text: string, file: FileKind) {
  return v.pipe(v.string(wrongText), v.description(text), v.metadata({ spec, file }));
}

/**
 * `job`: a job file, sent over HTTP as `spec` and `code`; `submission`: the same with its local inputs; `text`: a small
 * text file, sent as its lines.
 */
export type FileKind = 'job' | 'submission' | 'text';

export interface FieldText {
  /** `--state <state>`; null: not typed, but set by the command line itself. */
  readonly spec: string | null;
  readonly text: string;
  readonly choices: readonly string[] | null;
  readonly repeated: boolean;
  /** Set if the field names a file of the caller. */
  readonly file: FileKind | null;
}

export function fieldText(schema: Field): FieldText {
  const inner = 'wrapped' in schema ? (schema.wrapped as Field) : schema;
  const { spec = null, file = null } = v.getMetadata(inner) as { readonly spec?: string; readonly file?: FileKind };
  const choices = 'options' in inner && inner.type === 'picklist' ? (inner.options as readonly string[]) : null;
  return { spec, text: v.getDescription(inner) ?? '', choices, repeated: inner.type === 'array', file };
}

/** A text; a number is converted to text. */
export const text = v.pipe(v.union([v.string(), v.number()], wrongText), v.transform(String));

/** A text that `parse` converts. The RangeError that it throws is reported with the field's name. */
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

/** The fields of a list in pages. They aren't typed: a command line asks for all pages. */
export const PAGED = {
  limit: v.optional(
    v.pipe(
      parsedText(wholeNumberParser(1)),
      v.description('at most this many rows (1,000); a manager answers at most 10,000'),
    ),
  ),
  after: v.optional(v.pipe(text, v.description('`next` of the page before'))),
};

export const flag = v.boolean((issue) => `expected true or false, found ${describeFound(issue.input)}`);

export const oneOf = <const W extends readonly string[]>(words: W) =>
  v.picklist(words, ({ input }) => `expected one of ${words.join(', ')}, found ${describeFound(input)}`);

function wrongText(issue: v.BaseIssue<unknown>): string {
  return `expected text or a number, found ${describeFound(issue.input)}`;
}

export function fileFields({ input }: Pick<AnyVerb, 'input'>): ReadonlyMap<string, FileKind> {
  const files = Object.entries(input.entries as Fields).flatMap(([name, schema]): [string, FileKind][] => {
    const { file } = fieldText(schema);
    return file === null ? [] : [[name, file]];
  });
  return new Map(files);
}

/** `nameOf` spells a field for the caller. Throws `usage` for the first unknown, missing or invalid one. */
export function parseInput<F extends Fields>(
  { input }: Pick<VerbDeclaration<F, unknown, never>, 'input'>,
  given: Readonly<Record<string, unknown>>,
  nameOf: (field: string) => string = (field) => field,
): FieldValues<F> {
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
