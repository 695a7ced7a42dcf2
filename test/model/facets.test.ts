// Protects: a facet names what a cause's tasks really have in common, with exact counts, and never what chance explains.
import { expect } from 'chai';
import fc from 'fast-check';
import { binomialTail, chanceOf, FacetTable, facetText, type Trait } from '../../src/model/facets.ts';

const param = (name: string, value: string): Trait => ({ kind: 'param', name, value });
const host = (value: string): Trait => ({ kind: 'host', name: null, value });

interface Task {
  readonly cause: string | null;
  readonly traits: readonly Trait[];
}

/** The facets of `bad`, as texts, by exact counts of all tasks. */
function facetsOf(tasks: readonly Task[], shareOf: (trait: Trait) => number | null = () => null): readonly string[] {
  const table = new FacetTable<string>();
  for (const { cause, traits } of tasks) if (cause !== null) table.addFailed(cause, traits);
  if (table.findSuspects(shareOf)) for (const { cause, traits } of tasks) table.count(cause, traits);
  return table.facets('bad').map(facetText);
}

/** 20 rates by 15 seeds, of which those that `fails` says fail. */
function sweep(fails: (rate: number, seed: number) => boolean): readonly Task[] {
  return Array.from({ length: 300 }, (_, n) => {
    const [rate, seed] = [Math.floor(n / 15), n % 15];
    return {
      cause: fails(rate, seed) ? 'bad' : null,
      traits: [param('rate', `0.${rate}`), param('seed', String(seed)), host(`h${n % 4}`)],
    };
  });
}

function choose(n: number, k: number): number {
  let result = 1;
  for (let i = 0; i < k; i += 1) result = (result * (n - i)) / (i + 1);
  return k > n ? 0 : Math.round(result);
}

describe('the chance of a facet', () => {
  it('is the upper tail of the hypergeometric distribution, as counted one by one', () => {
    const counts = fc.record({
      count: fc.nat(12),
      rest: fc.nat(12),
      others: fc.nat(12),
      ofRest: fc.nat(12),
    });
    fc.assert(
      fc.property(counts, ({ count, rest, others, ofRest }) => {
        const [of, ofOthers] = [count + rest, others + ofRest];
        const [all, having] = [of + ofOthers, count + others];
        let ways = 0;
        for (let k = count; k <= of; k += 1) ways += choose(having, k) * choose(all - having, of - k);
        const expected = count * all <= of * having ? 1 : ways / choose(all, of);
        expect(chanceOf({ count, of, others, ofOthers })).to.be.closeTo(expected, 1e-9);
      }),
      { numRuns: 500 },
    );
  });

  it('stays a number for a million tasks', () => {
    expect(chanceOf({ count: 14, of: 14, others: 12, ofOthers: 999_986 })).to.be.within(0, 1e-50);
    expect(chanceOf({ count: 500_001, of: 1_000_000, others: 500_000, ofOthers: 1_000_000 })).to.be.within(0.49, 0.51);
    expect(chanceOf({ count: 1, of: 2, others: 500_000, ofOthers: 1_000_000 })).to.equal(1);
  });

  it('is estimated by the binomial distribution', () => {
    expect(binomialTail(2, 2, 0.5)).to.be.closeTo(0.25, 1e-12);
    expect(binomialTail(3, 4, 0.5)).to.be.closeTo(5 / 16, 1e-12);
    expect(binomialTail(1, 4, 0.5)).to.equal(1);
    expect(binomialTail(1, 4, 0)).to.equal(0);
  });
});

describe('the facets of a cause', () => {
  it('name the one seed of a sweep that fails', () => {
    expect(facetsOf(sweep((_, seed) => seed === 2))).to.deep.equal(['all 20 have seed=2; of 280 others none do']);
  });

  it('count the others exactly', () => {
    const tasks = sweep((rate, seed) => seed === 2 && rate < 14);
    expect(facetsOf(tasks)).to.deep.equal(['all 14 have seed=2; of 286 others 6 do']);
  });

  it('count tasks of other causes as others', () => {
    const tasks = sweep((_, seed) => seed === 2).map((task, n) =>
      n % 15 === 2 && n > 200 ? { ...task, cause: 'other' } : task,
    );
    expect(facetsOf(tasks)).to.deep.equal(['all 14 have seed=2; of 286 others 6 do']);
  });

  it('need only half of the tasks to have the value, if chance does not explain that', () => {
    const tasks = sweep((rate, seed) => seed === 2 || (rate === 7 && seed > 10));
    expect(facetsOf(tasks)).to.deep.equal(['20 of 24 have seed=2; of 276 others none do']);
  });

  it('are none for one task, for what is spread by chance, and for what all tasks have', () => {
    expect(facetsOf(sweep((rate, seed) => rate === 3 && seed === 2))).to.deep.equal([]);
    expect(facetsOf(sweep((rate, seed) => (rate * 7 + seed * 3) % 11 === 0))).to.deep.equal([]);
    expect(facetsOf(sweep(() => true))).to.deep.equal([]);
    const same = sweep((_, seed) => seed < 8).map((task) => ({ ...task, traits: [host('h')] }));
    expect(facetsOf(same)).to.deep.equal([]);
  });

  it('are none for two tasks that have one of many values by chance', () => {
    const tasks = Array.from({ length: 40 }, (_, n) => ({
      cause: n < 2 ? 'bad' : null,
      traits: [param('x', String(n >> 2))],
    }));
    expect(facetsOf(tasks)).to.deep.equal([]);
  });

  it('are found in random sweeps as rarely as is said, when failures are unrelated to values', () => {
    let found = 0;
    let seed = 1;
    const random = (): number => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed / 2_147_483_647;
    };
    for (let round = 0; round < 300; round += 1) found += facetsOf(sweep(() => random() < 0.05)).length > 0 ? 1 : 0;
    // 1 % of 300 rounds are expected at most.
    expect(found).to.be.at.most(6);
  });

  it('are at most three, the least likely first, without those that the same tasks have', () => {
    const tasks = Array.from({ length: 400 }, (_, n) => {
      const bad = n < 40;
      const value = (share: number): string => (bad || n % share === 0 ? 'x' : `v${n % 3}`);
      const traits = [
        param('a', value(5)),
        param('b', value(20)),
        param('c', value(10)),
        param('d', value(40)),
        host(value(40)),
      ];
      return { cause: bad ? 'bad' : null, traits };
    });
    expect(facetsOf(tasks)).to.deep.equal([
      'all 40 have d=x; of 360 others 9 do',
      'all 40 have b=x; of 360 others 18 do',
      'all 40 have c=x; of 360 others 36 do',
    ]);
  });

  it('are not counted where estimates say that chance explains them', () => {
    const table = new FacetTable<string>();
    for (let n = 0; n < 10; n += 1) table.addFailed('bad', [host('h')]);
    expect(table.findSuspects(() => 0.9)).to.equal(false);
    expect(table.findSuspects(() => 0.1)).to.equal(true);
  });

  it('are found among any number of values, in bounded memory', () => {
    const tasks = Array.from({ length: 3_000 }, (_, n) => ({
      cause: n < 1_000 ? 'bad' : null,
      traits: [param('x', n < 1_000 && n % 2 === 0 ? 'common' : `own-${n}`)],
    }));
    expect(facetsOf(tasks)).to.deep.equal(['500 of 1,000 have x=common; of 2,000 others none do']);
  });

  it('read as sentences', () => {
    const counts = { count: 2, of: 2, others: 1, ofOthers: 1_234 };
    const text = (kind: Trait['kind'], value: string): string => facetText({ kind, name: null, value, ...counts });
    expect(text('input', 'in/a.csv')).to.equal('both read in/a.csv; of 1,234 others 1 do');
    expect(text('directory', 'in/')).to.equal('both read files in in/; of 1,234 others 1 do');
    expect(text('host', 'ops-1')).to.equal('both ran on host ops-1; of 1,234 others 1 did');
    expect(text('hour', '23:00')).to.equal('both ended between 23:00 and 00:00 UTC; of 1,234 others 1 did');
  });
});
