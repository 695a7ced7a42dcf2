// Protects: the laws that comments cite stand in docs/laws.md, with tests that exist; the pages for developers name only what exists.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { LAYOUT_PAGE, layoutPage } from './layout-page.ts';

const ROOT = join(import.meta.dirname, '../..');
const LAWS = readFileSync(join(ROOT, 'docs/laws.md'), 'utf8');
const sections = LAWS.split(/^## /m).slice(1);

describe('docs/laws.md', () => {
  it('has every law that a comment cites', () => {
    const known = sections.map((section) => Number.parseInt(section, 10));
    expect(known).to.deep.equal(Array.from({ length: sections.length }, (_, index) => index + 1));
    let cited = 0;
    const unknown = sourceFiles().flatMap((file) => {
      const numbers = [...readFileSync(join(ROOT, file), 'utf8').matchAll(/\blaws? (\d+)(?:(?:, | and | to )(\d+))?/gi)]
        .flatMap(([, one, other]) => [one, other])
        .filter((text) => text !== undefined)
        .map(Number);
      cited += numbers.length;
      return numbers.filter((number) => !known.includes(number)).map((number) => `${file}: law ${number}`);
    });
    expect(unknown).to.deep.equal([]);
    expect(cited).to.be.above(50);
  });

  for (const section of sections) {
    it(`says why law ${section.slice(0, section.indexOf('\n'))}, and which existing tests hold it`, () => {
      expect(section).to.match(/^\*Why:\* /m);
      const [, held = ''] = /^\*Held by:\* (.*)/ms.exec(section) ?? [];
      const paths = pathsIn(held);
      expect(paths).not.to.deep.equal([]);
      expect(paths.filter((path) => !existsSync(join(ROOT, path)))).to.deep.equal([]);
    });
  }
});

describe('CONTRIBUTING.md', () => {
  const page = readFileSync(join(ROOT, 'CONTRIBUTING.md'), 'utf8');

  it('names only scripts, files and links that exist', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: object };
    const called = [...page.matchAll(/npm run ([a-z:-]+)/g)].map(([, name = '']) => name);
    expect(called.filter((name) => !(name in scripts))).to.deep.equal([]);
    const links = [...page.matchAll(/\]\(([^)#:]+)\)/g)].map(([, path = '']) => path);
    expect([...pathsIn(page), ...links].filter((path) => !existsSync(join(ROOT, path)))).to.deep.equal([]);
    expect(links).not.to.deep.equal([]);
  });
});

describe('docs/layout.md', () => {
  it('has the allowed imports as the check enforces them, as npm run docs writes them', () => {
    expect(readFileSync(LAYOUT_PAGE, 'utf8')).to.equal(layoutPage());
  });
});

/** Paths of the project between backticks. */
function pathsIn(text: string): readonly string[] {
  return [...text.matchAll(/`((?:src|test|bench|docs|build|schema|bin|\.ci)\/[\w./-]*)`/g)].map(
    ([, path = '']) => path,
  );
}

function sourceFiles(): readonly string[] {
  return ['src', 'test'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.tsx?$/.test(name))
      .map((name) => `${folder}/${name}`),
  );
}
