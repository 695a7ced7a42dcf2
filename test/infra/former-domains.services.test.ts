// Protects: SimpleDB domains of an earlier ledger are found and removed, and no one else's domains are.
import { expect } from 'chai';
import { AwsClients } from '../../src/adapters/aws/clients.ts';
import type { SimpleDbClient } from '../../src/adapters/aws/simpledb-client.ts';
import { simpleDb } from '../../src/infra/ledger.ts';
import { HOME_TAG, STACK_TAG } from '../../src/lib/stack-names.ts';
import { forSuite } from '../support/fixture.ts';
import { accountClients } from '../support/grid/account-clients.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { FaultProxy } from '../support/servers/fault-proxy.ts';
import { startSimpleDb } from '../support/servers/simpledb-server.ts';
import { type Line, StackWorkspace } from './stack-workspace.ts';

const DATA = ['--only', 'data'];

describe('domains of an earlier ledger of the profile', () => {
  const simpledb = forSuite(() => startSimpleDb());
  const proxy = forSuite(() => FaultProxy.start(simpledb.url));
  const cloud = forSuite(() => startCloud({ simpledb: proxy.url }));
  const account = forSuite(() => accountClients(cloud));
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

  const domainNames = async (): Promise<readonly string[]> => {
    const found: string[] = [];
    for await (const domain of client.listDomains()) if (domain.startsWith(workspace.stack)) found.push(domain);
    return found.sort();
  };
  const leftOver = async (): Promise<readonly string[]> => {
    const { lines, stderr } = await workspace.output('infra', 'status', ...DATA);
    expect(stderr).not.to.include('SimpleDB');
    return lines.filter(({ state }) => state === 'leftOver').map(({ kind, name }) => `${kind} ${name}`);
  };
  /** Creates a stack with a ledger of three domains, one of which contains a ledger's item. */
  const createThree = async (): Promise<readonly string[]> => {
    workspace.configure({ ledger: { kind: 'simpledb', domains: 3 } });
    await workspace.up(...DATA);
    await client.put(`${workspace.stack}-1`, { name: 'ledger/one', attributes: { e: '1', v: '-{}' } });
    return [0, 1, 2].map((n) => `${workspace.stack}-${n}`);
  };

  it('are reported, kept while the data is kept, and removed with it', async () => {
    const domains = await createThree();
    expect(await leftOver()).to.deep.equal([]);
    workspace.configure({}, workspace.stack);
    expect(await leftOver()).to.deep.equal(domains.map((name) => `domain ${name}`));
    const outcomes = (lines: readonly Line[]) =>
      lines.filter(({ kind }) => kind === 'domain').map(({ name, outcome }) => `${name} ${outcome}`);
    expect(outcomes(await workspace.down()).sort()).to.deep.equal(domains.map((name) => `${name} kept`));
    expect(await domainNames()).to.deep.equal(domains);
    const removed = outcomes(await workspace.down('--delete-data'));
    expect(removed.sort()).to.deep.equal(domains.map((name) => `${name} removed`));
    expect(await domainNames()).to.deep.equal([]);
  });

  it('of the ledger itself are named one by one, like those of an earlier one', async () => {
    const domains = await createThree();
    const outcomes = (lines: readonly Line[]) =>
      lines.filter(({ kind }) => kind === 'domain').map(({ name, outcome }) => `${name} ${outcome}`);
    expect(outcomes(await workspace.down()).sort()).to.deep.equal(domains.map((name) => `${name} kept`));
    await client.deleteDomain(domains[1] ?? '');
    const removed = outcomes(await workspace.down('--delete-data'));
    expect(removed.sort()).to.deep.equal([`${domains[0]} removed`, `${domains[2]} removed`]);
    expect(await domainNames()).to.deep.equal([]);
  });

  it('are removed when the ledger now has fewer of them', async () => {
    const domains = await createThree();
    workspace.configure({ ledger: { kind: 'simpledb', domains: 2 } }, workspace.stack);
    expect(await leftOver()).to.deep.equal([`domain ${domains[2]}`]);
    await workspace.down('--delete-data');
    expect(await domainNames()).to.deep.equal([]);
  });

  it('are left alone if they contain items that no ledger writes: the name may be a coincidence', async () => {
    workspace.configure();
    const theirs = `${workspace.stack}-7`;
    await client.createDomain(theirs);
    await client.put(theirs, { name: 'theirs', attributes: { colour: 'red' } });
    expect(await leftOver()).to.deep.equal([]);
    await workspace.down('--delete-data');
    expect(await domainNames()).to.deep.equal([theirs]);
  });

  it('are kept, like those of the ledger, while another home has a stack of the same name', async () => {
    const domains = await createThree();
    workspace.configure({ ledger: { kind: 'simpledb', domains: 2 } }, workspace.stack);
    const home = 'us-east-1/theirs/';
    const tags = { [STACK_TAG]: workspace.stack, [HOME_TAG]: home };
    const { QueueUrl } = await account.sqs.createQueue({ QueueName: `${workspace.stack}-theirs`, tags });
    const kept = (await workspace.down('--delete-data')).filter(({ kind }) => kind === 'domain');
    expect(kept.map(({ name, outcome }) => `${name} ${outcome}`).sort()).to.deep.equal(
      domains.map((name) => `${name} kept`),
    );
    for (const { why } of kept) expect(why).to.equal(`the stack of the same name of ${home} may use it`);
    expect(await domainNames()).to.deep.equal(domains);
    await account.sqs.deleteQueue({ QueueUrl });
    await workspace.down('--delete-data');
    expect(await domainNames()).to.deep.equal([]);
  });

  it('do not break infra status if SimpleDB is missing, denies access or does not answer', async () => {
    await createThree();
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
