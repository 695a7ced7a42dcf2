// Protects: groups are sized by how long their instances really take to boot.
import { expect } from 'chai';
import {
  bootSeconds,
  failedBoots,
  liftHold,
  markSilentBoots,
  readBoots,
  readHold,
  recordBootTime,
} from '../../../src/jobs/boots.ts';
import type { MachineTermination } from '../../../src/model/group-status.ts';
import { bootLogKey, bootMark, bootTimesKey } from '../../../src/model/keys.ts';
import { forEachTest } from '../../support/fixture.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { recordedStore } from '../../support/recorded-store.ts';

describe('remembered boot times', () => {
  const store = forEachTest(() => new MemoryStore());
  const recordBoots = async (...seconds: readonly number[]): Promise<void> => {
    for (const [at, each] of seconds.entries())
      await recordBootTime(store, 'default', { instance: `i-${at}`, seconds: each });
  };

  it('are those of the latest boots of the group', async () => {
    expect(await bootSeconds(store, 'default')).to.equal(90);
    await recordBoots(100, 110, 120, 130);
    expect(await bootSeconds(store, 'default')).to.equal(120);
    expect(await bootSeconds(store, 'gpu')).to.equal(90);
  });

  it('count an instance once, however often its worker starts, and none that was stopped or has a wrong clock', async () => {
    await recordBoots(100);
    for (const seconds of [5_000, -3, 0, Number.NaN, 700])
      await recordBootTime(store, 'default', { instance: 'i-0', seconds });
    for (const seconds of [5_000, -3, 0, Number.NaN])
      await recordBootTime(store, 'default', { instance: 'i-1', seconds });
    expect(await bootSeconds(store, 'default')).to.equal(100);
  });

  it('forget the oldest, and never hold a group', async () => {
    await recordBoots(...Array(20).fill(300), ...Array(20).fill(60));
    expect(await bootSeconds(store, 'default')).to.equal(60);
    expect(await readHold(store, 'default')).to.equal(null);
  });

  it("are replaced by a default if they can't be read", async () => {
    for (const text of ['{', '{"format":99}', '{"format":1}', '{"format":1,"boots":[{"seconds":"x"},null]}']) {
      await store.put(bootTimesKey('default'), text);
      expect(await bootSeconds(store, 'default'), text).to.equal(90);
    }
  });
});

describe('instances that ended themselves', () => {
  const store = forEachTest(() => new MemoryStore());
  /** Newest first; `ago`: seconds. */
  const ended = (...instances: readonly (readonly [string, number])[]): readonly MachineTermination[] =>
    instances.map(([instance, ago]) => {
      const endedAt = Date.now() - ago * 1_000;
      return { instance, launchedAt: endedAt - 90_000, endedAt };
    });
  const three = ended(['i-3', 10], ['i-2', 20], ['i-1', 30]);

  it('hold their group if three in a row wrote nothing to the store, and name the console output to look at', async () => {
    await markSilentBoots(store, 'default', three.slice(1));
    expect(await readHold(store, 'default')).to.equal(null);
    await markSilentBoots(store, 'default', three);
    await markSilentBoots(store, 'default', three);
    const hold = await readHold(store, 'default');
    expect(hold).to.include({ failed: 3 }).and.to.have.nested.property('last.instance', 'i-3');
    const requests: string[] = [];
    await markSilentBoots(
      recordedStore(store, (method) => requests.push(method)),
      'default',
      three,
    );
    expect(requests, 'nothing is marked twice').to.deep.equal(['list', 'head']);
    expect(hold?.last.line).to.include('90 s after its launch').and.include('get-console-output --instance-id i-3');
  });

  it('hold it by the three newest, however many ended', async () => {
    const five = ended(['i-5', 10], ['i-4', 20], ['i-3', 30], ['i-2', 40], ['i-1', 50]);
    await markSilentBoots(store, 'default', five);
    expect(await readHold(store, 'default')).to.include({ failed: 3 });
  });

  it('do not hold it if they were launched in the moment in which a worker started', async () => {
    await recordBootTime(store, 'default', { instance: 'i-0', seconds: 90 });
    const launchedAt = (await store.head(bootTimesKey('default')))?.modified ?? null;
    const launched = three.map((each) => ({ ...each, launchedAt }));
    await markSilentBoots(store, 'default', launched);
    expect(await readHold(store, 'default')).to.equal(null);
  });

  it('are forgotten when a person lifts the hold, who is told whether there was one', async () => {
    for (const [group, failed, held] of [
      ['default', 2, false],
      ['gpu', 3, true],
    ] as const) {
      for (let n = 0; n < failed; n += 1) await store.put(bootMark(group, `i-${n}`, 'failed'), '{}');
      expect(await liftHold(store, group, 'me'), group).to.equal(held);
      expect(await readBoots(store, group)).to.deep.equal({ hold: null, trouble: null });
      expect(await liftHold(store, group, 'me'), 'again').to.equal(false);
    }
  });

  it('are looked up by one listing and one read, however many failed', async () => {
    const requests: string[] = [];
    const recorded = recordedStore(store, (method) => requests.push(method));
    for (const [at, hold] of [null, null, 3, 4].entries()) {
      const instance = `i-${at}`;
      await store.put(bootMark('default', instance, 'failed'), '{"format":1,"line":"no gpu"}');
      const boots = await readBoots(recorded, 'default');
      expect(boots.hold?.failed ?? null).to.equal(hold);
      if (hold !== null) expect(boots.trouble).to.equal(null);
      else expect(boots.trouble?.message).to.equal(`${instance} could not be set up: no gpu`);
      expect(requests.splice(0)).to.deep.equal(['list', 'read']);
    }
    await liftHold(store, 'default', 'me');
    expect(await readBoots(recorded, 'default')).to.deep.equal({ hold: null, trouble: null });
    expect(requests).to.deep.equal(['list']);
  });

  it('do not hold it if their workers started, on an image that leaves no boot log', async () => {
    const launched = three.map((each) => ({ ...each, endedAt: Date.now() }));
    for (const { instance } of launched) await recordBootTime(store, 'default', { instance, seconds: 90 });
    await markSilentBoots(store, 'default', launched);
    expect(await readHold(store, 'default')).to.equal(null);
  });

  it('do not hold it if one left its boot log, a worker has started since, or a person lifted the hold', async () => {
    await store.put(bootLogKey('i-2'), 'batchctl: start');
    await markSilentBoots(store, 'default', three);
    const failed = (await failedBoots(store, 'default')).map(({ instance }) => instance);
    expect(failed, 'none before the one with a log').to.deep.equal(['i-3']);
    expect(await readHold(store, 'default')).to.equal(null);
    await store.delete([bootLogKey('i-2')]);
    await liftHold(store, 'default', 'me');
    await markSilentBoots(store, 'default', three);
    expect(await readHold(store, 'default')).to.equal(null);
    await recordBootTime(store, 'gpu', { instance: 'i-0', seconds: 90 });
    await markSilentBoots(store, 'gpu', three);
    expect(await readHold(store, 'gpu')).to.equal(null);
  });
});
