import type { Verb } from '../../ports/verbs.ts';
import type { CommandDefinition, JsonSchema, OptionSpec } from '../command.ts';
import { COMMANDS, type CommandEntry } from '../commands.ts';
import type { Context } from '../context.ts';
import { ROUTES, type Route } from './routes.ts';
import { nameOf } from './words.ts';

/** A verb, with what runs it. */
export interface KnownVerb {
  readonly verb: Verb;
  readonly entry: CommandEntry;
  readonly route: Route;
  readonly make: (ctx: Context) => CommandDefinition;
}

/** Every verb that a manager offers, described by the command line's own definitions. `ctx` is opened by none of them. */
export async function describeVerbs(ctx: Context): Promise<ReadonlyMap<string, KnownVerb>> {
  const known = await Promise.all(
    COMMANDS.flatMap((entry) => {
      const route = ROUTES[entry.name];
      return route === undefined ? [] : [describe(ctx, entry, route)];
    }),
  );
  return new Map(known.map((each) => [each.verb.name, each]));
}

async function describe(ctx: Context, entry: CommandEntry, route: Route): Promise<KnownVerb> {
  const make = await entry.load();
  const definition = make(ctx);
  const { name, summary } = entry;
  const { scope, scopeWith = {}, method, path, shownAt = null, list, lines = [] } = route;
  const about = definition.help.about ?? null;
  const { writes, output } = definition;
  const input = inputOf(definition, route);
  const jobFile = JOB_FILES.find((field) => Object.hasOwn(input.properties, field)) ?? null;
  const verb = {
    ...{ name, summary, about, example: definition.help.examples[0], scope, scopeWith, method, path, shownAt, jobFile },
    ...{ list, lines, input, output, writes },
  };
  return { verb, entry, route, make };
}

/** Lines that a body may bring of a small file. */
const MOST_LINES = 10_000;
/** Arguments and options that name a job file. */
const JOB_FILES = ['jobfile', 'with'];

interface InputSchema extends JsonSchema {
  readonly properties: Readonly<Record<string, JsonSchema>>;
}

function inputOf(definition: CommandDefinition, { without = [], textOnly = [], lines = [] }: Route): InputSchema {
  const left = new Set([...without, ...textOnly]);
  const operands = Object.entries(definition.arguments).map(([spec, text]): [string, JsonSchema] => [
    nameOf(spec),
    spec.includes('...')
      ? { type: 'array', items: { type: 'string' }, description: text }
      : { type: 'string', description: text },
  ]);
  const options = Object.entries(definition.options).map(([spec, option]): [string, JsonSchema] => [
    nameOf(spec),
    lines.includes(nameOf(spec)) ? linesSchema(option) : optionSchema(spec, option),
  ]);
  const properties = Object.fromEntries([...operands, ...options].filter(([name]) => !left.has(name)));
  const required = Object.keys(definition.arguments)
    .filter((spec) => spec.startsWith('<'))
    .map(nameOf);
  return { type: 'object', additionalProperties: false, required, properties };
}

/** Lines of a small file, in place of its name. */
const linesSchema = (option: string | OptionSpec<unknown>): JsonSchema => ({
  type: 'array',
  maxItems: MOST_LINES,
  items: { type: 'string' },
  description: `${typeof option === 'string' ? option : option.text}; here its lines`,
});

function optionSchema(spec: string, option: string | OptionSpec<unknown>): JsonSchema {
  const description = typeof option === 'string' ? option : option.text;
  if (!/[<[]/.test(spec)) return { type: 'boolean', description };
  const choices = typeof option === 'string' ? undefined : option.choices;
  const value: JsonSchema = choices === undefined ? { type: ['string', 'number'] } : { enum: choices };
  if (typeof option !== 'string' && option.repeat === true) return { type: 'array', items: value, description };
  return { ...value, description };
}
