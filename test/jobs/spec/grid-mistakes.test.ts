// Protects: each mistake in a grid of a job file is reported with its line and field, and once.
import { expect } from 'chai';
import { parseJobFile } from '../../../src/jobs/spec/job-file.ts';

/** `found` is a part of the message, which begins with `at` and `field`. */
type Mistake = readonly [what: string, split: string, at: string, field: string, found: string];

const MISTAKES: readonly Mistake[] = [
  ['an empty grid', 'by: grid, axes: {}', '2:35', 'axes', 'at least one'],
  ['a number twice in an axis', 'by: grid, axes: { a: [1, "1"] }', '2:44', 'axes.a[1]', 'which is also a[0]'],
  ['an axis without values', 'by: grid, axes: { a: [] }', '2:40', 'axes.a', 'at least one value'],
  ['an axis that is a number', 'by: grid, axes: { a: 1 }', '2:40', 'axes.a', 'found 1, allowed: a list of values, or'],
  ['an axis without end', 'by: grid, axes: { a: { from: 1 } }', '2:40', 'axes.a.to', 'is missing'],
  [
    'an axis of words',
    'by: grid, axes: { a: { from: 1, to: x } }',
    '2:55',
    'axes.a.to',
    'found "x", allowed: a decimal',
  ],
  ['a mistyped step', 'by: grid, axes: { a: { from: 1, to: 2, stp: 1 } }', '2:58', 'axes.a.stp', 'did you mean step?'],
  [
    'a step away from the end',
    'by: grid, axes: { a: { from: 3, to: 1 } }',
    '2:40',
    'axes.a',
    'allowed: a step below 0',
  ],
  ['a scale from 0', 'by: grid, axes: { a: { log: [0, 1], count: 3 } }', '2:40', 'axes.a', 'numbers over 0'],
  ['a scale of three', 'by: grid, axes: { a: { log: [1, 2, 3], count: 3 } }', '2:47', 'axes.a.log', 'two numbers'],
  ['a scale of one', 'by: grid, axes: { a: { log: [1, 2], count: 1 } }', '2:62', 'axes.a.count', 'from 2 to'],
  ['a scale of equal ends', 'by: grid, axes: { a: { log: [1, 1], count: 3 } }', '2:40', 'axes.a', 'a smaller count'],
  [
    'too many values',
    'by: grid, axes: { a: { from: 1, to: 9999 }, b: [1, 2] }',
    '2:35',
    'axes',
    'at most 10000 values',
  ],
  ['a zip of one axis', 'by: grid, axes: { a: [1] }, zip: [[a]]', '2:53', 'zip[0]', 'allowed: at least two'],
  ['a zip of an unknown axis', 'by: grid, axes: { a: [1] }, zip: [[a, b]]', '2:57', 'zip[0][1]', 'unknown axis "b"'],
  ['a doubled axis', 'by: grid, axes: { a: [1] }, zip: [[a, a]]', '2:57', 'zip[0][1]', 'allowed: each axis once'],
  [
    'a zip of unequal axes',
    'by: grid, axes: { a: [1], b: [1, 2] }, zip: [[a, b]]',
    '2:64',
    'zip[0]',
    'found a with 1 and b with 2, allowed: equally many values',
  ],
  [
    'zipped values twice',
    'by: grid, axes: { a: [1, 2, 1], b: [3, 3, 3] }, zip: [[a, b]]',
    '2:73',
    'zip[0]',
    'found a 1, b 3 at [2] and at [0]',
  ],
  [
    'an unknown excluded axis',
    'by: grid, axes: { a: [1] }, exclude: [{ b: 1 }]',
    '2:59',
    'exclude[0].b',
    'unknown axis',
  ],
  [
    'an unknown excluded value',
    'by: grid, axes: { a: [1] }, exclude: [{ a: 2 }]',
    '2:62',
    'exclude[0].a',
    'allowed: 1',
  ],
  ['an empty exclusion', 'by: grid, axes: { a: [1] }, exclude: [{}]', '2:57', 'exclude[0]', 'at least one axis'],
  [
    'all excluded',
    'by: grid, axes: { a: [1] }, exclude: [{ a: 1 }]',
    '2:56',
    'exclude',
    'leaves out every combination',
  ],
  [
    'an idle exclusion',
    'by: grid, axes: { a: [1, 2] }, exclude: [{ a: 1 }, { a: 1 }]',
    '2:70',
    'exclude[1]',
    'leaves out nothing',
  ],
];

describe('a mistake in a grid', () => {
  for (const [what, split, at, field, found] of MISTAKES)
    it(`is reported with its place and field: ${what}`, () => {
      const text = `name: a\ninput: { split: { ${split} } }\nsteps: [{ name: s, run: x }]\n`;
      const parse = (): unknown => parseJobFile(text, { file: 'job.yaml' });
      expect(parse).to.throw(`job.yaml has 1 mistake:\njob.yaml:${at}: input.split.${field}: `);
      expect(parse).to.throw(found);
    });
});
