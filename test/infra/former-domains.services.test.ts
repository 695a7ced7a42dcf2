// Protects: SimpleDB domains of an earlier ledger are found and removed, and no one else's domains are.
import { expect } from 'chai';
import { AwsClients } from '../../src/adapters/aws/clients.ts';
import type { SimpleDbClient } from '../../src/adapters/aws/simpledb-client.ts';
import { simpleDb } from '../../src/infra/ledger.ts';
import { forSuite } from '../support/fixture.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { FaultProxy } from '../support/servers/fault-proxy.ts';
import { startSimpleDb } from '../support/servers/simpledb-server.ts';
import { StackWorkspace, well } from './stack-workspace.ts';

const DATA = ['--only', 'data'];

describe('domains of an earlier ledger of the profile', () => {
  const simpledb = forSuite(() => startSimpleDb());
  const proxy = forSuite(() => FaultProxy.start(simpledb.url));
  const cloud = forSuite(() => startCloud({ simpledb: proxy.url }));
  const workspace = forSuite(() => new StackWorkspace(cloud));
  let clients: AwsClients;
  let client: SimpleDbClient;

  before(async () => {
    const endpoints = { simpledb: simpledb.url };
    clients = new AwsClients({ region: 'us-east-1', profile: null, account: null, endpoints });
    client = simpleDb(clients);
  });
  after(async () => {
    await clients?.close();
  });

  const there = async (): Promise<readonly string[]> => {
    const found: string[] = [];
    for await (const domain of client.listDomains()) if (domain.startsWith(workspace.stack)) found.push(domain);
    return found.sort();
  };
  const leftOver = async (): Promise<readonly string[]> => {
    const { lines, stderr } = await workspace.here('infra', 'status', ...DATA);
    expect(stderr).not.to.include('SimpleDB');
    return lines.filter(({ state }) => state === 'leftOver').map(({ kind, name }) => `${kind} ${name}`);
  };
  /** A stack that had a ledger of three domains, one of which contains a ledger's item. */
  const hadThree = async (): Promise<readonly string[]> => {
    workspace.configure({ ledger: { kind: 'simpledb', domains: 3 } });
    expect((await workspace.here('infra', 'up', '--yes', ...DATA)).code).to.equal(0);
    await client.put(`${workspace.stack}-1`, { name: 'ledger/one', attributes: { e: '1', v: '-{}' } });
    return [0, 1, 2].map((n) => `${workspace.stack}-${n}`);
  };

  it('are reported, kept while the data is kept, and removed with it', async () => {
    const domains = await hadThree();
    expect(await leftOver()).to.deep.equal([]);
    workspace.configure({}, workspace.stack);
    expect(await leftOver()).to.deep.equal(domains.map((name) => `domain ${name}`));
    const kept = await well(workspace.downHere());
    const said = (lines: typeof kept) =>
      lines.filter(({ kind }) => kind === 'domain').map(({ name, outcome }) => `${name} ${outcome}`);
    expect(said(kept).sort()).to.deep.equal(domains.map((name) => `${name} kept`));
    expect(await there()).to.deep.equal(domains);
    const gone = await well(workspace.downHere('--delete-data'));
    expect(said(gone).sort()).to.deep.equal(domains.map((name) => `${name} removed`));
    expect(await there()).to.deep.equal([]);
  });

  it('are removed when the ledger now has fewer of them', async () => {
    const domains = await hadThree();
    workspace.configure({ ledger: { kind: 'simpledb', domains: 2 } }, workspace.stack);
    expect(await leftOver()).to.deep.equal([`domain ${domains[2]}`]);
    await well(workspace.downHere('--delete-data'));
    expect(await there()).to.deep.equal([]);
  });

  it('are left alone if they contain items that no ledger writes: the name may be a coincidence', async () => {
    workspace.configure();
    const theirs = `${workspace.stack}-7`;
    await client.createDomain(theirs);
    await client.put(theirs, { name: 'theirs', attributes: { colour: 'red' } });
    expect(await leftOver()).to.deep.equal([]);
    expect((await workspace.downHere('--delete-data')).code).to.equal(0);
    expect(await there()).to.deep.equal([theirs]);
  });

  it('do not break infra status if SimpleDB is missing, denies access or does not answer', async () => {
    await hadThree();
    workspace.configure({}, workspace.stack);
    cloud.failNext('sdb:ListDomains', 503, 'ServiceUnavailable', 'not here', 2);
    expect(await leftOver()).to.deep.equal([]);
    cloud.failNext('sdb:ListDomains', 403, 'AuthorizationFailure', 'not you');
    expect(await leftOver()).to.deep.equal([]);
    proxy.fail(Number.POSITIVE_INFINITY, { kind: 'hang' });
    expect(await leftOver()).to.deep.equal([]);
    proxy.heal();
  });
});
