// Protects: infra up and infra down continue after an interruption or a lost answer, and create nothing twice.
import { expect } from 'chai';
import { forSuite } from '../support/fixture.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { down, looks, openResources, type StackResources, up } from '../support/grid/emulated-account.ts';
import { until } from '../support/until.ts';

const isChange = ({ action }: { readonly action: string }): boolean => !/^(Describe|Get|List)/.test(action);
const asItShould = { state: 'asItShould' };

describe('a grid that is being created', () => {
  const cloud = forSuite(() => startCloud({ sqs: 'moto' }));
  let resources: StackResources;
  const all = () => [...resources.grid, ...resources.manager];

  it('waits until its instance profile is known', async () => {
    resources = await openResources(cloud);
    // EC2's words, as Auto Scaling returns them.
    const message = `You must use a valid fully-formed launch template. Value (${resources.profile.stack}-worker) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name`;
    cloud.failNext('autoscaling:CreateAutoScalingGroup', 400, 'ValidationError', message, 2);
    cloud.takeCalls();
    await up(resources.grid);
    const tries = cloud.takeCalls().filter(({ action }) => action === 'CreateAutoScalingGroup');
    expect(tries.map(({ status }) => status)).to.deep.equal([400, 400, 200]);
    await down(all());
    await resources.close();
  });

  /** The number of calls before each one that changes something. */
  const changesOf = async (work: () => Promise<unknown>): Promise<readonly number[]> => {
    cloud.takeCalls();
    await work();
    return cloud.takeCalls().flatMap((call, at) => (isChange(call) ? [at] : []));
  };

  it('continues after an interruption at any call that changes something; and so does its removal', async () => {
    resources = await openResources(cloud, { manager: { allow: ['203.0.113.0/24'] } });
    // What is looked up once is then known.
    await up(all());
    await down(all());
    const make = () => up(all());
    const remove = () => down(all());
    const [making, removing] = [await changesOf(make), await changesOf(remove)];
    expect([making.length, removing.length]).to.deep.equal([12, 7]);
    for (const [n, at] of making.entries()) {
      const cut = cloud.cutAfter(at + 1);
      // After the last one, there is nothing to interrupt.
      const ended = await make().catch((error: Error) => error.message);
      cut.end();
      if (n < making.length - 1) expect(ended).to.include('CutOff');
      await make();
      expect(await looks(all()), `made after it was cut off at call ${at}`).to.deep.equal(all().map(() => asItShould));
      const other = cloud.cutAfter((removing[n % removing.length] ?? 0) + 1);
      await remove().catch(() => undefined);
      other.end();
      expect(await remove()).to.deep.equal([]);
      expect(await looks(all()), `removed after it was cut off`).to.deep.equal(all().map(() => ({ state: 'absent' })));
    }
    await resources.close();
  });

  it('is created only once if the answer to a call is lost and the call is repeated', async () => {
    resources = await openResources(cloud, { manager: { allow: ['203.0.113.0/24'] } });
    await up(all());
    await down(all());
    const changing = await changesOf(() => up(all()));
    await down(all());
    for (const at of changing) {
      const before = cloud.calls.length;
      const cut = cloud.cutAfter(at, 'lost');
      const done = () => cloud.calls.length > before + at;
      const ended = cut.met.then(() => until('it was done', done)).then(() => cut.end());
      await up(all());
      await ended;
      await up(all());
      expect(await looks(all()), `the answer to call ${at} lost`).to.deep.equal(all().map(() => asItShould));
      expect(await down(all())).to.deep.equal([]);
    }
    await resources.close();
  });
});
