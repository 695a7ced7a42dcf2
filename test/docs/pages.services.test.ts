// Protects: the commands of docs/failures.md, docs/manager.md, docs/json.md and docs/recipes.md work as shown.
import { installed } from '../support/run/lacking.ts';
import { PAGE_MS, PAGES, tryPage } from './reader-shell.ts';

describe('the pages of docs/', () => {
  for (const page of PAGES.services) {
    it(`${page} shows what happens: its files written and its commands typed in a fresh directory`, () => {
      if (page === 'docs/recipes.md') for (const peer of ['ffmpeg', 'make', 'parallel'] as const) installed(peer);
      return tryPage(page);
    }).timeout(PAGE_MS);
  }
});
