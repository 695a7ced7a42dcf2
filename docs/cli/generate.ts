import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { cliPages } from '../../test/docs/cli-pages.ts';
import { CONFIGURATION_PAGE, configurationPage } from '../../test/docs/configuration-page.ts';
import { LAYOUT_PAGE, layoutPage } from '../../test/docs/layout-page.ts';

/** Writes the pages beside this file, and the tables of other pages: `npm run docs`, after a change of a command or a field. */
const pages = await cliPages();
for (const name of readdirSync(import.meta.dirname)) {
  if (name.endsWith('.md') && !pages.has(name)) rmSync(new URL(name, import.meta.url));
}
for (const [name, text] of pages) writeFileSync(new URL(name, import.meta.url), text);
writeFileSync(LAYOUT_PAGE, layoutPage());
writeFileSync(CONFIGURATION_PAGE, configurationPage());
