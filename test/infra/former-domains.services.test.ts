// Protects: SimpleDB domains of an earlier ledger are found and removed, and nobody else's domains are.
import { expect } from 'chai';
import { AwsClients } from '../../src/adapters/aws/clients.ts';
import type { SimpleDbClient } from '../../src/adapters/aws/simpledb-client.ts';
import { simpleDb } from '../../src/infra/ledger.ts';
import { type Cloud, startCloud } from '../support/grid/cloud.ts';
import { FaultProxy } from '../support/servers/fault-proxy.ts';
import { type SimpleDbServer, startSimpleDb } from '../support/servers/simpledb-server.ts';
import { StackDesk } from './stack-desk.ts';

const DATA = ['--only', 'data'];

describe('domains of an earlier ledger of the profile', () => {
  let simpledb: SimpleDbServer;
  let proxy: FaultProxy;
  let cloud: Cloud;
  let desk: StackDesk;
  let clients: AwsClients;
  let client: SimpleDbClient;

  before(async () => {
    simpledb = await startSimpleDb();
    proxy = await FaultProxy.start(simpledb.url);
    cloud = await startCloud({ simpledb: proxy.url });
    desk = new StackDesk(cloud);
    const endpoints = { simpledb: simpledb.url };
    clients = new AwsClients({ region: 'us-east-1', profile: null, account: null, endpoints });
    client = simpleDb(clients);
  });
  after(async () => {
    await clients?.close();
    await desk?.remove();
    await cloud?.close();
    await proxy?.close();
    await simpledb?.close();
  });

  const there = async (): Promise<readonly string[]> => {
    const found: string[] = [];
    for await (const domain of client.listDomains()) if (domain.startsWith(desk.stack)) found.push(domain);
    return found.sort();
  };
  const down = (...args: readonly string[]) => desk.here('infra', 'down', '--confirm', desk.stack, ...args);
  const leftOver = async (): Promise<readonly string[]> => {
    const { lines, stderr } = await desk.here('infra', 'status', ...DATA);
    expect(stderr).not.to.include('SimpleDB');
    return lines.filter(({ state }) => state === 'leftOver').map(({ kind, name }) => `${kind} ${name}`);
  };
  /** A stack that had a ledger of three domains, one of which holds what a ledger puts. */
  const hadThree = async (): Promise<readonly string[]> => {
    desk.configure({ ledger: { kind: 'simpledb', domains: 3 } });
    expect((await desk.here('infra', 'up', '--yes', ...DATA)).code).to.equal(0);
    await client.put(`${desk.stack}-1`, { name: 'ledger/one', attributes: { e: '1', v: '-{}' } });
    return [0, 1, 2].map((n) => `${desk.stack}-${n}`);
  };

  it('are reported, kept while the data is kept, and removed with it', async () => {
    const domains = await hadThree();
    expect(await leftOver()).to.deep.equal([]);
    desk.configure({}, desk.stack);
    expect(await leftOver()).to.deep.equal(domains.map((name) => `domain ${name}`));
    const kept = await down();
    expect(kept.code, kept.stderr).to.equal(0);
    const said = ({ lines }: typeof kept) =>
      lines.filter(({ kind }) => kind === 'domain').map(({ name, outcome }) => `${name} ${outcome}`);
    expect(said(kept).sort()).to.deep.equal(domains.map((name) => `${name} kept`));
    expect(await there()).to.deep.equal(domains);
    const gone = await down('--delete-data');
    expect(gone.code, gone.stderr).to.equal(0);
    expect(said(gone).sort()).to.deep.equal(domains.map((name) => `${name} removed`));
    expect(await there()).to.deep.equal([]);
  });

  it('are removed when the ledger now has fewer of them', async () => {
    const domains = await hadThree();
    desk.configure({ ledger: { kind: 'simpledb', domains: 2 } }, desk.stack);
    expect(await leftOver()).to.deep.equal([`domain ${domains[2]}`]);
    const { code, stderr } = await down('--delete-data');
    expect(code, stderr).to.equal(0);
    expect(await there()).to.deep.equal([]);
  });

  it('are left alone if they hold items that no ledger writes: the name may be a coincidence', async () => {
    desk.configure();
    const theirs = `${desk.stack}-7`;
    await client.createDomain(theirs);
    await client.put(theirs, { name: 'theirs', attributes: { colour: 'red' } });
    expect(await leftOver()).to.deep.equal([]);
    expect((await down('--delete-data')).code).to.equal(0);
    expect(await there()).to.deep.equal([theirs]);
  });

  it('do not break infra status if SimpleDB is missing, refuses or does not answer', async () => {
    await hadThree();
    desk.configure({}, desk.stack);
    cloud.failNext('sdb:ListDomains', 503, 'ServiceUnavailable', 'not here', 2);
    expect(await leftOver()).to.deep.equal([]);
    cloud.failNext('sdb:ListDomains', 403, 'AuthorizationFailure', 'not you');
    expect(await leftOver()).to.deep.equal([]);
    proxy.fail(Number.POSITIVE_INFINITY, { kind: 'hang' });
    expect(await leftOver()).to.deep.equal([]);
    proxy.heal();
  });
});
