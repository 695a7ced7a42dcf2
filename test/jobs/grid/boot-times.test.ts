// Protects: groups are sized by how long their instances really take to boot.
import { expect } from 'chai';
import { bootSeconds, noteBoot, readHold } from '../../../src/jobs/grid/boots.ts';
import { bootTimesKey } from '../../../src/model/keys.ts';
import { MemoryStore } from '../../support/memory-store.ts';

describe('remembered boot times', () => {
  const boots = async (store: MemoryStore, ...seconds: readonly number[]): Promise<void> => {
    for (const [at, each] of seconds.entries())
      await noteBoot(store, 'default', { instance: `i-${at}`, seconds: each });
  };

  it('are those of the latest boots of the group', async () => {
    const store = new MemoryStore();
    expect(await bootSeconds(store, 'default')).to.equal(90);
    await boots(store, 100, 110, 120, 130);
    expect(await bootSeconds(store, 'default')).to.equal(120);
    expect(await bootSeconds(store, 'gpu')).to.equal(90);
  });

  it('count an instance once, however often its worker starts, and none that was stopped or has a wrong clock', async () => {
    const store = new MemoryStore();
    await boots(store, 100);
    for (const seconds of [5_000, -3, 0, Number.NaN, 700])
      await noteBoot(store, 'default', { instance: 'i-0', seconds });
    for (const seconds of [5_000, -3, 0, Number.NaN]) await noteBoot(store, 'default', { instance: 'i-1', seconds });
    expect(await bootSeconds(store, 'default')).to.equal(100);
  });

  it('drop the oldest, and never delay a group', async () => {
    const store = new MemoryStore();
    await boots(store, ...Array(20).fill(300), ...Array(20).fill(60));
    expect(await bootSeconds(store, 'default')).to.equal(60);
    expect(await readHold(store, 'default')).to.equal(null);
  });

  it("are replaced by a default if they can't be read", async () => {
    const store = new MemoryStore();
    for (const text of ['{', '{"format":99}', '{"format":1}', '{"format":1,"boots":[{"seconds":"x"},null]}']) {
      await store.put(bootTimesKey('default'), text);
      expect(await bootSeconds(store, 'default'), text).to.equal(90);
    }
  });
});
