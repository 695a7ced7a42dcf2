import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { jobFileSchema } from '../../src/jobs/spec/schema.ts';
import { splitSchema } from '../../src/jobs/spec/split-schema.ts';
import { type DescribedField, describedFields } from '../../src/lib/described-fields.ts';
import { CORRECTABLE_STEP_FIELDS } from '../../src/model/job.ts';

export const JOB_FILE_PAGE = join(import.meta.dirname, '../../docs/job-file.md');

/** The tables of the page by name, and where in the file their fields are. */
const TABLES: Readonly<Record<string, string>> = {
  input: 'input.',
  'a split': 'input.split.',
  'a step': 'steps[].',
  'the job': '',
};

/** The page, with the tables of the job file's fields, between marks. */
export function jobFilePage(): string {
  const rows = new Map(Object.keys(TABLES).map((name): [string, DescribedField[]] => [name, []]));
  for (const field of describedFields(jobFileSchema)) rows.get(tableOf(field))?.push(field);
  const tables = new Map([...rows].map(([name, fields]) => [`fields of ${name}`, fieldTable(name, fields)]));
  tables.set('splits', splitTable());
  const unwritten = new Set(tables.keys());
  const made = readFileSync(JOB_FILE_PAGE, 'utf8').replace(
    /(<!-- (.*): made by `npm run docs` -->\n)[\s\S]*?(<!-- end -->)/g,
    (_, begin: string, name: string, end: string) => {
      unwritten.delete(name);
      return `${begin}${tables.get(name) ?? ''}${end}`;
    },
  );
  if (unwritten.size > 0) throw new Error(`docs/job-file.md has no table of ${[...unwritten].join(', ')}`);
  return made;
}

/** The longest prefix wins. */
function tableOf({ path }: DescribedField): string {
  const found = Object.entries(TABLES).filter(([, prefix]) => path.startsWith(prefix));
  return found.toSorted(([, a], [, b]) => b.length - a.length)[0]?.[0] ?? '';
}

function fieldTable(name: string, fields: readonly DescribedField[]): string {
  const rows = fields.filter(({ path }) => path !== 'input.split.by').map((field) => fieldRow(name, field));
  const correctable = name === 'a step' ? ' `retry --with` |' : '';
  return `| field | is | default | meaning |${correctable}\n|---|---|---|---|${correctable && '---|'}\n${rows.join('')}`;
}

function fieldRow(name: string, { path, allowed, default: fallback, required, purpose }: DescribedField): string {
  const field = path.slice(TABLES[name]?.length);
  const preset = fallback === null ? (required ? 'needed' : '') : `\`${JSON.stringify(fallback)}\``;
  const mayChange = CORRECTABLE_STEP_FIELDS.some((one) => one === field.split('.')[0]);
  const correctable = name === 'a step' ? ` ${mayChange ? 'yes' : ''} |` : '';
  return `| \`${field}\` | ${allowed.replace(/ \([^)]*\)$/, '')} | ${preset} | ${purpose} |${correctable}\n`;
}

/** What each split takes and makes. */
function splitTable(): string {
  const rows = splitSchema.options.map(({ entries: { by, ...own } }) => {
    const fields = Object.keys(own)
      .map((name) => `\`${name}\``)
      .join(', ')
      .replace('`every`, `size`', '`every` or `size`');
    return `| \`${by.literal}\` | ${fields} | ${v.getDescription(by)} |\n`;
  });
  return `| \`by\` | its fields | a part is |\n|---|---|---|\n${rows.join('')}`;
}
