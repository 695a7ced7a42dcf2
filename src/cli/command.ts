import type { JsonSchema } from '../lib/json.ts';
import { parseGroup } from '../model/keys.ts';
import type { CallEvents } from '../verbs/context.ts';
import type { Fields, VerbDeclaration } from '../verbs/verb.ts';
import type { Context } from './context.ts';

/**
 * A command as the command line sees it. The command of a verb is made from its declaration (`verb-command.ts`). Any
 * other is of this form:
 *
 *     const OPTIONS = { '--format <format>': choice('another format', ['prometheus']) };
 *     export function initCommand(ctx: Context): CommandDefinition {
 *       return defineCommand({
 *         arguments: { '[directory]': 'where to; the current one unless given' },
 *         options: OPTIONS,
 *         writes: false,
 *         output: INIT_OUTPUT,
 *         help: { examples: ['batchctl init'], exitCodes: { 0: true, 7: 'it exists' }, related: ['doctor'] },
 *         run: (input) => init(ctx, input),
 *       });
 *     }
 *     async function init(ctx: Context, { format }: CommandInput<typeof OPTIONS>): Promise<void> { ... }
 *
 * The definition only parses: creating it must open nothing and import nothing heavy. `run` may return an exit code (0
 * by default), or throw a BatchctlError. The types of `input` follow from the keys of `arguments` and `options`: `<x>` is
 * a string, `[x]` a string or undefined, `<x...>` a list. `--max-tasks <n>` is `maxTasks`, and a boolean if it has no
 * value. The value of `--faults [list]` is optional; without it the option is true. `--no-scale` is `scale`, true unless
 * given.
 */
export interface CommandDefinition {
  readonly arguments: ArgumentSpecs;
  readonly options: OptionSpecs;
  readonly writes: boolean;
  readonly passThrough: boolean;
  readonly stopsItself: boolean;
  /** For a verb, made from its declaration when a schema is requested. */
  readonly output: JsonSchema | null | (() => Promise<JsonSchema>);
  readonly help: CommandHelp;
  /** For a declared verb: runs it elsewhere than in this process. */
  runBy?(runVerb: RunVerb, input: RawInput): Promise<number>;
  run(input: RawInput): Promise<number | undefined>;
}

/** The schema of what `--json` prints; null for a command without an answer. */
export async function outputOf({ output }: Pick<CommandDefinition, 'output'>): Promise<JsonSchema | null> {
  return typeof output === 'function' ? output() : output;
}

/** Runs a verb in this process, or by a manager. `given` are its fields as typed. */
export type RunVerb = <Result, Event>(
  verb: VerbDeclaration<Fields, Result, Event>,
  given: RawInput,
  events: CallEvents<Event>,
) => Promise<Result>;

/** The schema of an object that has all these properties, except perhaps the optional ones. */
export function objectOf(properties: JsonSchema, optional: readonly string[] = []): JsonSchema {
  return { type: 'object', required: Object.keys(properties).filter((name) => !optional.includes(name)), properties };
}

/** The end of every command's `--help`. A test checks all commands. */
export interface CommandHelp {
  /** Details beyond the one-line summary. */
  readonly about?: string;
  /** Command lines that work as they stand. */
  readonly examples: readonly [string, ...string[]];
  /** The exit codes of this command, with their meaning; true: the general meaning. 1 and 2 are implied. */
  readonly exitCodes: Readonly<Partial<Record<ExitCode, string | true>>>;
  /** Names of other commands: `queue redrive`. */
  readonly related: readonly [string, ...string[]];
}

/** An option with more than a text: it is parsed, restricted, or repeatable. */
export interface OptionSpec<T> {
  readonly text: string;
  /** Parses the text. Throws a BatchctlError or RangeError that says what was expected and found. */
  readonly parse?: (text: string) => T;
  readonly repeat?: boolean;
  readonly choices?: readonly T[];
}

type ArgumentSpecs = Readonly<Record<string, string>>;

export type OptionSpecs = Readonly<Record<string, string | OptionSpec<unknown>>>;

export type RawInput = Readonly<Record<string, unknown>>;

export type Camel<S extends string> = S extends `${infer A}-${infer B}` ? `${A}${Capitalize<Camel<B>>}` : S;

type Word<S extends string> = S extends `${infer W} ${string}` ? W : S;

type Long<S extends string> = S extends `${string}--${infer R}` ? Word<R> : never;

type OptionName<S extends string> = Long<S> extends `no-${infer N}` ? Camel<N> : Camel<Long<S>>;

type ArgumentName<S extends string> = S extends `${'<' | '['}${infer N}${'...>' | '...]'}`
  ? Camel<N>
  : S extends `${'<' | '['}${infer N}${'>' | ']'}`
    ? Camel<N>
    : never;

type ArgumentValue<S extends string> = S extends `${string}...${string}`
  ? readonly string[]
  : S extends `<${string}`
    ? string
    : string | undefined;

type Parsed<V> = V extends { readonly choices: readonly (infer T)[] }
  ? T
  : V extends { readonly parse: (text: string) => infer T }
    ? T
    : string;

type OptionValue<S extends string, V> = S extends `${string}<${string}`
  ? V extends { readonly repeat: true }
    ? readonly Parsed<V>[]
    : Parsed<V> | undefined
  : S extends `${string}[${string}`
    ? Parsed<V> | true | undefined
    : boolean;

/** The input of `run`: arguments and options by name, and the words after `--` if the command accepts them. */
export type CommandInput<O extends OptionSpecs, A extends ArgumentSpecs = NoSpecs> = {
  readonly [K in keyof A & string as ArgumentName<K>]: ArgumentValue<K>;
} & { readonly [K in keyof O & string as OptionName<K>]: OptionValue<K, O[K]> } & {
  /** The words after `--`, with `passThrough`; otherwise null. */
  readonly rest: readonly string[] | null;
};

interface CommandSpec<A extends ArgumentSpecs, O extends OptionSpecs> {
  readonly arguments?: A;
  readonly options?: O;
  /** The command prints where it will write before it runs, and must honour `ctx.flags.dryRun`. */
  readonly writes: boolean;
  /** Keeps the words after `--` apart, as `rest`; otherwise they are arguments. */
  readonly passThrough?: boolean;
  /** The second Ctrl-C aborts `ctx.stopNow` and does not end the process; the third does. */
  readonly stopsItself?: boolean;
  /** The schema of what `--json` prints (of one line, for a list); null for a command without an answer. */
  readonly output: CommandDefinition['output'];
  readonly help: CommandHelp;
  readonly run: (input: CommandInput<O, A>) => Promise<number | undefined> | Promise<void>;
}

type NoSpecs = Readonly<Record<never, string>>;

export function defineCommand<const A extends ArgumentSpecs = NoSpecs, const O extends OptionSpecs = NoSpecs>(
  spec: CommandSpec<A, O>,
): CommandDefinition {
  return {
    arguments: spec.arguments ?? {},
    options: spec.options ?? {},
    writes: spec.writes,
    passThrough: spec.passThrough ?? false,
    stopsItself: spec.stopsItself ?? false,
    output: spec.output,
    help: spec.help,
    run: async (input) => {
      const code = await spec.run(input as CommandInput<O, A>);
      return typeof code === 'number' ? code : undefined;
    },
  };
}

export function choice<const T extends string>(
  text: string,
  choices: readonly T[],
): OptionSpec<T> & { readonly choices: readonly T[] } {
  return { text, choices };
}

export function parsed<T>(
  text: string,
  parse: (text: string) => T,
): OptionSpec<T> & { readonly parse: (text: string) => T } {
  return { text, parse };
}

export function repeated(text: string): OptionSpec<string> & { readonly repeat: true } {
  return { text, repeat: true };
}

export type CommandGroup = 'Start' | 'Data' | 'Jobs' | 'Grid' | 'Service' | 'Infrastructure';

/** A command as listed in the overview. Its module is loaded only on demand. */
export interface CommandEntry {
  /** One word, or several with the parent's: `config show`. */
  readonly name: string;
  readonly group: CommandGroup;
  readonly summary: string;
  /** Other names of it, which help, pages and completion list: `data put`. */
  readonly also?: readonly string[];
  readonly load: () => Promise<(ctx: Context) => CommandDefinition>;
}

/** A command that was called. */
export interface InvokedCommand {
  readonly ctx: Context;
  readonly entry: CommandEntry;
  readonly definition: CommandDefinition;
  /** All arguments and options, those that were left out with their defaults. */
  readonly input: RawInput;
  /** Only those that were typed: a manager has the same defaults. */
  readonly given: RawInput;
}

/** All commands. `commands.ts` passes this to the few commands that need to know the others. */
export interface CommandTable {
  /** In the order of the overview. */
  readonly commands: readonly CommandEntry[];
  /** The entry with the longest name that the words begin with, and the remaining words. */
  find(words: readonly string[]): { entry: CommandEntry; words: readonly string[] } | null;
}

/** The meaning of each exit code, declared once for help, documentation and tests. */
export const EXIT_MEANINGS = {
  0: 'the command succeeded',
  1: 'unexpected error',
  2: 'usage error: unknown flag, missing argument or bad value',
  3: 'invalid configuration, credentials or job file',
  4: 'not found',
  5: 'the job failed or was cancelled',
  6: 'not finished in time; the job continues',
  7: 'refused by a safeguard, or a safeguard paused the job',
  8: 'a service is unreachable or keeps rejecting requests',
  9: 'the proof failed: something is missing, duplicated or altered',
  10: 'done, but after the --finish-by deadline',
  11: 'a check found something',
  130: 'interrupted',
} as const;

type ExitCode = keyof typeof EXIT_MEANINGS;

export function exitTexts({ exitCodes }: CommandHelp): readonly (readonly [string, string])[] {
  return Object.entries(exitCodes).map(([code, text]) => [
    code,
    text === true ? EXIT_MEANINGS[Number(code) as ExitCode] : text,
  ]);
}

export const EXIT_ACTIONS: Readonly<Record<ExitCode, string>> = {
  0: '',
  1: 'report it as a bug, with the output of `--verbose`',
  2: '`batchctl COMMAND --help`',
  3: 'the error names the file and the line',
  4: 'check the name; `--await-input 2h` waits for a late input',
  5: '`batchctl failures`, then `retry` or `skip`',
  6: 'run the same command again to continue',
  7: 'the error says how to override the safeguard or resume the job',
  8: 'fix what the error names (disk full, database locked, network), then run the same command again',
  9: '`batchctl verify` names what is missing or altered',
  10: '`batchctl report` shows where the time went',
  11: 'each finding names the command that fixes it',
  130: 'run the same command again to continue',
};

export function groupOption(text: string): OptionSpec<string> & { readonly parse: (text: string) => string } {
  return parsed(text, parseGroup);
}
