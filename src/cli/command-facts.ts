import { Argument } from 'commander';
import type { JsonSchema } from '../lib/json.ts';
import { type CommandDefinition, type CommandGroup, type CommandHelp, type CommandTable, outputOf } from './command.ts';
import type { Context } from './context.ts';

/** The facts of a command's definition that reference pages and completion use. */
export interface CommandFacts {
  readonly name: string;
  readonly group: CommandGroup;
  readonly summary: string;
  readonly also: readonly string[];
  readonly arguments: readonly ArgumentFacts[];
  readonly options: readonly OptionFacts[];
  readonly passThrough: boolean;
  readonly writes: boolean;
  readonly output: JsonSchema | null;
  readonly help: CommandHelp;
}

export interface ArgumentFacts {
  readonly name: string;
  readonly required: boolean;
  readonly repeat: boolean;
  readonly text: string;
}

export interface OptionFacts {
  /** `--output` */
  readonly long: string;
  /** `-o`; null without one. */
  readonly short: string | null;
  /** The name of its value, `file`; null for a flag without a value. */
  readonly value: string | null;
  /** True if the value is optional: `--faults [list]`. */
  readonly optional: boolean;
  readonly choices: readonly string[];
  readonly repeat: boolean;
  readonly text: string;
}

/** Every command, in the order of the overview. Loads their definitions, which have no side effects. */
export async function allCommandFacts(
  ctx: Context,
  { commands }: Pick<CommandTable, 'commands'>,
): Promise<readonly CommandFacts[]> {
  return Promise.all(
    commands.map(async ({ name, group, summary, also = [], load }) => ({
      name,
      group,
      summary,
      also,
      ...(await factsOf((await load())(ctx))),
    })),
  );
}

async function factsOf(
  definition: CommandDefinition,
): Promise<Omit<CommandFacts, 'name' | 'group' | 'summary' | 'also'>> {
  const { passThrough, writes, help } = definition;
  const output = await outputOf(definition);
  return {
    arguments: Object.entries(definition.arguments).map(([spec, text]) => {
      const argument = new Argument(spec);
      return { name: argument.name(), required: argument.required, repeat: argument.variadic, text };
    }),
    options: Object.entries(definition.options).map(([flags, spec]) => {
      const { text, choices = [], repeat = false } = typeof spec === 'string' ? { text: spec } : spec;
      return { ...flagSpelling(flags), choices: choices.map(String), repeat, text };
    }),
    passThrough,
    writes,
    output,
    help,
  };
}

/** The parts of `-o, --output <file>`. */
export function flagSpelling(flags: string): Pick<OptionFacts, 'long' | 'short' | 'value' | 'optional'> {
  const [, short = null, long = '', value = null] =
    /^(?:(-\w), )?(--[\w-]+)(?: [<[]([^>\]]+)[>\]])?$/.exec(flags) ?? [];
  return { long, short, value, optional: flags.endsWith(']') };
}
