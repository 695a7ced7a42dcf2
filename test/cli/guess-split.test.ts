// Protects: `init` guesses correctly how an input file is split.

import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { guessSplit } from '../../src/cli/guess-split.ts';

const csv = { by: 'csv', header: true, delimiter: ',', quote: '"' } as const;

describe('the guessed split of an input', () => {
  const table: readonly (readonly [string, string, string, object])[] = [
    ['a CSV with a header', 'a.csv', 'id,amount\n1,2.50\n2,3.75\n', csv],
    ['a CSV without a header', 'a.csv', '1,2.50\n2,3.75\n', { ...csv, header: false }],
    ['texts only, under a header', 'a.csv', 'name,city\nAnn,Oslo\nBob,Rome\n', csv],
    ['semicolons and decimal commas', 'a.txt', 'id;amount\n1;2,50\n2;3,75\n', { ...csv, delimiter: ';' }],
    ['tabs', 'a.tsv', 'id\tdate\n1\t2026-11-30\n', { ...csv, delimiter: '\t' }],
    ['bars', 'a', 'id|n\n1|2\n', { ...csv, delimiter: '|' }],
    ['quoted newlines and delimiters', 'a.csv', 'id,note\n1,"a,\nb ""c"""\n2,"d"\n', csv],
    ['apostrophes as quotes', 'a.csv', "id,note\n1,'a,b'\n2,'c,d'\n", { ...csv, quote: "'" }],
    ['one column of a .csv', 'a.csv', 'id\n1\n2\n', csv],
    ['Windows line ends', 'a.csv', 'id,n\r\n1,2\r\n', csv],
    ['JSON Lines', 'a.log', '{"a":1}\n{"a":2}\n', { by: 'jsonl' }],
    ['prose with commas', 'a.txt', 'Well, then.\nIt was, so they said, a dark night.\nNo.\n', { by: 'lines' }],
    ['an empty file', 'a.txt', '', { by: 'lines' }],
    ['binary data', 'a.bin', 'PK\u0003\u0004\u0000\u0000', { by: 'file' }],
  ];
  for (const [what, name, text, expected] of table) {
    it(`recognises ${what}`, () => expect(guessSplit(name, Buffer.from(text), true)).to.deep.equal(expected));
  }

  it('ignores an incomplete last record', () => {
    expect(guessSplit('a', Buffer.from('id,n,m\n1,2,3\n4,5'), false)).to.deep.equal(csv);
    expect(guessSplit('a', Buffer.from('{"a":1}\n{"a":'), false)).to.deep.equal({ by: 'jsonl' });
  });

  it('ignores an incomplete last character', () => {
    expect(guessSplit('a.csv', Buffer.from('name,city\nAnn,Oslo\nBob,Zü').subarray(0, -1), false)).to.deep.equal(csv);
  });

  it('reads the beginning of a gzip file', () => {
    const rows = Array.from({ length: 50_000 }, (_, i) => `${i},${i * 7919}\n`);
    const file = gzipSync(`id,n\n${rows.join('')}`);
    expect(guessSplit('a.csv.gz', file.subarray(0, 20_000), false)).to.deep.equal(csv);
  });
});
