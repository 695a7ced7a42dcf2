// Protects: a job's history on SimpleDB stays complete and in order, even when records are large or answers are lost.

import { Agent } from 'node:http';
import { expect } from 'chai';
import { SimpleDbObjects } from '../../../src/adapters/aws/simpledb-objects.ts';
import { openStoreLedger } from '../../../src/adapters/store/store-ledger.ts';
import { ledgerContract } from '../../contracts/ledger.ts';
import { event, readCounts, T0, worker } from '../../contracts/ledger-events.ts';
import { type LedgerPlace, ledgerPlace } from '../../contracts/ledger-place.ts';
import { Cleanup } from '../../support/cleanup.ts';
import { collect } from '../../support/collect.ts';
import { forEachTest, forSuite } from '../../support/fixture.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { readText } from '../../support/read-text.ts';
import { recordedStore } from '../../support/recorded-store.ts';
import { simpleDbOptions, startSimpleDb } from '../../support/servers/simpledb-server.ts';
import { keysBelow } from '../../support/stored.ts';
import { wrapStore } from '../../support/wrap-store.ts';

describe('the ledger on SimpleDB', () => {
  const agent = forSuite(() => new Agent({ keepAlive: true }));
  const server = forSuite(() => startSimpleDb());
  const cleanup = forEachTest(() => new Cleanup());
  let places = 0;

  const openObjects = async (store: MemoryStore, stack: string): Promise<SimpleDbObjects> => {
    const objects = new SimpleDbObjects({ ...simpleDbOptions(server.url, agent), stack, domains: 2, store });
    await objects.open();
    return objects;
  };

  const place = async (): Promise<LedgerPlace> => {
    const store = new MemoryStore();
    places += 1;
    const stack = `place${places}`;
    return ledgerPlace(
      async (options) => openStoreLedger({ store: await openObjects(store, stack), ...options }),
      () => [0, 1].map((n) => server.domains.remove(`${stack}-${n}`)),
    );
  };
  ledgerContract('items of SimpleDB', place, 50);

  it('keeps values over 1,024 bytes whole in the store, and deletes those that were replaced', async () => {
    const store = new MemoryStore();
    const objects = await openObjects(store, 'large');
    const key = 'ledger/tasks/claims-1/sums/t.w1.json';
    const large = async (): Promise<number> => (await keysBelow(store, 'ledger/large/')).length;
    for (const size of [1022, 1023, 1024, 50_000]) {
      await objects.put(key, 'ä'.repeat(size / 2));
      expect(await readText(objects, key)).to.equal('ä'.repeat(size / 2));
      expect(await large()).to.equal(size > 1023 ? 1 : 0);
    }
    await objects.delete([key]);
    expect(await objects.read(key)).to.equal(null);
    expect(await large()).to.equal(0);
  });

  it('puts a large value before the item that names it, and deletes it after that item', async () => {
    const store = new MemoryStore();
    const order: string[] = [];
    cleanup.replace(server.asked, 'push', (...requests) => {
      order.push(...requests.map(({ action }) => action).filter((action) => /^(Put|BatchDelete)/.test(action)));
      return order.length;
    });
    const watched = recordedStore(store, (method) => void order.push(`${method} large`));
    const options = { ...simpleDbOptions(server.url, agent), stack: 'order', domains: 2 };
    const objects = new SimpleDbObjects({ ...options, store: watched });
    await objects.open();
    const key = 'ledger/tasks/claims-1/sums/t.w1.json';
    const put = ['put large', 'PutAttributes'];
    for (const letter of ['x', 'y']) await objects.put(key, letter.repeat(5_000));
    expect(order.splice(0)).to.deep.equal([...put, ...put, 'delete large']);
    await objects.delete([key]);
    expect(order).to.deep.equal(['BatchDeleteAttributes', 'delete large']);
  });

  for (const [size, body] of [
    ['a small', 'mine'],
    ['a large', 'mine'.repeat(1_000)],
  ] as const) {
    it(`recognizes ${size} item as its own if the answer to its put was lost, and that of another writer as foreign`, async () => {
      const store = new MemoryStore();
      const objects = await openObjects(store, `lost-${body.length}`);
      const key = 'ledger/created/claims-1';
      server.loseAnswers(1);
      expect(await objects.put(key, body, { ifAbsent: true })).to.include({ created: true });
      expect(await readText(objects, key)).to.equal(body);
      server.loseAnswers(1);
      expect(await objects.put(key, 'other'.repeat(1_000), { ifAbsent: true })).to.include({ created: false });
      server.loseAnswers(0);
      const kept = await keysBelow(store, 'ledger/large/');
      expect(kept, 'nothing is left of the put that came too late').to.have.length(body.length > 1_023 ? 1 : 0);
      expect(await readText(objects, key)).to.equal(body);
    });
  }

  it("replaces an item's values: SimpleDB returns several values of one attribute in no order", async () => {
    const objects = await openObjects(new MemoryStore(), 'replaced');
    const key = 'ledger/created/claims-1';
    for (const body of ['one', 'two']) await objects.put(key, body);
    const stored = ['replaced-0', 'replaced-1'].flatMap((domain) =>
      server.domains.get(new Map(Object.entries({ DomainName: domain, ItemName: key }))),
    );
    expect(stored.map(([name]) => name).sort()).to.deep.equal(['e', 'v']);
    expect(await readText(objects, key)).to.equal('two');
  });

  it("reads an item's current value, even if it is replaced while it is read", async () => {
    const store = new MemoryStore();
    const writer = await openObjects(store, 'replacing');
    const key = 'ledger/created/claims-1';
    await writer.put(key, 'one'.repeat(1_000));
    let replaced = 0;
    const racing = wrapStore(store, {
      read: async (large, options) => {
        if (replaced++ < 3) await writer.put(key, `${replaced}`.repeat(2_000));
        return store.read(large, options);
      },
    });
    const objects = new SimpleDbObjects({
      ...simpleDbOptions(server.url, agent),
      stack: 'replacing',
      domains: 2,
      store: racing,
    });
    expect(await readText(objects, key)).to.equal('3'.repeat(2_000));
    const reads = server.asked.filter(({ parameters }) => parameters.get('Action') === 'GetAttributes');
    expect(reads.map(({ parameters }) => parameters.get('ConsistentRead')))
      .to.include('true')
      .and.not.include(undefined);
  });

  it('lets exactly one of twenty writers create an item, even when answers are lost', async () => {
    const store = new MemoryStore();
    const racers = await Promise.all(Array.from({ length: 20 }, () => openObjects(store, 'racers')));
    server.loseAnswers(1);
    const results = await Promise.all(
      racers.map((objects, n) => objects.put('ledger/created/claims-1', `${n}`, { ifAbsent: true })),
    ).finally(() => server.loseAnswers(0));
    expect(results.filter(({ created }) => created)).to.have.length(1);
    const winner = results.findIndex(({ created }) => created);
    expect(await readText(await openObjects(store, 'racers'), 'ledger/created/claims-1')).to.equal(`${winner}`);
  });

  it('spreads jobs over the domains, and returns each listing complete and in order', async () => {
    const store = new MemoryStore();
    const objects = await openObjects(store, 'spread');
    cleanup.replace(server.domains, 'pageCut', 7);
    server.domains.emptyPages = 1;
    const ledger = openStoreLedger({ store: objects, writer: 'w1' });
    for (let n = 0; n < 20; n += 1) await ledger.record([event('done', n, { job: `claims-${n}` })]);
    for (let n = 0; n < 20; n += 1) await ledger.heartbeat(worker({ worker: `w${n}`, seenAt: T0 + n }));
    const used = new Set(server.asked.map(({ parameters }) => parameters.get('DomainName')));
    expect([...used]).to.include.members(['spread-0', 'spread-1']);
    expect((await ledger.workers({})).map((each) => each.worker)).to.deep.equal(
      Array.from({ length: 20 }, (_, n) => `w${19 - n}`),
    );
    for (let n = 0; n < 20; n += 1) expect(await readCounts(ledger, `claims-${n}`)).to.include({ done: 1 });
  });

  it('lists from a key on, and keys with a quote, as a person may have one in the name', async () => {
    const objects = await openObjects(new MemoryStore(), 'quotes');
    for (const who of ["o'neil", 'a', 'z']) await objects.put(`ledger/workers/${who}/0.default`, '{}');
    expect(await collect(objects.keys("ledger/workers/o'neil/"))).to.deep.equal(["ledger/workers/o'neil/0.default"]);
    const from = async (key: string) => collect(objects.keys('ledger/workers/', { from: key }));
    expect(await from("ledger/workers/o'neil/0.default")).to.deep.equal([
      "ledger/workers/o'neil/0.default",
      'ledger/workers/z/0.default',
    ]);
    expect(await from("ledger/workers/o'neil/0.default0")).to.deep.equal(['ledger/workers/z/0.default']);
  });

  it('continues a listing after its last key when the page token is too old', async () => {
    const objects = await openObjects(new MemoryStore(), 'tokens');
    for (let n = 0; n < 9; n += 1) await objects.put(`ledger/workers/w${n}/0.default`, '{}');
    cleanup.replace(server.domains, 'pageCut', 4);
    const seen: string[] = [];
    for await (const key of objects.keys('ledger/workers/')) {
      seen.push(key);
      if (seen.length === 3) server.expireTokens();
    }
    expect(seen).to.deep.equal(Array.from({ length: 9 }, (_, n) => `ledger/workers/w${n}/0.default`));
  });
});
