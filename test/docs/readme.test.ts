// Protects: the README sells in one sitting: it is short, and its commands work in a fresh directory as shown.

import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { PAGE_MS, tryPage } from './reader-shell.ts';

describe('the README', () => {
  it('shows what happens: its files written and its commands typed in a fresh directory, in order', () =>
    tryPage('README.md')).timeout(PAGE_MS);

  it('is read in a few minutes: 10 KB at most', () => {
    expect(statSync(join(import.meta.dirname, '../../README.md')).size).to.be.at.most(10_000);
  });
});
