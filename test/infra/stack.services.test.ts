// Protects: infra up makes a whole stack in the right order, continues after a kill, and lets people share the work.
import { expect } from 'chai';
import { type Cloud, startCloud } from '../support/grid/cloud.ts';
import { until } from '../support/until.ts';
import { type Others, othersIn, remainsOf } from './remains.ts';
import { StackDesk } from './stack-desk.ts';

const MANAGED = { groups: { default: {}, gpu: { instances: ['g5.xlarge'] } }, manager: { allow: ['203.0.113.0/24'] } };

describe('a whole stack', () => {
  let cloud: Cloud;
  let others: Others;
  let desk: StackDesk;

  before(async () => {
    cloud = await startCloud({ pace: { second: 20 } });
    others = othersIn(cloud);
    desk = new StackDesk(cloud);
  });
  after(async () => {
    await desk?.remove();
    for (const client of Object.values(others ?? {})) client.destroy();
    await cloud?.close();
  });
  beforeEach(() => desk.configure(MANAGED));

  const isChange = ({ service, action }: { service: string; action: string }): boolean =>
    service === 's3' ? !['GET', 'HEAD'].includes(action) : !/^(Get|List|Describe)/.test(action);

  it('is made in the order of its dependencies, and then not changed', async () => {
    const made = await desk.up();
    expect(made.map(({ part, kind }) => `${part} ${kind}`)).to.deep.equal([
      ...['data bucket', 'data queue', 'data queue', 'data queue', 'data queue'],
      ...['iam role', 'iam profile', 'iam role', 'iam profile'],
      ...[
        'grid release',
        'grid securityGroup',
        'grid launchTemplate',
        'grid group',
        'grid launchTemplate',
        'grid group',
      ],
      ...['manager securityGroup', 'manager address', 'manager launchTemplate', 'manager group'],
    ]);
    cloud.takeCalls();
    const kept = await desk.up();
    expect(kept.every(({ action }) => action === 'keep')).to.equal(true);
    expect(cloud.takeCalls().filter(isChange)).to.deep.equal([]);
    const status = await desk.answer(['infra', 'status']);
    expect(status.every(({ state }) => state === 'present')).to.equal(true);
  });

  it('is made by several people, each with a part', async () => {
    for (const part of ['data', 'iam', 'grid', 'manager']) {
      const made = await desk.up('--only', part);
      expect(made.every((line) => line.part === part && line.action === 'create')).to.equal(true);
    }
    expect((await desk.answer(['infra', 'status'])).every(({ state }) => state === 'present')).to.equal(true);
  });

  it('continues after its process was killed', async () => {
    const cut = cloud.cutAfter(60, 'lost');
    const killed = desk.start(['infra', 'up', '--yes']);
    await cut.met;
    killed.child.kill('SIGKILL');
    await killed.ended;
    cut.end();
    await desk.up();
    const plan = await desk.answer(['infra', 'plan']);
    expect(plan.every(({ action }) => action === 'keep')).to.equal(true);
    const down = desk.start(['infra', 'down', '--confirm', desk.stack]);
    const cutAgain = cloud.cutAfter(60, 'lost');
    await cutAgain.met;
    down.child.kill('SIGKILL');
    await down.ended;
    cutAgain.end();
    await desk.down();
    await until('all is gone', async () => (await remainsOf(desk.stack, others)).length === 0);
  });

  it('stops between two resources when it is interrupted, and says how to go on', async () => {
    const cut = cloud.cutAfter(50, 'hang');
    const { child, ended } = desk.start(['infra', 'up', '--yes']);
    await cut.met;
    child.kill('SIGINT');
    cut.end();
    const { code, stderr } = await ended;
    expect(code, stderr).to.equal(130);
    expect(stderr).to.include('infra up');
    expect((await desk.answer(['infra', 'status'], 11)).some(({ state }) => state === 'absent')).to.equal(true);
  });
});
