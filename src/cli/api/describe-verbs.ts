import { BatchctlError } from '../../errors.ts';
import type { Verb } from '../../ports/verbs.ts';
import { INNER_VERBS, VERBS } from '../../verbs/index.ts';
import { type AnyVerb, type FileKind, fileFields } from '../../verbs/verb.ts';
import {
  type CommandDefinition,
  type CommandEntry,
  type CommandHelp,
  type CommandTable,
  type JsonSchema,
  type OptionSpec,
  outputOf,
} from '../command.ts';
import type { Context } from '../context.ts';
import { verbCommand } from '../verb-command.ts';
import { answerSchema, inputSchema } from '../verb-schema.ts';
import { ROUTES, type Route } from './routes.ts';
import { nameOf } from './words.ts';

/** A verb and its implementation. */
export interface KnownVerb {
  readonly verb: Verb;
  /** Null: it is not declared as a verb yet. */
  readonly declared: AnyVerb | null;
  readonly entry: CommandEntry;
  readonly route: Route;
  readonly make: (ctx: Context) => CommandDefinition;
}

/** Every verb of the manager, described by the command definitions. `ctx` is never opened. */
export async function describeVerbs(
  ctx: Context,
  { commands }: Pick<CommandTable, 'commands'>,
): Promise<ReadonlyMap<string, KnownVerb>> {
  const known = await Promise.all(
    commands.flatMap((entry) => {
      const [declared, route] = [VERBS[entry.name], ROUTES[entry.name]];
      if (declared !== undefined) return [describeDeclared(ctx, entry, declared)];
      return route === undefined ? [] : [describe(ctx, entry, route)];
    }),
  );
  const inner = await Promise.all(INNER_VERBS.map(async (load) => describeInner(ctx, await load())));
  return new Map([...known, ...inner].map((each) => [each.verb.name, each]));
}

async function describe(ctx: Context, entry: CommandEntry, route: Route): Promise<KnownVerb> {
  const make = await entry.load();
  const definition = make(ctx);
  const { name, summary } = entry;
  const { scope, scopeWith = {}, method, path, shownAt = null, list } = route;
  const about = definition.help.about ?? null;
  const { writes } = definition;
  const output = await outputOf(definition);
  const input = inputOf(definition, route);
  const jobFile = JOB_FILES.find((field) => Object.hasOwn(input.properties, field)) ?? null;
  const verb = {
    ...{ name, summary, about, example: definition.help.examples[0], scope, scopeWith, method, path, shownAt, jobFile },
    ...{ list, lines: [], input, output, writes, declared: false },
  };
  return { verb, declared: null, entry, route, make };
}

async function describeDeclared(ctx: Context, entry: CommandEntry, load: () => Promise<AnyVerb>): Promise<KnownVerb> {
  const [declared, make] = await Promise.all([load(), entry.load()]);
  const { name, summary } = entry;
  const { scope, scopeWith = {}, http, shownAt = null, list } = declared;
  const { help } = make(ctx);
  const files = fileFields(declared);
  const fieldsOf = (kind: FileKind): string[] => [...files.keys()].filter((name) => files.get(name) === kind);
  const lines = fieldsOf('text');
  const described = inputSchema(declared) as InputSchema;
  const taken = Object.entries(described.properties).filter(([name]) => declared.framesOnly?.includes(name) !== true);
  const input = { ...described, properties: withLines(Object.fromEntries(taken), lines) };
  const verb: Verb = {
    ...{ name, summary, about: help.about ?? null, example: help.examples[0], scope, scopeWith },
    ...{ method: http?.method ?? 'POST', path: http?.path ?? null, shownAt, list, lines },
    ...{ input, output: await answerSchema(declared), writes: declared.changes, declared: true },
    jobFile: fieldsOf('job')[0] ?? fieldsOf('submission')[0] ?? null,
  };
  return { verb, declared, entry, route: { scope, list, method: verb.method, path: verb.path }, make };
}

/** A verb without a command of its own can only be called for its answer. */
async function describeInner(ctx: Context, declared: AnyVerb): Promise<KnownVerb> {
  const { name } = declared;
  const make = (): CommandDefinition => {
    throw new BatchctlError('usage', `a manager has no verb "${name}"`);
  };
  const help: CommandHelp = { examples: ['batchctl report'], exitCodes: [0], related: ['report'] };
  const definition = verbCommand(ctx, declared, { help, show: () => ({ answer: async () => {} }) });
  const entry: CommandEntry = { name, group: 'Jobs', summary: '', load: async () => () => definition };
  return { ...(await describeDeclared(ctx, entry, async () => declared)), make };
}

/** Maximum number of lines of a small file in a body. */
const MOST_LINES = 10_000;
/** Arguments and options that name a job file. */
const JOB_FILES = ['jobfile'];

interface InputSchema extends JsonSchema {
  readonly properties: Readonly<Record<string, JsonSchema>>;
}

function inputOf(definition: CommandDefinition, { without = [] }: Route): InputSchema {
  const left = new Set(without);
  const operands = Object.entries(definition.arguments).map(([spec, text]): [string, JsonSchema] => [
    nameOf(spec),
    spec.includes('...')
      ? { type: 'array', items: { type: 'string' }, description: text }
      : { type: 'string', description: text },
  ]);
  const options = Object.entries(definition.options).map(([spec, option]): [string, JsonSchema] => [
    nameOf(spec),
    optionSchema(spec, option),
  ]);
  const properties = Object.fromEntries([...operands, ...options].filter(([name]) => !left.has(name)));
  const required = Object.keys(definition.arguments)
    .filter((spec) => spec.startsWith('<'))
    .map(nameOf);
  return { type: 'object', additionalProperties: false, required, properties };
}

const withLines = (
  properties: InputSchema['properties'],
  lines: readonly string[],
): Readonly<Record<string, JsonSchema>> => ({
  ...properties,
  ...Object.fromEntries(lines.map((name) => [name, linesSchema(String(properties[name]?.description ?? ''))])),
});

/** The lines of a small file instead of its name. */
const linesSchema = (text: string): JsonSchema => ({
  type: 'array',
  maxItems: MOST_LINES,
  items: { type: 'string' },
  description: `${text}; here its lines`,
});

function optionSchema(spec: string, option: string | OptionSpec<unknown>): JsonSchema {
  const description = typeof option === 'string' ? option : option.text;
  if (!/[<[]/.test(spec)) return { type: 'boolean', description };
  const choices = typeof option === 'string' ? undefined : option.choices;
  const value: JsonSchema = choices === undefined ? { type: ['string', 'number'] } : { enum: choices };
  if (typeof option !== 'string' && option.repeat === true) return { type: 'array', items: value, description };
  return { ...value, description };
}
