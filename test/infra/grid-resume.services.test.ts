// Protects: infra up and infra down continue after an interruption or a lost answer, and create nothing twice.
import { expect } from 'chai';
import { isChange } from '../support/grid/front.ts';
import { until } from '../support/until.ts';
import { ABSENT, down, expectAll, GridLab, MANAGER, UP_TO_DATE, up } from './grid-lab.ts';

describe('a grid that is being created', () => {
  const lab = new GridLab();
  const create = () => up(lab.all);
  const remove = () => down(lab.all);

  it('waits until its instance profile is known', async () => {
    await lab.open();
    // EC2's words, as Auto Scaling returns them.
    const message = `You must use a valid fully-formed launch template. Value (${lab.stack}-worker) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name`;
    lab.cloud.failNext('autoscaling:CreateAutoScalingGroup', 400, 'ValidationError', message, 2);
    lab.cloud.takeCalls();
    await up(lab.grid);
    const attempts = lab.cloud.takeCalls().filter(({ action }) => action === 'CreateAutoScalingGroup');
    expect(attempts.map(({ status }) => status)).to.deep.equal([400, 400, 200]);
  });

  /** The numbers, from 0, of the requests that change something. */
  const changesOf = async (work: () => Promise<unknown>): Promise<readonly number[]> => {
    lab.cloud.takeCalls();
    await work();
    return lab.cloud.takeCalls().flatMap((call, number) => (isChange(call) ? [number] : []));
  };
  /** Opens a stack with a manager. What is looked up only once, such as images, has been looked up afterwards. */
  const openManaged = async (): Promise<void> => {
    await lab.open({ manager: MANAGER });
    await create();
    await remove();
  };

  it('continues after an interruption at any call that changes something; and so does its removal', async () => {
    await openManaged();
    const [creating, removing] = [await changesOf(create), await changesOf(remove)];
    expect([creating.length, removing.length]).to.deep.equal([12, 7]);
    for (const [n, call] of creating.entries()) {
      const cut = lab.cloud.cutAfter(call + 1);
      // After the last change, there is nothing to interrupt.
      const outcome = await create().catch((error: Error) => error.message);
      cut.end();
      if (n < creating.length - 1) expect(outcome).to.include('CutOff');
      await create();
      await expectAll(lab.all, UP_TO_DATE, `created after an interruption at call ${call}`);
      const secondCut = lab.cloud.cutAfter((removing[n % removing.length] ?? 0) + 1);
      await remove().catch(() => undefined);
      secondCut.end();
      expect(await remove()).to.deep.equal([]);
      await expectAll(lab.all, ABSENT, 'removed after an interruption');
    }
  });

  it('is created only once if the answer to a call is lost and the call is repeated', async () => {
    await openManaged();
    const creating = await changesOf(create);
    await remove();
    for (const call of creating) {
      const before = lab.cloud.calls.length;
      const cut = lab.cloud.cutAfter(call, 'lost');
      const isDone = () => lab.cloud.calls.length > before + call;
      const ended = cut.met.then(() => until('the request was carried out', isDone)).then(() => cut.end());
      await create();
      await ended;
      await create();
      await expectAll(lab.all, UP_TO_DATE, `the answer to call ${call} was lost`);
      expect(await remove()).to.deep.equal([]);
    }
  });
});
