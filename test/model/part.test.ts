// Protects: where a part lies is said from what its cut recorded, also for parts that an older version cut.
import { expect } from 'chai';
import { type Part, parsePart, placeOf, placeText } from '../../src/model/part.ts';

const LINES = { by: 'lines', every: 2 } as const;
const CSV = { by: 'csv', header: true, delimiter: ',', quote: '"', every: 2 } as const;
const range = { kind: 'range', n: 1, input: 0, offset: 7, length: 4 } as const;
const piece = { kind: 'piece', n: 1, input: 0, key: 'k', size: 9, checksum: 'sha256:0' } as const;

describe('the place of a part', () => {
  const table: readonly (readonly [what: string, part: Part, text: string | null])[] = [
    ['counted records', { ...range, records: 2, first: 3 }, 'records 3-4'],
    ['one record', { ...range, records: 1, first: 3 }, 'record 3'],
    ['no records', { ...range, records: 0, first: 3 }, null],
    ['bytes where nothing was counted', range, 'bytes 7-10'],
    ['bytes for a range of an older version', { ...range, records: 2 }, 'bytes 7-10'],
    ['a piece', { ...piece, header: 4, records: 2, first: 3 }, 'records 3-4'],
    ['bytes of a piece, without the header that is repeated', { ...piece, header: 4, offset: 20 }, 'bytes 20-24'],
    ['nothing for a piece of an older version', { ...piece, records: 2 }, null],
    ['nothing for a whole input', { kind: 'whole', n: 0, input: 0 }, null],
    ['nothing for an item', { kind: 'item', n: 0, input: 0, item: 'x' }, null],
  ];
  for (const [what, part, text] of table) {
    it(`is ${what}`, () => {
      const place = placeOf(part, CSV);
      expect(place && placeText(place)).to.equal(text);
      expect(parsePart(JSON.stringify(part))).to.deep.equal(part);
    });
  }

  it('is said in lines for a split by lines', () => {
    expect(placeOf({ ...range, records: 2, first: 3 }, LINES)).to.deep.equal({ unit: 'lines', from: 3, to: 4 });
  });

  it('is refused if it is no number', () => {
    for (const more of [{ first: -1 }, { first: 'x' }, { records: 1.5 }])
      expect(parsePart(JSON.stringify({ ...range, ...more }))).to.equal(null);
    for (const more of [{ offset: -1 }, { header: 'x' }])
      expect(parsePart(JSON.stringify({ ...piece, ...more }))).to.equal(null);
  });
});
