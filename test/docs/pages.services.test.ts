// Protects: the commands of docs/failures.md, docs/manager.md and docs/json.md work as shown.
import { PAGE_MS, PAGES, tryPage } from './reader-shell.ts';

describe('the pages of docs/', () => {
  for (const page of PAGES.services) {
    it(`${page} shows what happens: its files written and its commands typed in a fresh directory`, () =>
      tryPage(page)).timeout(PAGE_MS);
  }
});
