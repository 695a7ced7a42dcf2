import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonSchema } from '../../src/lib/json.ts';
import { openApiDocument } from '../../src/manager/http/openapi/document.ts';
import { endpointsOf } from '../../src/manager/http/verb-routes.ts';
import { describedVerbs } from '../support/manager/described-verbs.ts';

const ROOT = join(import.meta.dirname, '../..');
export const VERB_CALLS = join(ROOT, 'src/dashboard/verb-calls.ts');

interface Parameter {
  readonly name: string;
  readonly required: boolean;
  readonly schema: JsonSchema;
}

interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: { readonly 'application/json': { readonly schema: BodySchema } } };
}

interface BodySchema {
  readonly required?: readonly string[];
  readonly properties: Readonly<Record<string, JsonSchema>>;
}

const HEAD = `// Made by \`npm run api\` from the declarations of the verbs.
`;

const TYPES = `
interface Call<Input, Answer> {
  readonly input: Readonly<Input>;
  readonly answer: Answer;
}

/** A list, or a page of it. */
interface List<Row> {
  readonly items: readonly Row[];
  /** The \`after\` of the next page; null: the list is complete. */
  readonly next: string | null;
}

/** A value of a verb's field: what a person typed, or a number. */
type Typed = string | number;
`;

/** The dashboard's types and routes of the verbs: the fields of each call, wherever they are sent, and its answer. */
export async function verbCalls(): Promise<string> {
  const { verbs } = await describedVerbs();
  const { paths } = openApiDocument({ verbs }) as { paths: Record<string, Record<string, Operation>> };
  const schemas = await answerSchemas();
  const files = new Map<string, Set<string>>([['shapes.ts', new Set(['Value'])]]);
  const calls = await Promise.all(
    endpointsOf({ verbs }).map(async ({ verb: { declared }, method, path }) => {
      const route = `${method} /api/v1${path}`;
      const operation = paths[`/api/v1${path}`]?.[method.toLowerCase()];
      const found = schemas.get(await declared.answer());
      if (operation === undefined) throw new TypeError(`${route} is not described`);
      if (found !== undefined) files.set(found.file, (files.get(found.file) ?? new Set()).add(found.name));
      const row = found === undefined ? 'unknown' : `Value<typeof ${found.name}>`;
      return {
        name: operation.operationId,
        route,
        input: inputOf(operation),
        answer: declared.list ? `List<${row}>` : row,
      };
    }),
  );
  calls.sort((a, b) => (a.name < b.name ? -1 : 1));
  const imports = [...files]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([file, names]) => `import type { ${[...names].sort().join(', ')} } from '../model/answers/${file}';`);
  const types = calls.map(({ name, input, answer }) => `readonly ${name}: Call<${input}, ${answer}>;`);
  const routes = calls.map(({ name, route }) => `${name}: '${route}',`);
  return formatted(`${HEAD}${imports.join('\n')}
${TYPES}
/** The input and answer of each call. */
export interface VerbCalls { ${types.join('\n')} }

export const VERB_ROUTES = { ${routes.join('\n')} } as const satisfies { readonly [Name in keyof VerbCalls]: string };
`);
}

/** As `npm run check` wants it. */
const formatted = (text: string): string =>
  execFileSync('npx', ['biome', 'format', '--stdin-file-path', VERB_CALLS], {
    cwd: ROOT,
    input: text,
    encoding: 'utf8',
  });

/** Answers by their schemas: the name of each, and its file in `src/model/answers`, from which alone the dashboard can import. */
async function answerSchemas(): Promise<ReadonlyMap<unknown, { readonly name: string; readonly file: string }>> {
  const folder = join(ROOT, 'src/model/answers');
  const all = await Promise.all(
    readdirSync(folder).map(async (file) =>
      Object.entries((await import(join(folder, file))) as object).map(
        ([name, schema]) => [schema, { name, file }] as const,
      ),
    ),
  );
  return new Map(all.flat());
}

function inputOf({ parameters = [], requestBody }: Operation): string {
  const body = requestBody?.content['application/json'].schema;
  const inBody = Object.entries(body?.properties ?? {}).map(([name, schema]) => {
    return { name, required: body?.required?.includes(name) === true, schema };
  });
  const fields = [...parameters, ...inBody].map(
    ({ name, required, schema }) => `${name}${required ? '' : '?'}: ${typeOf(schema)}`,
  );
  return fields.length === 0 ? 'object' : `{ ${fields.join('; ')} }`;
}

function typeOf({ type, enum: words, items }: JsonSchema): string {
  if (Array.isArray(words)) return words.map((word) => `'${word}'`).join(' | ');
  if (Array.isArray(type)) {
    const all = type.map((each) => typeOf({ type: each })).join(' | ');
    return all === 'string | number' ? 'Typed' : all;
  }
  if (type === 'array') return `readonly ${typeOf((items ?? {}) as JsonSchema)}[]`;
  return typeof type === 'string' ? type : 'unknown';
}
