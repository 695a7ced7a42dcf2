// Protects: sizes and durations are parsed and formatted correctly, and ambiguous ones are refused.
import { expect } from 'chai';
import fc from 'fast-check';
import { BatchctlError } from '../../src/errors.ts';
import { formatDuration, formatSize, parseDuration, parseSize } from '../../src/lib/units.ts';

const expectUsageError = (parse: () => unknown) =>
  expect(parse).to.throw(BatchctlError).that.includes({ kind: 'usage' }).and.has.property('hint').that.is.a('string');

describe('units', () => {
  it('reads sizes in powers of 1,000 and of 1,024', () => {
    const sizes = ['64MB', '1GiB', '1.5GB', '3kb', '12 B', '7', 7, '0', '2TB', '1KiB'];
    const bytes = [64e6, 1_073_741_824, 1.5e9, 3000, 12, 7, 7, 0, 2e12, 1024];
    expect(sizes.map(parseSize)).to.deep.equal(bytes);
  });

  const invalid = ['', 'MB', '1.5', '1.5B', '-1', '5M', '5 MBs', '1e3', '1e9GB', '99999999TB', Number.NaN, -1, 0.5];
  for (const size of invalid) {
    it(`refuses ${JSON.stringify(size)} as a size`, () => expectUsageError(() => parseSize(size)));
  }

  it('reads durations as seconds', () => {
    const durations = ['90s', '10m', '6h', '2d', '1500ms', '1h30m', '1.5h', '0s', '45', 45, 0.5];
    const seconds = [90, 600, 21_600, 172_800, 1.5, 5400, 5400, 0, 45, 45, 0.5];
    expect(durations.map(parseDuration)).to.deep.equal(seconds);
  });

  for (const text of ['', 's', '5 m', '5w', '-1s', '30m1h', '1h1h', '1s2', Number.NaN, -3]) {
    it(`refuses ${JSON.stringify(text)} as a duration`, () => expectUsageError(() => parseDuration(text)));
  }

  it('shows sizes and durations in short form', () => {
    const sizes = ['0B', '999B', '32MB', '1.5GB', '1MB', '2000TB'];
    expect([0, 999, 32e6, 1.5e9, 999_960, 2e15].map(formatSize)).to.deep.equal(sizes);
    const seconds = [0, 0.35, 0.9996, 1.5, 9.96, 45, 59.7, 60, 90, 3599.6, 5400, 86_400, 187_000];
    const texts = ['0ms', '350ms', '1s', '1.5s', '10s', '45s', '1m', '1m', '1m30s', '1h', '1h30m', '1d', '2d4h'];
    expect(seconds.map(formatDuration)).to.deep.equal(texts);
  });

  it('parses what it formats, to the precision shown', () => {
    const number = fc.double({ min: 0, max: 1e14, noNaN: true });
    fc.assert(
      fc.property(number, (value) => {
        expect(parseSize(formatSize(Math.round(value)))).to.be.closeTo(value, value * 0.051 + 1);
        const seconds = value / 1e8;
        expect(parseDuration(formatDuration(seconds))).to.be.closeTo(seconds, seconds * 0.051 + 0.0006);
      }),
    );
  });
});
