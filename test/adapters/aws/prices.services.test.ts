// Protects: costs are computed from current spot and configured prices, and an unknown price is never shown as 0.

import type { SpotPrice } from '@aws-sdk/client-ec2';
import { expect } from 'chai';
import { MachinePrices, newestOf } from '../../../src/adapters/aws/prices.ts';
import { nextMachinePrice } from '../../../src/model/cost/spending.ts';
import { openClients } from '../../support/aws-clients.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { forEachTest, forSuite } from '../../support/fixture.ts';
import { startCloud } from '../../support/grid/cloud.ts';

describe('the market price of an instance', () => {
  const cloud = forSuite(() => startCloud());
  const clients = forSuite(() => openClients({ ec2: cloud.url }));
  const clock = forEachTest(() => new FakeClock());
  beforeEach(() => {
    cloud.takeCalls();
  });

  const open = (configured: Readonly<Record<string, number>> = {}, asksMarket = true): MachinePrices =>
    new MachinePrices({ clients, configured, asksMarket, clock });
  const takeActions = (): readonly string[] => cloud.takeCalls().map(({ action }) => action);

  it('is given by type and zone, and requested once in ten minutes', async () => {
    const prices = open();
    const found = await prices.forGroup(['c7g.large', 'm7g.large'], { spot: true });
    expect(found).to.include({ lifeCycle: 'spot', trouble: null });
    expect(new Set(found.hours.map(({ type }) => type))).to.deep.equal(new Set(['c7g.large', 'm7g.large']));
    for (const { kind, zone, usd } of found.hours) {
      expect(kind).to.equal('spot');
      expect(zone).to.match(/^us-east-1[a-f]$/);
      expect(usd).to.equal(0.00001);
    }
    await Promise.all([1, 2].map(() => prices.forGroup(['m7g.large', 'c7g.large'], { spot: true })));
    expect(takeActions()).to.deep.equal(['DescribeSpotPriceHistory']);
    clock.pass(601);
    await prices.forGroup(['c7g.large', 'm7g.large'], { spot: true });
    expect(takeActions()).to.deep.equal(['DescribeSpotPriceHistory']);
  });

  it('is not requested for on-demand instances, whose price is in the profile', async () => {
    const found = await open({ 'g5.xlarge': 1.006 }).forGroup(['g5.xlarge'], { spot: false });
    expect(found.hours).to.deep.equal([{ type: 'g5.xlarge', kind: 'configured', zone: null, usd: 1.006 }]);
    expect(takeActions()).to.deep.equal([]);
  });

  it('is not requested from AWS when only the store is emulated', async () => {
    const found = await open({}, false).forGroup(['c7g.large'], { spot: true });
    expect(found.hours).to.deep.equal([]);
    expect(takeActions()).to.deep.equal([]);
  });

  it('is unknown if reading it is denied, which is reported, and is requested again a minute later', async () => {
    const prices = open();
    cloud.failNext('ec2:DescribeSpotPriceHistory', 403, 'UnauthorizedOperation', 'no');
    const found = await prices.forGroup(['c7g.large'], { spot: true });
    expect(found.hours).to.deep.equal([]);
    expect(found.trouble).to.include('ec2:DescribeSpotPriceHistory');
    expect(nextMachinePrice({ ...found, slots: null })).to.equal(null);
    clock.pass(61);
    expect((await prices.forGroup(['c7g.large'], { spot: true })).trouble).to.equal(null);
  });

  it('is the configured price if the market has none', async () => {
    cloud.failNext('ec2:DescribeSpotPriceHistory', 403, 'UnauthorizedOperation', 'no');
    const found = await open({ 'c7g.large': 0.05 }).forGroup(['c7g.large'], { spot: true });
    expect(nextMachinePrice({ ...found, slots: null })).to.equal(0.05);
  });

  it('is the newest of each zone if the history has several', () => {
    const entry = (type: 'c7g.large' | 'm7g.large', zone: string, price: string, hour: number): SpotPrice => ({
      InstanceType: type,
      AvailabilityZone: zone,
      SpotPrice: price,
      Timestamp: new Date(Date.UTC(2026, 10, 26, hour)),
      ProductDescription: 'Linux/UNIX',
    });
    const history: SpotPrice[] = [
      entry('c7g.large', 'a', '0.031', 1),
      entry('c7g.large', 'a', '0.034', 5),
      entry('c7g.large', 'a', '0.029', 3),
      entry('c7g.large', 'b', '0.040', 2),
      entry('m7g.large', 'a', '0.050', 2),
      entry('c7g.large', 'c', 'unknown', 9),
      { InstanceType: 'c7g.large' },
    ];
    const found = newestOf(history).map(({ type, zone, usd }) => `${type} ${zone} ${usd}`);
    expect(found).to.deep.equal(['c7g.large a 0.034', 'c7g.large b 0.04', 'm7g.large a 0.05']);
  });
});
