import { expect } from 'chai';
import { type Cloud, startCloud } from '../support/grid/cloud.ts';
import { type Others, othersIn, remainsOf } from './remains.ts';
import { StackDesk } from './stack-desk.ts';

const MANAGED = { groups: { default: {} }, manager: { allow: ['203.0.113.0/24'] } };
/** What changes nothing. */
const LOOK = /^(Get|List|Describe|HEAD)/;

describe('infra up and infra down, cut off', function () {
  this.timeout(900_000);
  let cloud: Cloud;
  let others: Others;
  let desk: StackDesk;

  before(async () => {
    cloud = await startCloud({ pace: { second: 10 } });
    others = othersIn(cloud);
    desk = new StackDesk(cloud);
  });
  after(async () => {
    await desk?.remove();
    for (const client of Object.values(others ?? {})) client.destroy();
    await cloud?.close();
  });

  const up = () => desk.here('infra', 'up', '--yes');
  const down = () => desk.here('infra', 'down', '--confirm', desk.stack);
  const well = async (act: () => ReturnType<typeof up>) => {
    const { code, stderr, lines } = await act();
    expect(code, stderr).to.equal(0);
    return lines;
  };
  /** Which of the requests that `act` makes change something, counted from 0. */
  const changesOf = async (act: () => Promise<unknown>): Promise<readonly number[]> => {
    cloud.takeCalls();
    await act();
    const calls = cloud.takeCalls();
    return calls.flatMap(({ action }, at) => (LOOK.test(action) || action === 'GET' ? [] : [at]));
  };
  /** Nothing goes through after so many requests. */
  const cut = async (requests: number, act: () => ReturnType<typeof up>): Promise<void> => {
    const ends = cloud.cutAfter(requests);
    const { code } = await act();
    ends.end();
    expect(code, `cut off after ${requests} requests`).not.to.equal(0);
  };

  it('up goes on from wherever it was, and down leaves nothing of it', async () => {
    desk.configure(MANAGED);
    const changes = await changesOf(() => well(up));
    expect(changes.length).to.be.within(25, 60);
    await well(down);
    for (const at of changes) {
      desk.configure(MANAGED);
      await cut(at, up);
      await well(up);
      const left = (await well(() => desk.here('infra', 'plan'))).filter(({ action }) => action !== 'keep');
      expect(left, `cut off before request ${at}`).to.deep.equal([]);
      await well(down);
      expect(await remainsOf(desk.stack, others), `cut off before request ${at}`).to.deep.equal([]);
    }
  });

  it('down goes on from wherever it was', async () => {
    desk.configure(MANAGED);
    await well(up);
    const changes = await changesOf(() => well(down));
    expect(changes.length).to.be.within(15, 60);
    for (const at of changes) {
      desk.configure(MANAGED);
      await well(up);
      await cut(at, down);
      await well(down);
      expect(await remainsOf(desk.stack, others), `cut off before request ${at}`).to.deep.equal([]);
    }
  });
});
