// Protects: npm run check fails where files or folders import each other in a circle, of whatever kind.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';

interface Circle {
  readonly folder: string;
  readonly members: readonly string[];
}

const { circlesIn } = (await import(join(import.meta.dirname, '../../.ci/check-circles.mjs'))) as {
  circlesIn: (root: string) => readonly Circle[];
};

describe('the check for circles', () => {
  const root = mkdtempSync(join(tmpdir(), 'batchctl-circles-'));
  afterEach(() => rmSync(join(root, 'src'), { recursive: true, force: true }));
  after(() => rmSync(root, { recursive: true, force: true }));

  function circles(files: Readonly<Record<string, string>>): readonly Circle[] {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, name)), { recursive: true });
      writeFileSync(join(root, name), text);
    }
    return circlesIn(root).map(({ folder, members }) => ({ folder, members }));
  }

  const planted: Readonly<Record<string, readonly [string, string]>> = {
    values: ["import { b } from './b.ts';", "import { a } from './a.ts';"],
    types: ["import { b } from './b.ts';", "import type { A } from './a.ts';"],
    'types in the import itself': ["import { b } from './b.ts';", "let a: import('./a.ts').A;"],
    exports: ["export * from './b.ts';", "export type { A } from './a.ts';"],
    'imports at runtime': ["import { b } from './b.ts';", "const a = await import('./a.ts');"],
  };
  for (const [kind, [a, b]] of Object.entries(planted)) {
    it(`finds two files in a circle of ${kind}`, () => {
      expect(circles({ 'src/x/a.ts': a, 'src/x/b.ts': b })).to.deep.equal([
        { folder: 'src/x', members: ['src/x/a.ts', 'src/x/b.ts'] },
      ]);
    });
  }

  it('finds two folders in a circle, although no file is in one', () => {
    const files = { 'src/x/one/a.ts': "import '../two/b.ts';", 'src/x/one/c.ts': '', 'src/x/two/b.ts': '' };
    expect(circles(files)).to.deep.equal([]);
    expect(circles({ ...files, 'src/x/two/d.ts': "import '../one/c.ts';" })).to.deep.equal([
      { folder: 'src/x', members: ['src/x/one', 'src/x/two'] },
    ]);
  });

  it('finds a circle of a file and a folder, and one of three', () => {
    expect(circles({ 'src/x/a.ts': "import './y/b.ts';", 'src/x/y/b.ts': "import '../a.ts';" })).to.deep.equal([
      { folder: 'src/x', members: ['src/x/a.ts', 'src/x/y'] },
    ]);
    rmSync(join(root, 'src'), { recursive: true });
    const three = { 'src/a.ts': "import './b.tsx';", 'src/b.tsx': "import './c.ts';", 'src/c.ts': "import './a.ts';" };
    expect(circles(three)).to.deep.equal([{ folder: 'src', members: ['src/a.ts', 'src/b.tsx', 'src/c.ts'] }]);
  });
});
