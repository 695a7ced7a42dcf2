// Protects: times, numbers and rates are shown correctly, and wide characters keep tables aligned.

import { expect } from 'chai';
import { formatCount, formatDistance, formatInstant, formatRate } from '../../src/cli/format.ts';
import { clip, displayWidth, pad } from '../../src/cli/terminal-text.ts';

describe('amounts and instants for people', () => {
  const instant = Date.parse('2026-11-30T18:30:00Z');

  it('include the zone and distance of an instant', () => {
    expect(formatInstant(instant, 'UTC', instant - 6 * 3_600_000)).to.equal('2026-11-30 18:30 UTC (in 6h)');
    expect(formatInstant(instant, 'Asia/Tokyo', instant + 185_000)).to.equal('2026-12-01 03:30 GMT+9 (3m5s ago)');
  });

  it('name summer time if the zone has it', () => {
    expect(formatInstant(Date.parse('2026-07-01T12:00:00Z'), 'Europe/London')).to.equal('2026-07-01 13:00 BST');
  });

  it('write midnight as 00:00', () => {
    expect(formatInstant(Date.parse('2026-07-01T00:00:00Z'), 'UTC')).to.equal('2026-07-01 00:00 UTC');
  });

  it('say now within a second', () => {
    expect([-999, 0, 999, 1000].map(formatDistance)).to.deep.equal(['now', 'now', 'now', 'in 1s']);
  });

  it('group digits by thousands', () => {
    expect([0, 999, 1000, 1_234_567].map(formatCount)).to.deep.equal(['0', '999', '1,000', '1,234,567']);
  });

  it('write slow rates with a decimal and fast ones without', () => {
    expect([0.42, 9.96, 1840.4].map(formatRate)).to.deep.equal(['0.4/s', '10/s', '1,840/s']);
  });

  it('write rates of slow work by the minute or hour', () => {
    const rates = [0, 0.095, 0.09, 1 / 60, 1 / 90, 1 / 3_600].map(formatRate);
    expect(rates).to.deep.equal(['0.0/s', '0.1/s', '5.4/min', '1.0/min', '40.0/h', '1.0/h']);
  });
});

describe('the width of a text on a terminal', () => {
  const table: readonly (readonly [string, number])[] = [
    ['price', 5],
    ['Zürich', 6],
    ['Zu\u0308rich', 6],
    ['価格', 4],
    ['한국어', 6],
    ['✅ ok', 5],
    ['👩‍👩‍👧', 2],
    ['\x1b[31mred\x1b[39m', 3],
    ['ﾊﾝｶｸ', 4],
  ];
  for (const [text, width] of table) {
    it(`of ${JSON.stringify(text)} is ${width}`, () => expect(displayWidth(text)).to.equal(width));
  }

  it('ends with an ellipsis when cut, never in the middle of a wide character', () => {
    expect(clip('claims-2026-11', 8)).to.equal('claims-…');
    expect(clip('価格計算', 6)).to.equal('価格…');
    expect(clip('価格計算', 8)).to.equal('価格計算');
    expect(clip('price', 0)).to.equal('');
  });

  it('is padded by columns, not by characters', () => {
    expect(pad('価格', 6)).to.equal('価格  ');
    expect(pad('7', 3, 'right')).to.equal('  7');
  });
});
