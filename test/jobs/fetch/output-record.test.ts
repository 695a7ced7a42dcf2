// Protects: an output that is one record gives its fields, with values as they were written; anything else gives none.
import { expect } from 'chai';
import { RECORD_LIMIT, recordOf } from '../../../src/jobs/fetch/output-record.ts';

const RECORDS: readonly (readonly [what: string, text: string, fields: readonly (readonly [string, string])[]])[] = [
  [
    'a JSON object, its numbers as written',
    '{"loss": 0.10, "n": 12345678901234567890, "ok": true, "none": null}\n',
    [
      ['loss', '0.10'],
      ['n', '12345678901234567890'],
      ['ok', 'true'],
      ['none', 'null'],
    ],
  ],
  [
    'lists and maps, as JSON',
    '\n{ "a": [1.0, {"b": "x,y: }"}], "c": {"d": {}}, "e\\"": "f\\n" }',
    [
      ['a', '[1.0,{"b":"x,y: }"}]'],
      ['c', '{"d":{}}'],
      ['e"', '"f\\n"'],
    ],
  ],
  ['the last of equal names', '{"a":1,"a":2.50}', [['a', '2.50']]],
  ['a name that objects inherit', '{"__proto__":{"a":1}}', [['__proto__', '{"a":1}']]],
  [
    'a header and its record',
    '\uFEFFepoch,val loss\r\n7,"0,1"\r\n\r\n',
    [
      ['epoch', '"7"'],
      ['val loss', '"0,1"'],
    ],
  ],
  [
    'a quoted line end',
    'note;n\n"a\nb";1',
    [
      ['note', '"a\\nb"'],
      ['n', '"1"'],
    ],
  ],
  ['a single column', 'loss\n0.93\n', [['loss', '"0.93"']]],
  ['a single value', '0.93\n', [['', '"0.93"']]],
  [
    'a single line',
    '0.93\t120',
    [
      ['1', '"0.93"'],
      ['2', '"120"'],
    ],
  ],
];

const OTHERS: readonly (readonly [string, string | Uint8Array])[] = [
  ['nothing', ''],
  ['blank lines', '\n\n'],
  ['several records', 'a,b\n1,2\n3,4\n'],
  ['two lines of prose', 'it is done.\nnothing failed.\n'],
  ['a ragged record', 'a,b\n1,2,3\n'],
  ['a doubled column', 'a,a\n1,2\n'],
  ['numbers instead of a header', '1,2\n3,4\n'],
  ['a quote at odds', 'a,b\n1,"2\n'],
  ['JSON Lines', '{"a":1}\n{"a":2}\n'],
  ['an empty object', '{}'],
  ['half an object', '{"a":1'],
  ['bytes that are not UTF-8', Uint8Array.of(0xff, 0xfe, 0x41)],
  ['a NUL', 'a\0b'],
  ['more than the limit', 'x'.repeat(RECORD_LIMIT + 1)],
];

describe('the fields of an output', () => {
  const of = (content: string | Uint8Array) =>
    recordOf(typeof content === 'string' ? new TextEncoder().encode(content) : content);

  for (const [what, text, fields] of RECORDS) {
    it(`are those of ${what}`, () => {
      expect(of(text)).to.deep.equal(fields);
    });
  }

  it('are not those of anything else', () => {
    for (const [what, content] of OTHERS) expect(of(content), what).to.equal(null);
  });
});
