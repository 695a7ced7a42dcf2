import { expect } from 'chai';
import { type Cloud, startCloud } from '../support/grid/cloud.ts';
import { down, type GridDesk, gridDesk, looks, up } from '../support/grid-desk.ts';
import { rejection } from '../support/rejection.ts';

const isChange = ({ action }: { readonly action: string }): boolean => !/^(Describe|Get|List)/.test(action);
const asItShould = { state: 'asItShould' };

describe('a grid that is being made', function () {
  this.timeout(240_000);
  let cloud: Cloud;
  let desk: GridDesk;

  before(async () => {
    cloud = await startCloud({ sqs: 'moto', profileDelay: 800 });
  });
  after(async () => {
    await cloud?.close();
  });
  const all = () => [...desk.grid, ...desk.manager];

  it('waits until its instance profile is known', async () => {
    desk = await gridDesk(cloud);
    cloud.takeCalls();
    await up(desk.grid);
    const tries = cloud.takeCalls().filter(({ action }) => action === 'CreateAutoScalingGroup');
    expect(tries.map(({ status }) => status).at(-1)).to.equal(200);
    expect(tries.length).to.be.greaterThan(1);
    await down(all());
    await desk.close();
  });

  it('goes on where it was cut off, at whichever call; and so does its removal', async () => {
    desk = await gridDesk(cloud, { manager: { allow: ['203.0.113.0/24'] } });
    const count = async (work: () => Promise<unknown>): Promise<number> => {
      const before = cloud.calls.length;
      await work();
      return cloud.calls.length - before;
    };
    const toMake = await count(() => up(all()));
    const toRemove = await count(() => down(all()));
    for (let call = 0; call < toMake; call += 1) {
      const cut = cloud.cutAfter(call);
      await rejection(up(all()));
      cut.end();
      await up(all());
      expect(await looks(all()), `made after it was cut off at call ${call}`).to.deep.equal(all().map(() => asItShould));
      const other = cloud.cutAfter(call % toRemove);
      await rejection(down(all()));
      other.end();
      expect(await down(all())).to.deep.equal([]);
      const gone = all().map(() => ({ state: 'absent' }));
      expect(await looks(all()), `removed after it was cut off at call ${call % toRemove}`).to.deep.equal(gone);
    }
    await desk.close();
  });

  it('is made once where the answer to a call is lost, and asked for again', async () => {
    desk = await gridDesk(cloud, { manager: { allow: ['203.0.113.0/24'] } });
    const before = cloud.calls.length;
    await up(all());
    const changing = cloud.calls.slice(before).flatMap((call, at) => (isChange(call) ? [at] : []));
    await down(all());
    for (const at of changing) {
      const cut = cloud.cutAfter(at, 'lost');
      cut.met.then(() => setImmediate(() => cut.end()));
      await up(all());
      cut.end();
      await up(all());
      expect(await looks(all()), `the answer to call ${at} lost`).to.deep.equal(all().map(() => asItShould));
      expect(await down(all())).to.deep.equal([]);
    }
    await desk.close();
  });
});
