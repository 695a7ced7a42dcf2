// Protects: the numbers of an axis are exact decimals, and a log scale has its ends as they are written.
import { expect } from 'chai';
import fc from 'fast-check';
import { axisValues, isDecimal, MOST_AXIS_VALUES, measureAxis } from '../../../src/jobs/spec/axis-values.ts';

describe('the values of an axis', () => {
  const rows: readonly (readonly [what: string, axis: Parameters<typeof axisValues>[0], values: string])[] = [
    ['a list, as written', ['0.10', 7, true, 'EU'], '0.10 7 true EU'],
    ['whole numbers', { from: 1, to: 4 }, '1 2 3 4'],
    ['tenths, without the errors of doubles', { from: 0, to: 0.5, step: 0.1 }, '0 0.1 0.2 0.3 0.4 0.5'],
    ['steps that do not reach the end', { from: '1', to: '2', step: '0.4' }, '1 1.4 1.8'],
    ['steps downwards', { from: 1, to: -1, step: '-0.5' }, '1 0.5 0 -0.5 -1'],
    ['thirds of which the last is not beyond', { from: 0, to: 1, step: '0.333' }, '0 0.333 0.666 0.999'],
    ['one value', { from: 5, to: 5 }, '5'],
    [
      'more digits than a double has',
      { from: '0.10000000000000000001', to: 2 },
      '0.10000000000000000001 1.10000000000000000001',
    ],
    ['powers of ten', { log: ['1e-4', '1e-1'], count: 4 }, '0.0001 0.001 0.01 0.1'],
    ['powers of ten downwards', { log: [100, 1], count: 3 }, '100 10 1'],
    ['roots', { log: [1, 10], count: 3 }, '1 3.16228 10'],
    ['as many digits as an end has', { log: [1, '2.00000001'], count: 3 }, '1 1.41421357 2.00000001'],
  ];
  for (const [what, axis, values] of rows)
    it(`are ${what}`, () => {
      expect(axisValues(axis).join(' ')).to.equal(values);
      expect(measureAxis(axis)).to.deep.equal({ count: values.split(' ').length, mistake: null });
    });

  it('are the exact sums of steps, up to the last that is not beyond', () => {
    const whole = fc.integer({ min: -1_000_000, max: 1_000_000 });
    const property = fc.property(
      whole,
      fc.integer({ min: 1, max: 5_000 }),
      fc.nat(300),
      fc.nat(6),
      (from, step, count, digits) => {
        const decimal = (number: number): string => `${number}e-${digits}`;
        const rest = step - 1;
        const values = axisValues({
          from: decimal(from),
          to: decimal(from + step * count + rest),
          step: decimal(step),
        });
        expect(values).to.have.length(count + 1);
        // Whole numbers below 2^53 are exact as doubles, so their decimals are known without a sum of fractions.
        for (const [n, value] of values.entries()) expect(Number(value)).to.equal(Number(decimal(from + step * n)));
      },
    );
    fc.assert(property, { numRuns: 200 });
  });

  it('are none, with the mistake, where numbers make none or too many', () => {
    const mistakes: readonly (readonly [axis: Parameters<typeof axisValues>[0], mistake: string])[] = [
      [{ from: 3, to: 1 }, 'found step 1 from 3 to 1, allowed: a step below 0'],
      [{ from: 1, to: 3, step: '-1' }, 'found step -1 from 1 to 3, allowed: a step over 0'],
      [{ from: 1, to: 3, step: 0 }, 'found step 0 from 1 to 3, allowed: a step over 0'],
      [{ from: 0, to: MOST_AXIS_VALUES }, `found more than ${MOST_AXIS_VALUES} values from 0 to 10000, allowed: fewer`],
      [{ from: 0, to: '1e300' }, `found more than ${MOST_AXIS_VALUES} values from 0 to 1e300, allowed: fewer`],
      [{ log: [0, 1], count: 3 }, 'found log from 0 to 1, allowed: numbers over 0'],
    ];
    for (const [axis, mistake] of mistakes) {
      expect(measureAxis(axis)).to.deep.equal({ count: 0, mistake });
      expect(axisValues(axis)).to.deep.equal([]);
    }
    expect(measureAxis({ from: 1, to: MOST_AXIS_VALUES }).count).to.equal(MOST_AXIS_VALUES);
  });

  it('are made of decimal numbers that other programs read', () => {
    for (const text of ['0', '-1.5', '.5', '1.', '1e-4', '2E+300', 7])
      expect(isDecimal(text), String(text)).to.equal(true);
    for (const text of ['', 'x', '0x10', '1_000', '+1', 'NaN', '1e301', '1e9999', '1'.repeat(41)])
      expect(isDecimal(text), text).to.equal(false);
  });
});
