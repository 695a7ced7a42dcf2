// Protects: a job's history kept in S3 is complete for every process, from submission to pruning.

import { expect } from 'chai';
import { createS3Store } from '../../../src/adapters/aws/s3-store.ts';
import { openStoreLedger } from '../../../src/adapters/store/store-ledger.ts';
import { event, job, T0, worker } from '../../contracts/ledger-events.ts';
import { sharedMoto } from '../../support/servers/moto.ts';
import type { Endpoint } from '../../support/servers/shared.ts';
import { clientsOf, openBench } from '../aws/s3-bench.ts';

describe('the store ledger in S3', () => {
  let moto: Endpoint;
  before(async () => {
    moto = await sharedMoto();
  });

  it('remembers a job from its start to its pruning, recorded by two processes', async () => {
    const { store, clients, bucket } = await openBench(moto.url);
    const others = clientsOf(moto.url);
    try {
      const other = await createS3Store({ clients: others, bucket, prefix: 'batchctl/stack/', kmsKey: null });
      const [one, two] = [openStoreLedger({ store, writer: 'w1' }), openStoreLedger({ store: other, writer: 'w2' })];
      await one.recordJob(job());
      const tasks = (first: number, w: string) =>
        Array.from({ length: 400 }, (_, n) =>
          event('done', first + n, { worker: w, attempt: `${w}-${n}`, error: 'x'.repeat(100), counters: { n: '0.5' } }),
        );
      // Both record task 399. Of two that say done, the one that ended first counts.
      await Promise.all([one.record(tasks(0, 'w1')), two.record(tasks(399, 'w2'))]);
      await Promise.all([one.heartbeat(worker()), two.heartbeat(worker({ worker: 'w2', seenAt: T0 + 1 }))]);
      expect((await two.counts('claims-1'))[0]).to.deep.include({ done: 799, seconds: 799, counters: { n: '399.5' } });
      const page = await one.attemptsOfJob('claims-1', { limit: 3, after: { step: 'price', task: 398, attempt: 'x' } });
      expect(page.map(({ attempt }) => attempt)).to.deep.equal(['w1-399', 'w2-0', 'w2-1']);
      expect((await one.workers({})).map((each) => each.worker)).to.deep.equal(['w2', 'w1']);
      const exact = { step: 'price', done: 799, failed: 0, bytesIn: 0, bytesOut: 0, seconds: 799, counters: {} };
      await two.recordExact('claims-1', 0, [exact]);
      await two.recordJob(job({ state: 'succeeded', closedAt: T0 + 9 }));
      expect((await one.counts('claims-1'))[0]).to.include({ done: 799, exact: true });
      await one.forget('claims-1');
      expect(await two.tasks('claims-1', { limit: 9 })).to.deep.equal([]);
      expect(await two.jobs({ states: ['succeeded'] })).to.have.nested.property('[0].pruned', true);
      expect((await two.counts('claims-1'))[0]).to.include({ done: 799, exact: true });
    } finally {
      await Promise.all([clients.close(), others.close()]);
    }
  });
});
