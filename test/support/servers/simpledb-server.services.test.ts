// Protects: tests of the SimpleDB ledger can be trusted, because the test server follows Amazon's rules.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { forSuite } from '../fixture.ts';
import { QueryError } from '../grid/query.ts';
import { installed } from '../run/lacking.ts';
import { sharedForks } from './forks.ts';
import { SdbDomains } from './simpledb-domains.ts';
import { SDB_KEY, SDB_SECRET, startSimpleDb } from './simpledb-server.ts';

const run = promisify(execFile);
const AWS = join(import.meta.dirname, '../boot/bin/aws');

/** The client is not ours: `aws sdb`. */
describe('the SimpleDB test server, with the aws command line as client', () => {
  const server = forSuite(async () => {
    // Debian's CLI is loaded only once. Another CLI's Python is unknown, so each command loads it.
    if (installed('awscli') === '/usr/bin/aws') await sharedForks('aws-forks', '/usr/bin/python3');
    return startSimpleDb();
  });

  const aws = async (secret: string, ...words: readonly string[]): Promise<unknown> => {
    const { stdout } = await run(AWS, ['sdb', ...words, '--endpoint-url', server.url, '--output', 'json'], {
      env: {
        PATH: process.env.PATH ?? '',
        BATCHCTL_TEST_RUN: process.env.BATCHCTL_TEST_RUN ?? '',
        HOME: '/nonexistent',
        AWS_ACCESS_KEY_ID: SDB_KEY,
        AWS_SECRET_ACCESS_KEY: secret,
        AWS_DEFAULT_REGION: 'us-east-1',
        AWS_MAX_ATTEMPTS: '1',
      },
    });
    return stdout.trim() === '' ? null : JSON.parse(stdout);
  };
  const sdb = (...words: readonly string[]): Promise<unknown> => aws(SDB_SECRET, ...words);
  const refusal = async (...words: readonly string[]): Promise<string> => {
    try {
      await sdb(...words);
    } catch (error) {
      return /\((\w+)\)/.exec(String(error))?.[1] ?? String(error);
    }
    return 'none';
  };

  it('accepts a correct signature, and refuses a wrong one', async () => {
    await sdb('create-domain', '--domain-name', 'acme-0');
    expect(await sdb('list-domains')).to.deep.equal({ DomainNames: ['acme-0'] });
    const wrong = await aws('wrong', 'list-domains').then(String, String);
    expect(wrong).to.include('SignatureDoesNotMatch');
  });

  it('supports puts, conditions, batches, selects and pages as the client expects', async () => {
    const at = ['--domain-name', 'acme-0'];
    const put = (item: string, attributes: string, ...more: string[]) =>
      ['put-attributes', ...at, '--item-name', item, '--attributes', attributes, ...more] as const;
    await sdb(...put("it's & <1>", 'Name=v,Value=ä & <b>,Replace=true'));
    await sdb(...put("it's & <1>", 'Name=v,Value=second'));
    expect(await sdb('get-attributes', ...at, '--item-name', "it's & <1>")).to.deep.equal({
      Attributes: [
        { Name: 'v', Value: 'ä & <b>' },
        { Name: 'v', Value: 'second' },
      ],
    });
    expect(await refusal(...put("it's & <1>", 'Name=e,Value=1', '--expected', 'Name=v,Exists=false'))).to.equal(
      'ConditionalCheckFailed',
    );
    const items = (count: number) =>
      JSON.stringify(
        Array.from({ length: count }, (_, n) => ({
          Name: `n${String(n).padStart(2, '0')}`,
          Attributes: [{ Name: 'n', Value: String(n % 5), Replace: true }],
        })),
      );
    await sdb('batch-put-attributes', ...at, '--items', items(25));
    expect(await refusal('batch-put-attributes', ...at, '--items', items(26))).to.equal('NumberSubmittedItemsExceeded');
    const select = (expression: string) => sdb('select', '--select-expression', expression, '--consistent-read');
    // The client reads all pages.
    const paged = await select(
      "select itemName() from `acme-0` where n = '3' and itemName() > 'a' order by itemName() desc limit 2",
    );
    expect(paged).to.deep.equal({ Items: ['n23', 'n18', 'n13', 'n08', 'n03'].map((Name) => ({ Name })) });
    expect(await select("select count(*) from `acme-0` where itemName() like 'n%' and n != '1'"))
      .to.have.nested.property('Items[0].Attributes[0]')
      .that.deep.equals({ Name: 'Count', Value: '20' });
    await sdb('batch-delete-attributes', ...at, '--items', '[{"Name":"n00"},{"Name":"n01"}]');
    expect(await sdb('get-attributes', ...at, '--item-name', 'n01')).to.equal(null);
  });
});

describe('the SimpleDB test server', () => {
  const domains = new SdbDomains();
  domains.create('acme-0');
  const parameters = (more: Record<string, string>) => new Map(Object.entries({ DomainName: 'acme-0', ...more }));
  const put = (ItemName: string, more: Record<string, string>) => domains.put(parameters({ ItemName, ...more }));
  const names = (expression: string): readonly string[] => domains.select(expression, '').items.map(({ name }) => name);
  const code = (work: () => unknown): string => {
    try {
      work();
      return 'none';
    } catch (error) {
      return error instanceof QueryError ? error.code : String(error);
    }
  };
  const one = (value: string) => ({ 'Attribute.1.Name': 'v', 'Attribute.1.Value': value });
  before(() => {
    put('both', one('1'));
    put('both', one('2'));
    put('b', { ...one('1'), 'Attribute.1.Replace': 'true' });
    put('c', one("it's"));
  });

  it('supports the condition that an attribute is missing (ConditionalPut)', () => {
    const expected = (more: Record<string, string>) =>
      code(() => put('b', { ...one('1'), 'Expected.Name': 'v', ...more }));
    expect(expected({ 'Expected.Exists': 'false' })).to.equal('ConditionalCheckFailed');
    expect(expected({ 'Expected.Exists': 'false', 'Expected.Name': 'w' })).to.equal('none');
  });

  it('sorts only by a name with a predicate (SortingDataSelect)', () => {
    expect(code(() => names('select * from `acme-0` order by itemName()'))).to.equal('InvalidSortExpression');
    expect(names("select * from `acme-0` where itemName() > 'a' order by itemName() desc")[0]).to.equal('c');
  });

  it('requires quotes around values, and around names with special characters (QuotingRulesSelect)', () => {
    expect(code(() => names('select * from acme-0'))).to.equal('InvalidQueryExpression');
    expect(code(() => names('select * from `acme-0` where v = 1'))).to.equal('InvalidQueryExpression');
    expect(names("select * from `acme-0` where v = 'it''s'")).to.deep.equal(['c']);
    expect(names("select * from `acme-0` where `v` like '%2' and v like '2%'")).to.deep.equal(['both']);
  });

  it('matches an attribute if one of its values matches (RangeValueQueriesSelect)', () => {
    expect(names("select * from `acme-0` where v = '1'")).to.deep.equal(['b', 'both']);
    expect(names("select * from `acme-0` where v >= '1' and v < '2' and itemName() <= 'b'")).to.deep.equal(['b']);
  });

  it('allows 20 comparisons, 2,500 items a page and 256 values an item (SDBLimits)', () => {
    const many = Array.from({ length: 21 }, (_, n) => `v != '${n}'`).join(' and ');
    expect(code(() => names(`select * from \`acme-0\` where ${many}`))).to.equal('InvalidNumberPredicates');
    expect(code(() => names('select * from `acme-0` limit 2501'))).to.equal('InvalidNumberValueTests');
    for (let n = 0; n < 256; n += 1) put('full', one(`${n}`));
    expect(code(() => put('full', one('256')))).to.equal('NumberItemAttributesExceeded');
    expect(code(() => names('select * from `none`'))).to.equal('NoSuchDomain');
  });
});
