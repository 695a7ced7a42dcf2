// Protects: every key gets its own file inside the store, on any file system, and lists in the right order.

import { readdirSync } from 'node:fs';
import { normalize } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { pathOfKey } from '../../../src/adapters/local/fs-keys.ts';
import { createFsStore } from '../../../src/adapters/local/fs-store.ts';
import { isKind } from '../../../src/errors.ts';
import { inByteOrder } from '../../contracts/store-bench.ts';
import { anyCharacter } from '../../support/any-character.ts';
import { collect } from '../../support/collect.ts';
import { readText } from '../../support/read-text.ts';
import { Scratch } from '../../support/scratch.ts';

const PUNCTUATION = ['', '.', '..', '%', '%2E', '@', '+', '-', '~', '\0', '\n', '\\'];
const LETTERS = ['a', 'A', 'a@', 'a+', 'a/b', 'a.', 'a '];
const UNICODE = ['é', 'e\u0301', 'ﬁ', '\u{1f600}', '\uffee', '\u007f'];
const NUMBERS = ['000000', '000000123', '00000012x', '0000001234567'];
const LONG = ['x'.repeat(79), 'x'.repeat(80), 'x'.repeat(81), 'X'.repeat(160), 'é'.repeat(120), `${'x'.repeat(80)}/`];
const segment = fc.oneof(
  fc.constantFrom(...PUNCTUATION, ...LETTERS),
  fc.constantFrom(...UNICODE, ...NUMBERS),
  fc.constantFrom(...LONG),
  fc.string({ unit: anyCharacter, maxLength: 6 }),
  fc.stringMatching(/^[0-9]{5,10}[a-z.]?$/),
);
const parent = fc.constantFrom(
  '',
  '',
  'jobs/j/steps/s/out/',
  'jobs/j/steps/s/files/',
  'jobs/j/pieces/',
  'jobs/J/steps/out/',
);
const fits = (key: string): boolean => key !== '' && Buffer.byteLength(key) <= 1_024;
const anyKey = fc
  .tuple(parent, fc.array(segment, { minLength: 1, maxLength: 4 }))
  .map(([above, segments]) => above + segments.join('/'))
  .filter(fits);

describe('keys on disk', () => {
  it('stay below the root, in names that any file system accepts', () => {
    fc.assert(
      fc.property(anyKey, (key) => {
        const path = pathOfKey(key);
        expect(normalize(path)).to.equal(path);
        expect(path).to.match(/^[a-z0-9._%A-F@+/-]+$/);
        for (const name of path.split('/')) {
          expect(name.length).to.be.within(1, 250);
          expect(['.', '..']).to.not.include(name);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('stay distinct, even if the file system ignores case and Unicode form', () => {
    fc.assert(
      fc.property(anyKey, anyKey, (one, other) => {
        const [here, there] = [pathOfKey(one), pathOfKey(other)].map((path) => path.normalize('NFC').toLowerCase());
        expect(here === there).to.equal(one === other);
        // A file's name is never the name of a directory above another.
        expect(there?.startsWith(`${here}/`)).to.equal(false);
      }),
      { numRuns: 2_000 },
    );
    const twins = ['a', 'A', 'é', 'e\u0301', 'É', 'a.', 'a ', 'a/', 'a//', 'a/.', 'a/..', '/a', './a', '../a', '%41'];
    expect(new Set(twins.map((key) => pathOfKey(key).toLowerCase())).size).to.equal(twins.length);
  });

  it('of tasks are grouped in directories of a thousand', () => {
    expect(pathOfKey('jobs/j/steps/s/out/000123456')).to.equal('jobs/j/steps/s/out/000123+/456@');
    expect(pathOfKey('jobs/j/steps/s/tries/000123456.0.ab')).to.equal('jobs/j/steps/s/tries/000123+/456.0.ab@');
    expect(pathOfKey('jobs/j/steps/s/files/000123456/ab/x')).to.equal('jobs/j/steps/s/files/000123+/456/ab/x@');
    expect(pathOfKey('jobs/j/pieces/000123456')).to.equal('jobs/j/pieces/000123+/456@');
    expect(pathOfKey('jobs/j/journal/000123.json')).to.equal('jobs/j/journal/000123.json@');
    expect(pathOfKey('data/jobs/j/pieces/000123456')).to.equal('data/jobs/j/pieces/000123456@');
  });

  it('that are empty, too long or not Unicode are rejected', () => {
    for (const key of ['', 'x'.repeat(1_025), 'é'.repeat(513), 'a\ud800']) {
      expect(() => pathOfKey(key), key.slice(0, 5))
        .to.throw()
        .and.satisfy((error: unknown) => isKind(error, 'usage'));
    }
    expect(pathOfKey('\u0001'.repeat(1_024)).length).to.be.below(3_200);
  });

  it('are listed in UTF-8 order, whatever they are, within any prefix and range', async () => {
    const bound = fc.option(anyKey, { nil: undefined });
    const keySet = fc.uniqueArray(anyKey, { minLength: 1, maxLength: 25 });
    await fc.assert(
      fc.asyncProperty(keySet, fc.nat(), fc.nat(12), bound, bound, async (keys, pick, cut, from, to) => {
        const scratch = new Scratch();
        try {
          const store = await createFsStore({ root: scratch.directory, durability: 'process' });
          for (const key of keys) await store.put(key, key, { ifAbsent: true });
          const prefix = [...(keys[pick % keys.length] ?? '')].slice(0, cut).join('');
          const list = async (below: string, range = {}): Promise<string[]> =>
            (await collect(store.list(below, range))).map(({ key }) => key);
          const sorted = inByteOrder(keys);
          expect(await list('')).to.deep.equal(sorted);
          expect(await list(prefix)).to.deep.equal(sorted.filter((key) => key.startsWith(prefix)));
          const range = { ...(from !== undefined && { from }), ...(to !== undefined && { to }) };
          const inside = sorted.filter((key) => (from === undefined || isUpTo(from, key)) && !(to && isUpTo(to, key)));
          expect(await list('', range)).to.deep.equal(inside);
          expect(await list(prefix, range)).to.deep.equal(inside.filter((key) => key.startsWith(prefix)));
          for (const key of keys) expect(await readText(store, key)).to.equal(key);
          await store.delete(keys);
          expect(readdirSync(scratch.path('store'))).to.deep.equal([]);
        } finally {
          scratch.remove();
        }
      }),
      { numRuns: 150 },
    );
  });
});

/** True if one is at or before the other in byte order. */
function isUpTo(one: string, other: string): boolean {
  return Buffer.compare(Buffer.from(one), Buffer.from(other)) <= 0;
}
