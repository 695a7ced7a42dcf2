// Protects: a job's maxRunning limit counts what other workers run, and checking it stays cheap on a large grid.
import { expect } from 'chai';
import type { LedgerWorker } from '../../src/model/ledger/records.ts';
import { OtherWorkers } from '../../src/worker/heartbeat.ts';
import { worker } from '../contracts/ledger-events.ts';

describe('the number of running tasks in other workers', () => {
  const grid = (count: number): readonly LedgerWorker[] =>
    Array.from({ length: count }, (_, n) =>
      worker({ worker: `w${n}`, state: n === 2 ? 'gone' : 'busy', busy: [`job/one/${n}`, `other/one/${n}`] }),
    );

  it('is counted by job and step, without those in this worker or in one that has gone', async () => {
    const elsewhere = new OtherWorkers('w1');
    elsewhere.running('job', null);
    await elsewhere.refresh(async () => grid(5));
    expect([elsewhere.running('job', null), elsewhere.running('job', 'two')]).to.deep.equal([3, 0]);
  });

  it('is read only if a job limits its running tasks, and at once on the first request', async () => {
    let [reads, unknown] = [0, 0];
    const elsewhere = new OtherWorkers('w1');
    elsewhere.on('unknown', () => {
      unknown += 1;
    });
    const beat = (): Promise<void> =>
      elsewhere.refresh(async () => {
        reads += 1;
        return grid(1_000);
      });
    for (let n = 0; n < 10; n += 1) await beat();
    expect(reads).to.equal(0);
    // While the number is unknown, no task may start.
    expect(elsewhere.running('job', 'one')).to.equal(Number.POSITIVE_INFINITY);
    expect(elsewhere.running('job', 'one')).to.equal(Number.POSITIVE_INFINITY);
    expect(unknown).to.equal(1);
    await beat();
    expect(elsewhere.running('job', 'one')).to.equal(998);
    await beat();
    expect(reads).to.equal(2);
    await beat();
    expect(elsewhere.running('job', 'one')).to.equal(Number.POSITIVE_INFINITY);
    expect(unknown).to.equal(2);
  });

  it("delays nothing if it can't be read", async () => {
    const elsewhere = new OtherWorkers('w1');
    elsewhere.running('job', null);
    const away = elsewhere.refresh(async () => {
      throw new Error('away');
    });
    await away.catch(() => undefined);
    expect(elsewhere.running('job', null)).to.equal(0);
  });
});
