// Protects: infra up waits for a new instance profile, and creates nothing twice if an answer is lost.
import { expect } from 'chai';
import { isChange } from '../support/grid/front.ts';
import { until } from '../support/until.ts';
import { down, expectAll, GridLab, MANAGER, UP_TO_DATE, up } from './grid-lab.ts';

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

  it('is created only once if the answer to a call is lost and the call is repeated', async () => {
    await lab.open({ manager: MANAGER });
    // What is looked up only once, such as images, is looked up before requests are counted.
    await create();
    await remove();
    lab.cloud.takeCalls();
    await create();
    const changes = lab.cloud.takeCalls().flatMap((call, number) => (isChange(call) ? [number] : []));
    await remove();
    expect(changes).to.have.length(12);
    for (const call of changes) {
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
