import { expect } from 'chai';
import { type Cloud, startCloud } from '../support/grid/cloud.ts';
import { down, type GridDesk, gridDesk, looks, up } from '../support/grid-desk.ts';

describe('a grid', function () {
  this.timeout(120_000);
  let cloud: Cloud;
  let desk: GridDesk;

  before(async () => {
    cloud = await startCloud({ sqs: 'moto' });
  });
  after(async () => {
    await cloud?.close();
  });
  afterEach(async () => {
    await desk?.close();
  });

  it('is made, seen, and made no second time', async () => {
    desk = await gridDesk(cloud, { manager: { allow: ['203.0.113.7/24', '2001:DB8::1/32'] } });
    const all = [...desk.grid, ...desk.manager];
    console.log(JSON.stringify(await looks(all)));
    console.log(await up(all));
    console.log(JSON.stringify(await looks(all), null, 1));
    console.log(await down(all));
    console.log(JSON.stringify(await looks(all)));
    expect(1).to.equal(1);
  });
});
