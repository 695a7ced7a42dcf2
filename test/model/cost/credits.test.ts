// Protects: the cost of burstable instances includes the CPU credits of busy processors, so that limits hold.
import { expect } from 'chai';
import { creditsPerHour, isBurstable } from '../../../src/model/cost/credits.ts';
import { nextMachinePrice, priceOf } from '../../../src/model/cost/spending.ts';
import type { HourPrice } from '../../../src/model/group-status.ts';

describe('CPU credits', () => {
  // Processors x (1 - baseline) x USD per processor and hour (EC2: CPU credits key concepts).
  const cases: readonly (readonly [type: string, usd: number])[] = [
    ['t4g.nano', 2 * 0.95 * 0.04],
    ['t4g.small', 0.064],
    ['t3.micro', 2 * 0.9 * 0.05],
    ['t3.medium', 0.08],
    ['t3a.large', 0.07],
    ['t3.xlarge', 4 * 0.6 * 0.05],
    ['t4g.2xlarge', 8 * 0.6 * 0.04],
    ['t2.small', 0.04],
    ['t2.medium', 0.08],
    ['t2.xlarge', 4 * 0.775 * 0.05],
    ['c7g.large', 0],
    ['trn1.2xlarge', 0],
    ['t3', 0],
  ];
  for (const [type, usd] of cases) {
    it(`of a busy ${type} cost ${usd.toFixed(3)} an hour`, () => {
      expect(creditsPerHour(type)).to.be.closeTo(usd, 1e-9);
    });
  }

  it('are of the T families only', () => {
    const types = ['t2.nano', 't3.large', 't3a.small', 't4g.micro', 'trn1.2xlarge', 'm7g.large', 'toString.large'];
    expect(types.filter(isBurstable)).to.deep.equal(['t2.nano', 't3.large', 't3a.small', 't4g.micro']);
  });

  it('are added to the market price and to the price of the profile, and make no unknown price known', () => {
    const hours: readonly HourPrice[] = [
      { type: 't4g.small', kind: 'spot', zone: 'a', usd: 0.005 },
      { type: 't4g.small', kind: 'configured', zone: null, usd: 0.0168 },
      { type: 'c7g.large', kind: 'configured', zone: null, usd: 0.07 },
    ];
    const of = (type: string, lifeCycle: 'spot' | 'on-demand') => priceOf(hours, { type, zone: 'a', lifeCycle });
    expect(of('t4g.small', 'spot')).to.be.closeTo(0.069, 1e-9);
    expect(of('t4g.small', 'on-demand')).to.be.closeTo(0.0808, 1e-9);
    expect(of('c7g.large', 'on-demand')).to.equal(0.07);
    expect(of('t3.small', 'spot')).to.equal(null);
    const group = {
      types: ['t4g.small', 'c7g.large'],
      lifeCycle: 'on-demand',
      hours,
      trouble: null,
      slots: 2,
    } as const;
    expect(nextMachinePrice(group)).to.be.closeTo((0.0808 + 0.07) / 2, 1e-9);
  });
});
