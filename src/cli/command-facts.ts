import { type CommandDefinition, type CommandHelp, type JsonSchema, outputOf } from './command.ts';
import { COMMANDS, type CommandGroup } from './commands.ts';
import type { Context } from './context.ts';

/** A command as its definition tells it: what reference pages and completion are made of. */
export interface CommandFacts {
  readonly name: string;
  readonly group: CommandGroup;
  readonly summary: string;
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
  /** What it takes, `file`; null for a flag that takes nothing. */
  readonly value: string | null;
  /** True for a flag that may stand without its value: `--faults [list]`. */
  readonly optional: boolean;
  readonly choices: readonly string[];
  readonly repeat: boolean;
  readonly text: string;
}

/** Every command of the overview, in its order. Loads their definitions, which open nothing. */
export async function allCommandFacts(ctx: Context): Promise<readonly CommandFacts[]> {
  return Promise.all(
    COMMANDS.map(async ({ name, group, summary, load }) => ({
      ...{ name, group, summary },
      ...(await factsOf((await load())(ctx))),
    })),
  );
}

async function factsOf(definition: CommandDefinition): Promise<Omit<CommandFacts, 'name' | 'group' | 'summary'>> {
  const { passThrough, writes, help } = definition;
  const output = await outputOf(definition);
  return {
    arguments: Object.entries(definition.arguments).map(([spec, text]) => ({
      name: spec.replace(/^[<[]|\.\.\.|[>\]]$/g, ''),
      required: spec.startsWith('<'),
      repeat: spec.includes('...'),
      text,
    })),
    options: Object.entries(definition.options).map(([flags, spec]) => {
      const [, short, long = '', value] = /^(?:(-\w), )?(--[\w-]+)(?: [<[]([^>\]]+)[>\]])?$/.exec(flags) ?? [];
      const { text, choices = [], repeat = false } = typeof spec === 'string' ? { text: spec } : spec;
      const takes = { value: value ?? null, optional: flags.endsWith(']'), choices: choices.map(String), repeat };
      return { long, short: short ?? null, ...takes, text };
    }),
    ...{ passThrough, writes, output, help },
  };
}
