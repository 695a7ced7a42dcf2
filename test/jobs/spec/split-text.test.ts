import { expect } from 'chai';
import { BatchctlError } from '../../../src/errors.ts';
import { parseSplitText } from '../../../src/jobs/spec/split-text.ts';

describe('a split on the command line', () => {
  const table: readonly (readonly [text: string, split: object])[] = [
    ['csv:32MB', { by: 'csv', size: 32_000_000, header: false, delimiter: ',', quote: '"' }],
    ['csv:500,header,delimiter=;', { by: 'csv', every: 500, header: true, delimiter: ';', quote: '"' }],
    ['lines:100', { by: 'lines', every: 100 }],
    ['jsonl:1GiB', { by: 'jsonl', size: 2 ** 30 }],
    ['records:64MB,length=80', { by: 'records', size: 64_000_000, length: 80 }],
    ['file', { by: 'file' }],
    ['list', { by: 'list' }],
    ['range:1..1000', { by: 'range', from: 1, to: 1000 }],
  ];
  for (const [text, split] of table) {
    it(`${text} is read`, () => {
      expect(parseSplitText(text)).to.deep.equal(split);
    });
  }

  const wrong: readonly (readonly [text: string, says: string])[] = [
    ['cvs:32MB', 'did you mean csv?'],
    ['csv', 'an amount is missing'],
    ['csv:0', 'every: found 0'],
    ['csv:32miles', 'size: found "32miles"'],
    ['csv:1,heder', 'did you mean header?'],
    ['file:3', 'unknown field "every"'],
    ['records:5', 'length: is missing'],
    ['range:5', 'FROM..TO'],
    ['range:5..1', 'ends at its beginning or later'],
  ];
  for (const [text, says] of wrong) {
    it(`${text} is refused: ${says}`, () => {
      expect(() => parseSplitText(text))
        .to.throw(BatchctlError, says)
        .with.property('kind', 'usage');
    });
  }
});
