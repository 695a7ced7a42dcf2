import { type CommandFacts, flagSpelling, type OptionFacts } from '../command-facts.ts';
import { GLOBAL_FLAGS } from '../help.ts';

/** The kinds of words. `__complete` prints some kinds; the shell completes the others. */
export type DynamicKind =
  | 'jobs'
  | 'tasks'
  | 'steps'
  | 'causes'
  | 'runKeys'
  | 'profiles'
  | 'groups'
  | 'workers'
  | 'data'
  | 'commands'
  | 'schemas'
  | 'topics';
export type ShellKind = 'files' | 'directories' | 'jobFiles';
export type ValueKind = DynamicKind | ShellKind;

export interface CompletableFlag {
  readonly long: string;
  readonly short: string | null;
  readonly text: string;
  /** The kind of its value; null for a flag without a value. */
  readonly value: { readonly kind: ValueKind | null; readonly choices: readonly string[] } | null;
}

export interface Completable {
  readonly name: string;
  readonly summary: string;
  readonly flags: readonly CompletableFlag[];
  /** The kind of each operand. The last one repeats if the command allows it. */
  readonly operands: readonly CompletableOperand[];
}

export interface CompletableOperand {
  readonly kind: ValueKind | null;
  readonly choices: readonly string[];
  readonly repeat: boolean;
}

/** The kind of a value, by its name in the definition: `--with <jobfile>`, `[job]`. */
const KINDS: Readonly<Record<string, ValueKind>> = {
  job: 'jobs',
  task: 'tasks',
  step: 'steps',
  cause: 'causes',
  group: 'groups',
  worker: 'workers',
  jobfile: 'jobFiles',
  file: 'files',
  path: 'files',
  input: 'files',
  target: 'files',
  where: 'files',
  dir: 'directories',
  directory: 'directories',
  prefix: 'data',
  key: 'data',
  what: 'schemas',
  topic: 'topics',
};
/** Exceptions, where the name would mislead. */
const FLAGS: Readonly<Record<string, ValueKind | null>> = {
  '--run-key': 'runKeys',
  '--profile': 'profiles',
  '--gather': null,
};

export function completable({ name, summary, arguments: operands, options }: CommandFacts): Completable {
  return {
    name,
    summary,
    flags: options.map(flagOf),
    operands: operands.map((operand) => ({
      kind: KINDS[operand.name] ?? null,
      choices: operand.name === 'shell' ? ['bash', 'zsh', 'fish'] : [],
      repeat: operand.repeat,
    })),
  };
}

function flagOf({ long, short, text, value, optional, choices }: Omit<OptionFacts, 'repeat'>): CompletableFlag {
  // The word after such a flag is more likely the next argument than its value.
  if (optional) return { long, short, text, value: null };
  return { long, short, text, value: value === null ? null : { kind: kindOf(long, value), choices } };
}

export function globalFlags(): readonly CompletableFlag[] {
  return Object.entries(GLOBAL_FLAGS).map(([flags, text]) => flagOf({ ...flagSpelling(flags), text, choices: [] }));
}

function kindOf(long: string, value: string): ValueKind | null {
  const known = FLAGS[long];
  return known === undefined ? (KINDS[value] ?? null) : known;
}

/** The first words of commands that have subcommands: `config`, `tasks`. */
export function parentsOf(commands: readonly Completable[]): readonly string[] {
  const names = new Set(commands.map(({ name }) => name));
  const parents = commands.flatMap(({ name }) => (name.includes(' ') ? [name.split(' ')[0] ?? ''] : []));
  return [...new Set(parents)].filter((parent) => !names.has(parent));
}
