import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BACKENDS, type Backend } from '../../src/config/backends.ts';
import { fieldsOfProfile } from '../../src/config/table.ts';
import type { DescribedField } from '../../src/lib/described-fields.ts';

export const CONFIGURATION_PAGE = join(import.meta.dirname, '../../docs/configuration.md');

/** A field, and the backends whose profiles have it. */
type Row = DescribedField & { readonly backends: readonly Backend[] };

/** The page, with the tables of the configuration's fields: each backend set has a table of its own, between marks. */
export function configurationPage(): string {
  const page = readFileSync(CONFIGURATION_PAGE, 'utf8');
  const rows = allRows();
  const written = new Set<string>();
  const made = page.replace(
    /(<!-- fields of (.*) -->\n)[\s\S]*?(<!-- end -->)/g,
    (_, begin: string, of: string, end: string) => {
      written.add(of);
      return begin + tableOf(rows.filter((row) => nameOf(row) === of)) + end;
    },
  );
  const missing = rows.filter((row) => !written.has(nameOf(row)));
  if (missing.length > 0) throw new Error(`docs/configuration.md has no table for ${missing.map(({ path }) => path)}`);
  return made;
}

/** Every field; one that is the same in several backends only once. */
function allRows(): readonly Row[] {
  const rows = new Map<string, Row>();
  for (const backend of BACKENDS) {
    for (const field of fieldsOfProfile(backend)) {
      const key = JSON.stringify(field);
      rows.set(key, { ...field, backends: [...(rows.get(key)?.backends ?? []), backend] });
    }
  }
  return [...rows.values()];
}

const nameOf = ({ backends }: Row): string =>
  backends.length === BACKENDS.length ? 'every profile' : backends.join(' and ');

const tableOf = (rows: readonly Row[]): string =>
  `| field | is | default | meaning |\n|---|---|---|---|\n${rows.map(lineOf).join('')}`;

const lineOf = ({ path, allowed, default: fallback, purpose }: Row): string =>
  `| \`${path}\` | ${allowed} | ${fallback === null ? '' : `\`${JSON.stringify(fallback)}\``} | ${purpose} |\n`;
