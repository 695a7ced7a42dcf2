import type { ExitCode } from './exit-codes.ts';

/**
 * How a verb is written. One verb, one file (`commands/status.ts`), three names:
 *
 *     export function statusCommand(ctx: Context): CommandDefinition {
 *       return defineCommand({
 *         arguments: { '[job]': 'id, prefix, key:RUN-KEY, name:NAME or last; the latest unless given' },
 *         options: { '--format <format>': choice('another format', ['prometheus']) },
 *         writes: false,
 *         output: STATUS_OUTPUT,
 *         help: { examples: ['batchctl status last'], exitCodes: [0, 4], related: ['watch', 'why'] },
 *         run: (input) => status({ ctx, ...input }),
 *       });
 *     }
 *     export interface StatusOptions { readonly ctx: Context; readonly job: string | undefined; ... }
 *     export async function status(options: StatusOptions): Promise<void> { ... }
 *
 * The definition only parses: building it must open nothing and import nothing heavy. `run` may answer an exit
 * code (else 0), or throw a BatchctlError. The types of `input` follow from the keys of `arguments` and `options`:
 * `<x>` is a string, `[x]` a string or undefined, `<x...>` a list; `--max-tasks <n>` is `maxTasks`, without a value
 * it is a boolean, `--faults [list]` may stand alone and is then true; `--no-scale` is `scale`, true unless given.
 */
export interface CommandDefinition {
  readonly arguments: ArgumentSpecs;
  readonly options: OptionSpecs;
  readonly writes: boolean;
  readonly passThrough: boolean;
  readonly stopsItself: boolean;
  readonly output: JsonSchema | null;
  readonly help: CommandHelp;
  run(input: RawInput): Promise<number | undefined>;
}

/** A draft 2020-12 JSON Schema. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** What every command's `--help` ends with; a test walks all commands. */
export interface CommandHelp {
  /** What the one-line summary leaves out. */
  readonly about?: string;
  /** Command lines that work as they stand. */
  readonly examples: readonly [string, ...string[]];
  /** Those that this command gives a meaning, with its own words where the table's are too general. 1 and 2 go without saying. */
  readonly exitCodes: readonly [ExitCode | ExitText, ...(ExitCode | ExitText)[]];
  /** Names of other commands: `queue redrive`. */
  readonly related: readonly [string, ...string[]];
}
type ExitText = readonly [ExitCode, string];

/** An option that is more than a text: parsed, limited, or given several times. */
export interface OptionSpec<T> {
  readonly text: string;
  /** Makes the value of the text; throws a BatchctlError or RangeError that says what was expected and found. */
  readonly parse?: (text: string) => T;
  readonly repeat?: boolean;
  readonly choices?: readonly T[];
}

export type ArgumentSpecs = Readonly<Record<string, string>>;
export type OptionSpecs = Readonly<Record<string, string | OptionSpec<unknown>>>;
export type RawInput = Readonly<Record<string, unknown>>;

type Camel<S extends string> = S extends `${infer A}-${infer B}` ? `${A}${Capitalize<Camel<B>>}` : S;
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

/** What `run` is given: the arguments and options by name, and what follows `--` where that is asked for. */
export type CommandInput<A extends ArgumentSpecs, O extends OptionSpecs> = {
  readonly [K in keyof A & string as ArgumentName<K>]: ArgumentValue<K>;
} & { readonly [K in keyof O & string as OptionName<K>]: OptionValue<K, O[K]> } & {
  /** What follows `--`, with `passThrough`; else null. */
  readonly rest: readonly string[] | null;
};

export interface CommandSpec<A extends ArgumentSpecs, O extends OptionSpecs> {
  readonly arguments?: A;
  readonly options?: O;
  /** True says, before it runs, where it will write (`-> prod: aws ...`). Such a command honours `ctx.flags.dryRun`. */
  readonly writes: boolean;
  /** Keep what follows `--` apart, as `rest`; else those words are arguments. */
  readonly passThrough?: boolean;
  /** The second Ctrl-C aborts `ctx.stopNow` and does not end the process; the third does. */
  readonly stopsItself?: boolean;
  /** What `--json` prints (one line of it, for a list); null for a command that answers nothing. */
  readonly output: JsonSchema | null;
  readonly help: CommandHelp;
  readonly run: (input: CommandInput<A, O>) => Promise<number | undefined> | Promise<void>;
}

type NoSpecs = Readonly<Record<never, string>>;

/** Makes a command of its parts; see CommandDefinition. */
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
      const code = await spec.run(input as CommandInput<A, O>);
      return typeof code === 'number' ? code : undefined;
    },
  };
}

/** An option whose value is one of a few words. */
export function choice<const T extends string>(
  text: string,
  choices: readonly T[],
): OptionSpec<T> & { readonly choices: readonly T[] } {
  return { text, choices };
}

/** An option whose value is parsed. */
export function parsed<T>(
  text: string,
  parse: (text: string) => T,
): OptionSpec<T> & { readonly parse: (text: string) => T } {
  return { text, parse };
}

/** An option that may be given several times. */
export function repeated(text: string): OptionSpec<string> & { readonly repeat: true } {
  return { text, repeat: true };
}

/** A whole number from `from` on, for `parsed`. Throws a RangeError. */
export function wholeNumber(from: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < from) {
      throw new RangeError(`expected a whole number from ${from}, found "${text}"`);
    }
    return value;
  };
}
