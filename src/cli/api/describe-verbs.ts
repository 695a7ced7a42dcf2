import type { Verb } from '../../ports/verbs.ts';
import { INNER_VERBS, VERBS } from '../../verbs/index.ts';
import { type AnyVerb, type FileKind, fileFields } from '../../verbs/verb.ts';
import type { CommandEntry, CommandTable, JsonSchema } from '../command.ts';
import type { Context } from '../context.ts';
import { answerSchema, inputSchema } from '../verb-schema.ts';

/** A verb and its implementation. */
export interface KnownVerb {
  readonly verb: Verb;
  readonly declared: AnyVerb;
}

/** Every verb of the manager, described by the command definitions. `ctx` is never opened. */
export async function describeVerbs(
  ctx: Context,
  { commands }: Pick<CommandTable, 'commands'>,
): Promise<ReadonlyMap<string, KnownVerb>> {
  const known = await Promise.all(
    commands.flatMap((entry) => {
      const load = VERBS[entry.name];
      return load === undefined ? [] : [describe(ctx, entry, load)];
    }),
  );
  const inner = await Promise.all(INNER_VERBS.map(async (load) => describeInner(await load())));
  return new Map([...known, ...inner].map((each) => [each.verb.name, each]));
}

async function describe(ctx: Context, entry: CommandEntry, load: () => Promise<AnyVerb>): Promise<KnownVerb> {
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
    ...{ input, output: await answerSchema(declared), writes: declared.changes },
    jobFile: fieldsOf('job')[0] ?? fieldsOf('submission')[0] ?? null,
  };
  return { verb, declared };
}

/** A verb without a command of its own. Only frames call it. */
async function describeInner(declared: AnyVerb): Promise<KnownVerb> {
  const { name, scope, scopeWith = {}, list, changes: writes } = declared;
  const verb: Verb = {
    ...{ name, summary: '', about: null, example: 'batchctl report', scope, scopeWith, method: 'POST', path: null },
    ...{ shownAt: null, list, lines: [], jobFile: null, input: inputSchema(declared), output: null, writes },
  };
  return { verb, declared };
}

/** Maximum number of lines of a small file in a body. */
const MOST_LINES = 10_000;
interface InputSchema extends JsonSchema {
  readonly properties: Readonly<Record<string, JsonSchema>>;
}

const withLines = (
  properties: InputSchema['properties'],
  lines: readonly string[],
): Readonly<Record<string, JsonSchema>> => ({
  ...properties,
  ...Object.fromEntries(lines.map((name) => [name, linesSchema(String(properties[name]?.description ?? ''))])),
});

/** An array of lines, accepted in place of the small file's name. */
const linesSchema = (text: string): JsonSchema => ({
  type: 'array',
  maxItems: MOST_LINES,
  items: { type: 'string' },
  description: `${text}; here its lines`,
});
