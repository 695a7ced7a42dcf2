// Protects: workers are scaled up in time, because the boot time is estimated from real boots and one slow boot is
// ignored.

import { expect } from 'chai';
import fc from 'fast-check';
import { bootSecondsOf } from '../../src/model/capacity.ts';

describe('the time that a boot takes', () => {
  for (const [what, measured, seconds] of [
    ['the default, if nothing was measured', [], 90],
    ['the time of a single boot', [70], 70],
    ['the upper quartile of four', [60, 100, 80, 70], 80],
    ['unaffected by a boot that hung', [60, 62, 64, 66, 68, 70, 72, 3_000], 70],
    ['from only the latest twenty', [...Array(30).fill(300), ...Array(20).fill(50)], 50],
    ['never faster than possible', [1, 1, 1], 15],
    ['limited to what is worth waiting for', [5_000], 900],
  ] as const) {
    it(`is ${seconds} s: ${what}`, () => {
      expect(bootSecondsOf(measured)).to.equal(seconds);
    });
  }

  it("is a measured time that at least three in four boots don't exceed, whatever their order", () => {
    const boots = fc.array(fc.integer({ min: 15, max: 900 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(boots, (measured) => {
        const seconds = bootSecondsOf(measured);
        expect(measured).to.include(seconds);
        expect(measured.filter((each) => each <= seconds).length / measured.length).to.be.at.least(0.75);
        expect(bootSecondsOf([...measured].reverse())).to.equal(seconds);
      }),
    );
  });
});
