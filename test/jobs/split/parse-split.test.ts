// Protects: the short form of a split is read correctly, and the error for a wrong one names the allowed forms.
import { expect } from 'chai';
import { BatchctlError } from '../../../src/errors.ts';
import { parseSplit } from '../../../src/jobs/split/parse-split.ts';

describe('parseSplit', () => {
  const csv = { by: 'csv', header: false, delimiter: ',', quote: '"' };
  const valid: readonly (readonly [string, object])[] = [
    ['lines:100', { by: 'lines', every: 100 }],
    ['lines:16MB', { by: 'lines', size: 16_000_000 }],
    ['jsonl:1MiB', { by: 'jsonl', size: 1_048_576 }],
    ['csv:32MB', { ...csv, size: 32_000_000 }],
    ['csv:32MB,header', { ...csv, header: true, size: 32_000_000 }],
    ['csv:5,header=false,delimiter=tab,quote=', { ...csv, delimiter: '\t', quote: '', every: 5 }],
    ["csv:5,delimiter=;,quote='", { ...csv, delimiter: ';', quote: "'", every: 5 }],
    ['csv:5,delimiter==', { ...csv, delimiter: '=', every: 5 }],
    ['lines: 50', { by: 'lines', every: 50 }],
    ['lines :50 ', { by: 'lines', every: 50 }],
    ['lines: 50 KB', { by: 'lines', size: 50_000 }],
    ['csv: 5, header , delimiter = ;, exact', { ...csv, header: true, delimiter: ';', exact: true, every: 5 }],
    ['csv:5,delimiter= ', { ...csv, delimiter: ' ', every: 5 }],
    ['csv:5,delimiter=0x1f', { ...csv, delimiter: '\x1f', every: 5 }],
    ['csv:5,delimiter=0x1E,quote=0x1f', { ...csv, delimiter: '\x1e', quote: '\x1f', every: 5 }],
    ['csv:5,delimiter=\x1f', { ...csv, delimiter: '\x1f', every: 5 }],
    ['records: 128 : 1000', { by: 'records', length: 128, every: 1000 }],
    ['range: 1-500', { by: 'range', from: 1, to: 500 }],
    ['records:128:1000', { by: 'records', length: 128, every: 1000 }],
    ['records:128:64KB', { by: 'records', length: 128, size: 64_000 }],
    ['file', { by: 'file' }],
    ['list', { by: 'list' }],
    ['table', { by: 'table', quote: '"' }],
    ['table, delimiter=;', { by: 'table', quote: '"', delimiter: ';' }],
    ['table,delimiter=tab,quote=', { by: 'table', quote: '', delimiter: '\t' }],
    ['range:1-500', { by: 'range', from: 1, to: 500 }],
    ['range:7-7', { by: 'range', from: 7, to: 7 }],
  ];
  for (const [text, expected] of valid) {
    it(`reads ${text}`, () => {
      expect(parseSplit(text)).to.deep.equal(expected);
    });
  }

  const wrong = [
    '',
    'lines',
    'lines:',
    'lines:0',
    'lines:0MB',
    'lines:1:2',
    'lines:5XB',
    'table:5',
    'table,header',
    'table,exact',
    'table,delimiter="',
    'list,delimiter=;',
    'lines:5.5',
    'lines:5 6',
    'lines:-5',
    'csv:1MB,delimiter=0x0a',
    'csv:1MB,delimiter=0xff',
    'csv:1MB,exact=yes',
    'lines:5,header',
    'csv:1MB,head',
    'csv:1MB,delimiter=ab',
    'csv:1MB,quote=,,',
    'csv:1MB,delimiter=;,quote=;',
    'records:128',
    'records:x:1',
    'records:0:1',
    'file:0',
    'file:0MB',
    'file:100001',
    'file:1:2',
    'file:1MB:2MB',
    'file:1:1MB:2',
    'file:x',
    'list:x',
    'range:5',
    'range:5-1',
    'range:1-2-3',
    'grid:a',
    'xml:1MB',
  ];
  for (const text of wrong) {
    it(`refuses "${text}" with a hint`, () => {
      const refusal = expect(() => parseSplit(text)).to.throw(BatchctlError);
      refusal.with.property('kind', 'usage');
      refusal.with.property('hint').that.is.a('string');
    });
  }
});
