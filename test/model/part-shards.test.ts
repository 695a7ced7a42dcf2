// Protects: where the line of each part lies, for whoever reads one part and whoever reads all of them in order.
import { expect } from 'chai';
import { partPlace, partShards } from '../../src/model/part-shards.ts';

describe('part shards', () => {
  it('lists no shard for no part, and the last one with the parts that remain', () => {
    expect([...partShards({ job: 'j', parts: 0 })]).to.deep.equal([]);
    expect([...partShards({ job: 'j', parts: 10_000 })]).to.deep.equal([
      { key: 'jobs/j/parts/00000.ndjson', first: 0, count: 10_000 },
    ]);
    expect([...partShards({ job: 'j', parts: 20_001 })]).to.deep.equal([
      { key: 'jobs/j/parts/00000.ndjson', first: 0, count: 10_000 },
      { key: 'jobs/j/parts/00001.ndjson', first: 10_000, count: 10_000 },
      { key: 'jobs/j/parts/00002.ndjson', first: 20_000, count: 1 },
    ]);
  });

  it('finds each part where the list of shards has it', () => {
    const job = { job: 'j', parts: 20_001 };
    for (const { key, first, count } of partShards(job)) {
      expect(partPlace(job, first)).to.deep.equal({ key, line: 0 });
      expect(partPlace(job, first + count - 1)).to.deep.equal({ key, line: count - 1 });
    }
  });
});
