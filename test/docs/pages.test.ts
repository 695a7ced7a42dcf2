// Protects: the tour's commands work as shown (other pages': pages.services.test.ts), every page is found from docs/README.md,
// and no link leads nowhere.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect } from 'chai';
import { PAGE_MS, PAGES, tryPage } from './reader-shell.ts';
import { markedBlocks } from './readme-blocks.ts';

const ROOT = join(import.meta.dirname, '../..');
/** These need an emulated account or a moved clock: aws-page.grid, operations-page.grid and schedules.services.test.ts. */
const PAGES_ALONE = ['docs/aws.md', 'docs/operations.md', 'docs/schedules.md'];

const ALL_PAGES = [
  'README.md',
  'CHANGELOG.md',
  ...['docs', 'examples', 'bench'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.md'))
      .map((name) => join(folder, name)),
  ),
];

const textOf = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** A page without its code, in which brackets are no links. */
const proseOf = (path: string): string =>
  textOf(path)
    .replace(/^```.*?^```$/gms, '')
    .replace(/`[^`\n]*`/g, '``');

const linksOf = (path: string): readonly string[] =>
  [...proseOf(path).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target).filter((to) => !/^\w+:/.test(to));

/** The anchors that GitHub makes of a page's headings. */
function anchorsOf(path: string): ReadonlySet<string> {
  const text = textOf(path).replace(/^```.*?^```$/gms, '');
  const headings = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-'),
  );
  return new Set(headings);
}

describe('the pages of docs/', () => {
  for (const page of PAGES.local.filter((name) => name !== 'README.md')) {
    it(`${page} shows what happens: its files written and its commands typed in a fresh directory`, () =>
      tryPage(page)).timeout(PAGE_MS);
  }

  it('no page has commands that are marked to run and that no test runs', () => {
    const marked = ALL_PAGES.filter((path) => markedBlocks(textOf(path)).length > 0);
    expect(marked.sort()).to.deep.equal([...Object.values(PAGES).flat(), ...PAGES_ALONE].sort());
  });

  it('every link leads to a file, and to a heading of it', () => {
    const lost = ALL_PAGES.flatMap((path) =>
      linksOf(path)
        .filter((target) => {
          const [file = '', anchor] = target.split('#');
          const to = file === '' ? path : normalize(join(dirname(path), file));
          if (!existsSync(join(ROOT, to))) return true;
          return anchor !== undefined && to.endsWith('.md') && !anchorsOf(to).has(anchor);
        })
        .map((target) => `${path}: ${target}`),
    );
    expect(lost).to.deep.equal([]);
  });

  it('docs/README.md links every page', () => {
    const linked = new Set(linksOf('docs/README.md').map((target) => normalize(join('docs', target))));
    const pages = ALL_PAGES.filter((path) => dirname(path) === 'docs' && path !== 'docs/README.md');
    for (const page of [...pages, 'docs/cli/README.md', 'docs/adr/']) expect([...linked]).to.include(page);
  });
});
