import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BACKENDS, CONFIG_TABLE, type ConfigField } from '../../src/config/table.ts';

export const CONFIGURATION_PAGE = join(import.meta.dirname, '../../docs/configuration.md');

/** The page, with the tables of the configuration's fields: each backend set has a table of its own, between marks. */
export function configurationPage(): string {
  const page = readFileSync(CONFIGURATION_PAGE, 'utf8');
  const written = new Set<string>();
  const made = page.replace(
    /(<!-- fields of (.*) -->\n)[\s\S]*?(<!-- end -->)/g,
    (_, begin: string, of: string, end: string) => {
      written.add(of);
      return begin + tableOf(CONFIG_TABLE.filter(({ backends }) => nameOf(backends) === of)) + end;
    },
  );
  const missing = CONFIG_TABLE.filter(({ backends }) => !written.has(nameOf(backends)));
  if (missing.length > 0) throw new Error(`docs/configuration.md has no table for ${missing.map(({ path }) => path)}`);
  return made;
}

const nameOf = (backends: ConfigField['backends']): string =>
  backends.length === BACKENDS.length ? 'every profile' : backends.join(' and ');

const tableOf = (fields: readonly ConfigField[]): string =>
  `| field | is | default | meaning |\n|---|---|---|---|\n${fields.map(rowOf).join('')}`;

const rowOf = ({ path, type, default: fallback, doc }: ConfigField): string =>
  `| \`${path}\` | ${type} | ${fallback === null ? '' : `\`${JSON.stringify(fallback)}\``} | ${doc} |\n`;
