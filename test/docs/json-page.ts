import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { outputOf } from '../../src/cli/command.ts';
import { COMMANDS } from '../../src/cli/commands.ts';
import { isRecord } from '../../src/lib/json.ts';
import type { JsonSchema } from '../../src/lib/json-schema.ts';
import { CAUSE_CODES } from '../../src/model/cause.ts';
import { fieldPaths, schemasAt } from '../support/field-paths.ts';
import { commandContext } from './command-line.ts';
import { declaredVerbs } from './verb-index.ts';

export const JSON_PAGE = join(import.meta.dirname, '../../docs/json.md');

/** The answer of a command: its schema, or that of each row of a list. */
export interface Answer {
  readonly schema: JsonSchema;
  readonly list: boolean;
}

/** The page with a table of each answer's fields, between marks. */
export async function jsonPage(): Promise<string> {
  return withAnswers(readFileSync(JSON_PAGE, 'utf8'), await answers());
}

/** The answer of each command that has one, in the order of the overview. Opens nothing. */
async function answers(): Promise<ReadonlyMap<string, Answer>> {
  const ctx = commandContext();
  const verbs = await declaredVerbs();
  const found = new Map<string, Answer>();
  for (const { name, load } of COMMANDS) {
    const schema = await outputOf((await load())(ctx));
    if (schema !== null) found.set(name, { schema, list: verbs.get(name)?.verb.list ?? false });
  }
  return found;
}

/**
 * The page with the fields of these answers. What people wrote stays. A command without a section gets one behind that of
 * the command before it, and a section whose commands are gone is dropped.
 */
export function withAnswers(page: string, answers: ReadonlyMap<string, Answer>): string {
  const [head = '', ...written] = page.trimEnd().split(/\n+(?=## `)/);
  const sections = written.filter((section) => commandsOf(section).some((name) => answers.has(name)));
  let behind = -1;
  for (const [name, { list }] of answers) {
    const own = sections.findIndex((section) => commandsOf(section).includes(name));
    behind = own === -1 ? behind + 1 : own;
    if (own === -1) sections.splice(behind, 0, `## \`${name}\`\n\n${list ? 'A list.\n\n' : ''}${BEGIN}${END}`);
  }
  const filled = sections.map((section) => section.replace(TABLE, () => `${BEGIN}${tableOf(section, answers)}${END}`));
  return `${[head, ...filled].join('\n\n').replace(CODES, `$1${CAUSE_CODES.join(', ')}\n$2`)}\n`;
}

const BEGIN = '<!-- fields: made by `npm run docs` -->\n';
const END = '<!-- end -->';
const TABLE = new RegExp(`${BEGIN}[\\s\\S]*?${END}`);
const CODES = /(<!-- codes: made by `npm run docs` -->\n)[\s\S]*?(<!-- end -->)/;

/** The commands that a section is about: those of its heading. They have the same answer. */
function commandsOf(section: string): readonly string[] {
  const [heading = ''] = section.split('\n', 1);
  return [...heading.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
}

function tableOf(section: string, answers: ReadonlyMap<string, Answer>): string {
  const names = commandsOf(section);
  const tables = names.map((name) => fieldTable(answers.get(name)?.schema ?? {}));
  if (new Set(tables).size > 1) throw new Error(`expected the same answer of ${names.join(' and ')}`);
  return tables[0] ?? '';
}

function fieldTable(schema: JsonSchema): string {
  const rows = fieldPaths(schema).map((path) => {
    const found = schemasAt(schema, path);
    const meaning = found.find(({ description }) => description !== undefined)?.description ?? '';
    return `| \`${spelled(path)}\` | ${[...new Set(found.flatMap(typesOf))].join(', ')} | ${cell(String(meaning))} |\n`;
  });
  return `| field | is | meaning |\n|---|---|---|\n${rows.join('')}`;
}

/** `steps`, `[]`, `name` as the page spells it: `steps[].name`. */
function spelled(path: readonly string[]): string {
  return path.reduce((text, part) => (part === '[]' ? `${text}[]` : text === '' ? part : `${text}.${part}`), '');
}

/** A longer list of words is explained by the field's meaning. */
const MOST_WORDS = 12;

function typesOf(schema: JsonSchema): readonly string[] {
  const alternatives = [schema.anyOf, schema.oneOf].flatMap((each) =>
    Array.isArray(each) ? each.filter(isRecord) : [],
  );
  if (alternatives.length > 0) return alternatives.flatMap(typesOf);
  if (schema.const !== undefined) return [`\`${String(schema.const)}\``];
  if (Array.isArray(schema.enum)) return schema.enum.length > MOST_WORDS ? ['text'] : schema.enum.map(String);
  const types: readonly unknown[] = Array.isArray(schema.type) ? schema.type : [schema.type];
  return types.map((type) => typeText(String(type), schema));
}

function typeText(type: string, { format, items, properties }: JsonSchema): string {
  if (type === 'string') return format === 'date-time' ? 'time' : 'text';
  if (type === 'boolean') return 'true, false';
  if (type === 'array') {
    const inner = isRecord(items) ? typesOf(items) : [];
    return inner.length === 0 || inner.includes('object') || inner.includes('map')
      ? 'list'
      : `list of ${inner.join(', ')}`;
  }
  if (type === 'object') return isRecord(properties) && Object.keys(properties).length > 0 ? 'object' : 'map';
  return type === 'undefined' ? 'any value' : type;
}

/** Text as a table's cell, with links to the pages that it names. */
function cell(text: string): string {
  const plain = text.split('`').map((part, n) => (n % 2 === 0 ? part.replaceAll('<', '&lt;') : part));
  return plain
    .join('`')
    .replaceAll('|', '\\|')
    .replace(/docs\/([\w-]+\.md)/g, '[$1]($1)');
}
