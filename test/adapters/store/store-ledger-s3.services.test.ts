// Protects: a job's history kept in S3 is complete for every process, from submission to pruning.

import { expect } from 'chai';
import { openStoreLedger } from '../../../src/adapters/store/store-ledger.ts';
import { doneEvents, exactCounts, job, readCounts, T0, worker } from '../../contracts/ledger-events.ts';
import { Cleanup } from '../../support/cleanup.ts';
import { forEachTest, forSuite } from '../../support/fixture.ts';
import { sharedMoto } from '../../support/servers/moto.ts';
import { clientsOf, openBench, PREFIX, storeOf } from '../aws/s3-bench.ts';

describe('the store ledger in S3', () => {
  const cleanup = forEachTest(() => new Cleanup());
  const moto = forSuite(() => sharedMoto());

  it('remembers a job from its start to its pruning, recorded by two processes', async () => {
    const { store, bucket } = cleanup.use(await openBench(moto.url));
    const other = await storeOf(cleanup.use(clientsOf(moto.url)), bucket, { prefix: PREFIX });
    const [one, two] = [openStoreLedger({ store, writer: 'w1' }), openStoreLedger({ store: other, writer: 'w2' })];
    await one.recordJob(job());
    const facts = { error: 'x'.repeat(100), counters: { n: '0.5' } };
    const eventsOf = (writer: string, first: number) =>
      doneEvents(400, (task) => ({ ...facts, worker: writer, attempt: `${writer}-${task - first}` }), first);
    // Both record task 399. Of two attempts that are done, the one that ended first counts.
    await Promise.all([one.record(eventsOf('w1', 0)), two.record(eventsOf('w2', 399))]);
    await Promise.all([one.heartbeat(worker()), two.heartbeat(worker({ worker: 'w2', seenAt: T0 + 1 }))]);
    expect(await readCounts(two)).to.deep.include({ done: 799, seconds: 799, counters: { n: '399.5' } });
    const page = await one.attemptsOfJob('claims-1', { limit: 3, after: { step: 'price', task: 398, attempt: 'x' } });
    expect(page.map(({ attempt }) => attempt)).to.deep.equal(['w1-399', 'w2-0', 'w2-1']);
    expect((await one.workers({})).map((each) => each.worker)).to.deep.equal(['w2', 'w1']);
    await two.recordExact('claims-1', 0, [exactCounts({ done: 799, seconds: 799 })]);
    await two.recordJob(job({ state: 'succeeded', closedAt: T0 + 9 }));
    expect(await readCounts(one)).to.include({ done: 799, exact: true });
    await one.forget('claims-1');
    expect(await two.tasks('claims-1', { limit: 9 })).to.deep.equal([]);
    expect(await two.jobs({ states: ['succeeded'] })).to.have.nested.property('[0].pruned', true);
    expect(await readCounts(two)).to.include({ done: 799, exact: true });
  });
});
