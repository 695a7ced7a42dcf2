// Protects: the README sells in one sitting: it is short, and its commands work in a fresh directory as shown.

import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { PAGE_MS, tryPage } from './reader-shell.ts';

const ROOT = join(import.meta.dirname, '../..');
const textOf = (name: string): string => readFileSync(join(ROOT, name), 'utf8').replace(/\s+/g, ' ');

/** Figures of the README, and the row of bench/README.md that has them, with what is beside it. */
const FIGURES = [
  ['2,000 × `/bin/true`, 4 at a time, take # s', '2,000 × `/bin/true`, 4 at a time, whole command | # s |'],
  ['(GNU parallel with `--joblog` # s, xargs # s)', 'GNU parallel with `--joblog` # s, xargs # s |'],
  ['A finished job of 2,000 tasks, run again, answers in # s', 'a finished job of 2,000 run again | # s |'],
  ['2 GiB of quoted CSV are cut in # s', '2 GiB of CSV with quotes into 1,001 parts | # s,'],
] as const;

/** The numbers in the places of `#`. */
function numbersIn(text: string, form: string): readonly string[] {
  const pattern = form.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll('#', '(\\d+[.]\\d+)');
  const found = new RegExp(pattern).exec(text)?.slice(1);
  if (found === undefined) throw new Error(`expected "${form}"`);
  return found;
}

describe('the README', () => {
  it('shows what happens: its files written and its commands typed in a fresh directory, in order', () =>
    tryPage('README.md')).timeout(PAGE_MS);

  it('is read in a few minutes: 10 KB at most', () => {
    expect(statSync(join(ROOT, 'README.md')).size).to.be.at.most(10_000);
  });

  it('states speeds as bench/README.md does, rounded', () => {
    const [readme, bench] = [textOf('README.md'), textOf('bench/README.md')];
    for (const [said, measured] of FIGURES) {
      const stated = numbersIn(readme, said);
      const figures = numbersIn(bench, measured).map((figure, at) => {
        const decimals = stated[at]?.split('.')[1]?.length ?? 0;
        return Number(figure).toFixed(decimals);
      });
      expect(stated, said).to.deep.equal(figures);
    }
  });

  it('names the version of better-sqlite3 that the program accepts', () => {
    const { peerDependencies, engines } = JSON.parse(textOf('package.json'));
    expect(textOf('README.md'))
      .to.include(`better-sqlite3@${peerDependencies['better-sqlite3']}`)
      .and.include(`Node ${engines.node.replace('>=', '')} also needs`);
  });
});
