// Protects: records written to SimpleDB read back complete, through throttling, lost answers and a wrong clock.

import { Agent } from 'node:http';
import { expect } from 'chai';
import { SimpleDbClient } from '../../../src/adapters/aws/simpledb-client.ts';
import { type SimpleDbOptions, simpleDbCode } from '../../../src/adapters/aws/simpledb-http.ts';
import { Cleanup } from '../../support/cleanup.ts';
import { collect } from '../../support/collect.ts';
import { forEachTest, forSuite } from '../../support/fixture.ts';
import { failsWith, rejection } from '../../support/rejection.ts';
import { FaultProxy } from '../../support/servers/fault-proxy.ts';
import { startMoto } from '../../support/servers/moto.ts';
import { simpleDbOptions, startSimpleDb } from '../../support/servers/simpledb-server.ts';

describe('the SimpleDB client', () => {
  const agent = forSuite(() => new Agent({ keepAlive: true }));
  const server = forEachTest(() => startSimpleDb());
  const cleanup = forEachTest(() => new Cleanup());
  const clientOf = (url = server.url, options: Partial<SimpleDbOptions> = {}): SimpleDbClient =>
    new SimpleDbClient(simpleDbOptions(url, agent, options));
  const client = forEachTest(() => clientOf());
  beforeEach(() => client.createDomain('acme-0'));

  const selectNames = async (expression: string): Promise<string[]> => {
    const found: string[] = [];
    for (let token = ''; ; ) {
      const page = await client.select(expression, token);
      found.push(...page.items.map(({ name }) => name));
      token = page.token;
      if (token === '') return found;
    }
  };
  const items = (count: number) =>
    Array.from({ length: count }, (_, n) => ({ name: `i${String(n).padStart(4, '0')}`, attributes: { n: String(n) } }));

  it('returns the stored attributes, with all characters that SimpleDB accepts', async () => {
    const attributes = { a: `x & <y> "z" 'ä' &amp; \r\n\t\u{1f600}`, b: '', 'c d': '  spaces  ', e: '\u0001\ufffe' };
    await client.put('acme-0', { name: "it's/one & two", attributes });
    expect(await client.get('acme-0', "it's/one & two")).to.deep.equal(attributes);
    expect(await client.get('acme-0', 'none')).to.equal(null);
  });

  it('replaces the old value, without adding a second one', async () => {
    await client.put('acme-0', { name: 'a', attributes: { v: '1', w: '1' } });
    await client.putAll('acme-0', [{ name: 'a', attributes: { v: '2' } }]);
    expect((await client.select('select v, w from `acme-0`', '')).items).to.deep.equal([
      { name: 'a', attributes: { v: '2', w: '1' } },
    ]);
  });

  it('puts and deletes any number of items, 25 per request', async () => {
    await client.putAll('acme-0', items(60));
    expect(await client.count('select count(*) from `acme-0`')).to.equal(60);
    await client.deleteAll('acme-0', [...items(55).map(({ name }) => name), 'none']);
    expect(await selectNames('select itemName() from `acme-0`')).to.have.length(5);
    const actions = server.asked.map(({ action }) => action);
    expect(actions.filter((action) => action === 'BatchPutAttributes')).to.have.length(3);
    expect(actions.filter((action) => action === 'BatchDeleteAttributes')).to.have.length(3);
  });

  it('puts only a missing item if requested, and recognizes the refusal by its code', async () => {
    await client.put('acme-0', { name: 'a', attributes: { e: '1' } }, 'e');
    const error = await rejection(client.put('acme-0', { name: 'a', attributes: { e: '2' } }, 'e'));
    expect(simpleDbCode(error)).to.equal('ConditionalCheckFailed');
    expect(await client.get('acme-0', 'a')).to.deep.equal({ e: '1' });
  });

  it('continues after short pages, empty pages and partial counts', async () => {
    await client.putAll('acme-0', items(250));
    server.domains.pageCut = 40;
    server.domains.emptyPages = 2;
    const expected = items(250).map(({ name }) => name);
    const expression = "select n from `acme-0` where itemName() > 'i0009' order by itemName() desc";
    expect(await selectNames(expression)).to.deep.equal(expected.slice(10).reverse());
    server.domains.emptyPages = 1;
    expect(await client.count('select count(*) from `acme-0` where n is not null')).to.equal(250);
  });

  it('reads what was written before, in every page: each select and get is consistent', async () => {
    await client.putAll('acme-0', items(30));
    server.domains.pageCut = 10;
    await selectNames('select n from `acme-0`');
    await client.count('select count(*) from `acme-0`');
    await client.get('acme-0', 'i0001');
    const reads = server.asked.filter(({ action }) => action === 'Select' || action === 'GetAttributes');
    expect(reads.length).to.be.greaterThan(6);
    expect(new Set(reads.map(({ parameters }) => parameters.get('ConsistentRead')))).to.deep.equal(new Set(['true']));
  });

  it('lists more domains than one page holds', async () => {
    for (let n = 1; n < 120; n += 1) await client.createDomain(`acme-${n}`);
    expect(new Set(await collect(client.listDomains())).size).to.equal(120);
    await client.deleteDomain('acme-3');
    await client.deleteDomain('acme-3');
  });

  it('retries while it is throttled, signing again, and gives up as unavailable', async () => {
    server.throttle(3);
    await client.put('acme-0', { name: 'a', attributes: { e: '1' } });
    server.throttle(100);
    const error = await failsWith('unavailable', client.get('acme-0', 'a'));
    expect(error.message).to.include('AWS limits the request rate').and.include('after 8 attempts');
  });

  it('survives resets and lost answers', async () => {
    const proxy = cleanup.use(await FaultProxy.start(server.url));
    // The proxy preserves the host, which the signature includes.
    const proxied = clientOf(proxy.url);
    proxy.fail(1, { kind: 'reset' });
    proxy.fail(1, { kind: 'lost' });
    proxy.fail(1, { kind: 'cut', after: 10 });
    proxy.fail(1, { kind: 'answer', status: 502, body: '<html>bad gateway' });
    await proxied.put('acme-0', { name: 'a', attributes: { e: '1' } });
    expect(await proxied.get('acme-0', 'a')).to.deep.equal({ e: '1' });
  });

  it("corrects a wrong clock by the server's time", async () => {
    server.setClock(3_600_000);
    await client.put('acme-0', { name: 'a', attributes: { e: '1' } });
    server.setClock(0);
    expect(await client.get('acme-0', 'a')).to.deep.equal({ e: '1' });
  });

  it('says how to fix rejected credentials and a missing domain', async () => {
    const credentials = async () => ({ accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wrong' });
    await failsWith('credentials', clientOf(server.url, { credentials }).get('acme-0', 'a'));
    const error = await failsWith('notFound', client.get('acme-9', 'a'));
    expect(error.message).to.include('arn:aws:sdb:eu-west-1:*:domain/acme-9');
  });

  it('rejects items over the limits, and then stores no item of the batch', async () => {
    const long = { name: 'b', attributes: { v: 'ä'.repeat(513) } };
    const error = await rejection(client.putAll('acme-0', [{ name: 'a', attributes: { v: '1' } }, long]));
    expect(simpleDbCode(error)).to.equal('InvalidParameterValue');
    expect(await selectNames('select * from `acme-0`')).to.deep.equal([]);
    await client.put('acme-0', { name: 'b', attributes: { v: 'ä'.repeat(512) } });
  });

  describe('on moto', () => {
    const moto = forSuite(() => startMoto());

    it('creates and lists domains, puts and gets', async () => {
      const onMoto = clientOf(moto.url);
      await onMoto.createDomain('acme-7');
      await onMoto.put('acme-7', { name: 'a', attributes: { e: '1', v: 'x' } });
      await onMoto.put('acme-7', { name: 'a', attributes: { e: '2' } });
      expect(await onMoto.get('acme-7', 'a')).to.deep.equal({ e: '2', v: 'x' });
      expect(await collect(onMoto.listDomains())).to.include('acme-7');
    });
  });
});
