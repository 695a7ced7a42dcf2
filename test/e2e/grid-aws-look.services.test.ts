// Protects: doctor and workers show what is wrong with an Auto Scaling group, and which instances have a worker.
import { expect } from 'chai';
import { bootLogKey } from '../../src/model/keys.ts';
import type { LedgerWorker } from '../../src/model/ledger/records.ts';
import { expectExit, jsonLinesOf, jsonOf } from '../support/expect-exit.ts';
import { forEachTest, forSuite } from '../support/fixture.ts';
import { startCloud } from '../support/grid/cloud.ts';
import {
  createScalingGroup,
  type ScalingGroupOptions,
  scalingWorkspace,
  untilInService,
} from '../support/scaling-group.ts';
import { until } from '../support/until.ts';

interface WorkerRow {
  readonly worker: string | null;
  readonly state: string;
  readonly instance: string | null;
  readonly type: string | null;
  readonly since: string | null;
}

interface DoctorLine {
  readonly code: string;
  readonly severity: string;
  readonly message: string;
  readonly fix: string | null;
}

describe('doctor and workers on Auto Scaling', () => {
  const cloud = forSuite(() => startCloud());
  const workspace = forEachTest(() => scalingWorkspace(cloud));
  afterEach(() => cloud.grid.failLaunches(null));

  const make = (made: ScalingGroupOptions = {}): Promise<string> => createScalingGroup(cloud, workspace.stack, made);
  const cli = (...args: readonly string[]) => workspace.run(args);
  const json = async (...args: readonly string[]) => jsonOf(await cli(...args, '--json'));
  async function beat(change: Partial<LedgerWorker>): Promise<void> {
    const platform = await workspace.platform();
    const now = platform.clock.now();
    const idle = { group: 'default', host: 'h', pid: 7, version: '1', state: 'idle', slots: 2, busy: [] } as const;
    const ledger = await platform.ledger();
    await ledger.heartbeat({ worker: 'w-a', ...idle, done: 3, failed: 0, startedAt: now, seenAt: now, ...change });
  }

  describe('doctor', () => {
    const groups = async (): Promise<readonly DoctorLine[]> =>
      jsonLinesOf(await cli('doctor', '--json')).filter(({ code }) => code === 'group');
    const hook = {
      LifecycleHookName: 'batchctl-drain',
      LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
    };

    it('passes a correctly configured group', async () => {
      await make({ more: { LifecycleHookSpecificationList: [hook] } });
      const [group] = await groups();
      expect(group).to.include({ severity: 'pass', fix: null });
      expect(group?.message).to.include('0 of 0 in service (0 to 8, auto)');
    });

    for (const { what, made, says } of [
      { what: 'that does not exist', made: null, says: /does not exist.*infra up/ },
      { what: 'without its hook', made: {}, says: /hook batchctl-drain is missing.*infra up/ },
      { what: 'with a maximum of 0', made: { max: 0 }, says: /maximum is 0.*scale --max/ },
    ]) {
      it(`warns of a group ${what}`, async () => {
        if (made !== null) await make(made);
        const [group] = await groups();
        expect(group?.severity).to.equal('warn');
        expect(`${group?.message} ${group?.fix}`).to.match(says);
      });
    }

    it('warns of failing launches and missing permissions', async () => {
      await make({ more: { LifecycleHookSpecificationList: [hook] } });
      cloud.grid.failLaunches('key');
      await cli('scale', '1');
      const failing = await until('a launch failed', async () => {
        const [group] = await groups();
        return group?.severity === 'warn' && group;
      });
      expect(failing.message).to.include('launches fail (key)');
      cloud.failNext('autoscaling:DescribeAutoScalingGroups', 403, 'AccessDenied', 'no');
      expect((await groups())[0]).to.include({ severity: 'warn' });
    });
  });

  describe('workers', () => {
    const rows = async (...flags: readonly string[]): Promise<readonly WorkerRow[]> =>
      jsonLinesOf(await cli('workers', '--json', ...flags));

    it('lists instances with and without a worker, and a worker whose instance is gone', async () => {
      await make({ desired: 2 });
      const [first, second] = await untilInService(cloud, workspace, 2);
      await beat({ worker: 'w-one', host: first?.id ?? '' });
      await beat({ worker: 'w-old', host: 'i-0123456789abcdef0', seenAt: Date.now() - 4_000 });
      const seen = await rows();
      expect(seen.map(({ worker, state, instance }) => ({ worker, state, instance }))).to.have.deep.members([
        { worker: 'w-one', state: 'idle', instance: first?.id },
        { worker: 'w-old', state: 'lost', instance: null },
        { worker: null, state: 'booting', instance: second?.id },
      ]);
      expect(seen.find(({ worker }) => worker === null)?.since).to.be.a('string');
      expect(seen.find(({ worker }) => worker === 'w-one')?.type).to.equal('c7g.large');
    });

    it("accepts an instance's id for its worker, and shows the log of its boot", async () => {
      await make({ desired: 1 });
      const [only] = await untilInService(cloud, workspace, 1);
      const id = only?.id ?? '';
      expectExit(await cli('workers', 'logs', id), 4);
      await (await workspace.platform()).store.put(bootLogKey(id), 'setup: no such package\n');
      expect(await json('workers', 'logs', id)).to.deep.equal({
        worker: id,
        boot: 'setup: no such package\n',
        log: null,
      });
      await beat({ worker: 'w-one', host: id });
      expect(await json('workers', 'drain', id)).to.include({ worker: 'w-one', order: 'drain' });
      expect(await json('workers', 'logs', 'w-one')).to.include({ worker: 'w-one', boot: 'setup: no such package\n' });
    });

    it('lists workers even if instances may not be listed, and says so', async () => {
      await make();
      await beat({ worker: 'w-one' });
      cloud.failNext('autoscaling:DescribeAutoScalingGroups', 403, 'AccessDenied', 'no');
      const { stdout, stderr } = expectExit(await cli('workers'));
      expect(stdout).to.include('w-one');
      expect(stderr).to.include("can't list its instances");
    });
  });
});
