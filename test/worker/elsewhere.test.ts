// Protects: a job's maxRunning limit counts what other workers run, and checking it stays cheap on a large grid.
import { expect } from 'chai';
import type { LedgerWorker } from '../../src/ports/ledger.ts';
import { Elsewhere } from '../../src/worker/elsewhere.ts';

describe('what runs in other workers', () => {
  const grid = (count: number): readonly LedgerWorker[] =>
    Array.from({ length: count }, (_, n) => ({
      ...{ worker: `w${n}`, group: 'default', host: `h${n}`, pid: n, version: '1', slots: 1, memory: 1, disk: 1 },
      ...{ done: 0, failed: 0, startedAt: 0, seenAt: 0 },
      state: n === 2 ? 'gone' : 'busy',
      busy: [`job/one/${n}`, `other/one/${n}`],
    }));

  it('is counted by job and step, without what runs here or in a worker that has gone', async () => {
    const elsewhere = new Elsewhere('w1');
    expect(elsewhere.running('job', null)).to.equal(0);
    await elsewhere.refresh(async () => grid(5));
    expect([elsewhere.running('job', null), elsewhere.running('job', 'two')]).to.deep.equal([3, 0]);
  });

  it('is read each time by few workers, and by many only where a job limits what runs', async () => {
    const elsewhere = new Elsewhere('w1');
    let [size, reads] = [10, 0];
    const beats = async (count: number): Promise<number> => {
      reads = 0;
      for (let n = 0; n < count; n += 1) {
        await elsewhere.refresh(async () => {
          reads += 1;
          return grid(size);
        });
      }
      return reads;
    };
    expect(await beats(3)).to.equal(3);
    size = 1_000;
    expect(await beats(10)).to.equal(1);
    elsewhere.running('job', 'one');
    expect(await beats(10)).to.equal(1);
    expect(elsewhere.running('job', 'one')).to.equal(998);
  });
});
