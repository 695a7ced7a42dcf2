// Protects: a grid with zip and exclude has exactly the combinations that a plain enumeration finds, in the order of the axes.
import { expect } from 'chai';
import fc from 'fast-check';
import { combinationsOf, type GridSplit } from '../../src/model/grid.ts';

const listed = (split: GridSplit): string[] => {
  const combinations = combinationsOf(split);
  return Array.from({ length: combinations.count }, (_, n) => Object.values(combinations.params(n)).join(' '));
};

/** Every combination of the axes, filtered by what `zip` and `exclude` say of it. */
function enumerated({ axes, zip = [], exclude = [] }: GridSplit): string[] {
  type Place = Readonly<Record<string, number>>;
  const all = Object.entries(axes).reduce<readonly Place[]>(
    (before, [name, values]) => before.flatMap((place) => values.map((_, index) => ({ ...place, [name]: index }))),
    [{}],
  );
  const isZipped = (place: Place): boolean =>
    zip.every((names) => new Set(names.map((name) => place[name])).size === 1);
  const valueAt = (place: Place, name: string): string => axes[name]?.[place[name] ?? -1] ?? '';
  const isExcluded = (place: Place): boolean =>
    exclude.some((entry) => Object.entries(entry).every(([name, values]) => values.includes(valueAt(place, name))));
  const left = all.filter((place) => isZipped(place) && !isExcluded(place));
  return left.map((place) =>
    Object.keys(axes)
      .map((name) => valueAt(place, name))
      .join(' '),
  );
}

describe('the combinations of a grid', () => {
  it('change the last axis fastest, and zipped axes together', () => {
    const axes = { a: ['1', '2'], b: ['x', 'y'], c: ['p', 'q'] };
    expect(listed({ by: 'grid', axes: { a: axes.a, b: axes.b } })).to.deep.equal(['1 x', '1 y', '2 x', '2 y']);
    const zipped = listed({ by: 'grid', axes, zip: [['a', 'c']] });
    expect(zipped).to.deep.equal(['1 x p', '1 y p', '2 x q', '2 y q']);
  });

  it('leave out those that match an entry of exclude in each axis that it names', () => {
    const split: GridSplit = {
      by: 'grid',
      axes: { a: ['1', '2'], b: ['x', 'y', 'z'] },
      exclude: [{ a: ['1'], b: ['x', 'z'] }],
    };
    expect(listed(split)).to.deep.equal(['1 y', '2 x', '2 y', '2 z']);
    expect(combinationsOf(split)).to.include({ count: 4, excluded: 2 });
  });

  it('tell which entries of exclude leave out nothing', () => {
    const axes = { a: ['1', '2'], b: ['x', 'y'] };
    const exclude = [{ a: ['1'], b: ['y'] }, { a: ['1'], b: ['x'] }, { a: ['1'] }];
    expect(combinationsOf({ by: 'grid', axes, zip: [['a', 'b']], exclude }).idle).to.deep.equal([0, 2]);
  });

  it('are refused if exclude would choose among too many', () => {
    const values = Array.from({ length: 1_001 }, (_, n) => String(n));
    const split: GridSplit = { by: 'grid', axes: { a: values, b: values } };
    expect(combinationsOf(split).count).to.equal(1_002_001);
    const chosen = { ...split, exclude: [{ a: ['1'] }] };
    expect(() => combinationsOf(chosen)).to.throw(RangeError, 'allowed with exclude: 1000000');
  });

  it('are those of a plain enumeration, whatever axes are zipped and values excluded', () => {
    const names = ['a', 'b', 'c', 'd'];
    const grid = fc
      .record({
        same: fc.integer({ min: 1, max: 3 }),
        others: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 2, maxLength: 2 }),
      })
      .chain(({ same, others: [b = 1, d = 1] }) => {
        const values = (count: number): string[] => Array.from({ length: count }, (_, n) => String(n));
        const axes = { a: values(same), b: values(b), c: values(same), d: values(d) };
        const entry = fc.dictionary(
          fc.constantFrom(...names),
          fc.uniqueArray(fc.constantFrom('0', '1', '2'), { minLength: 1 }),
          {
            minKeys: 1,
          },
        );
        const exclude = fc.array(entry, { maxLength: 4 });
        return fc.record({ axes: fc.constant(axes), zip: fc.constantFrom([], [['a', 'c']], [['c', 'a']]), exclude });
      });
    const property = fc.property(grid, (fields) => {
      const split: GridSplit = { by: 'grid', ...fields };
      expect(listed(split)).to.deep.equal(enumerated(split));
    });
    fc.assert(property, { numRuns: 300 });
  });
});
