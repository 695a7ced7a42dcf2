import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { cliPages } from '../../test/docs/cli-pages.ts';
import { LAYOUT_PAGE, layoutPage } from '../../test/docs/layout-page.ts';

/** Writes the pages beside this file, and the layout's table: `npm run docs`, after a change of what a command takes or says. */
const pages = await cliPages();
for (const name of readdirSync(import.meta.dirname)) {
  if (name.endsWith('.md') && !pages.has(name)) rmSync(new URL(name, import.meta.url));
}
for (const [name, text] of pages) writeFileSync(new URL(name, import.meta.url), text);
writeFileSync(LAYOUT_PAGE, layoutPage());
