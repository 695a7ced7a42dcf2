// Protects: a database URL is parsed and encrypted as it says, and a bad one is rejected without showing its password.

import { expect } from 'chai';
import { parseServerUrl } from '../../../src/adapters/sql/server-options.ts';
import { isBatchctlError } from '../../../src/errors.ts';

describe("a database server's URL", () => {
  it('contains host, port, user and database', () => {
    expect(parseServerUrl('postgres://ann%40x@db.example.com/claims', 'postgres', false)).to.deep.equal({
      host: 'db.example.com',
      port: 5432,
      user: 'ann@x',
      database: 'claims',
      tls: true,
    });
    expect(parseServerUrl('mysql://ann@[::1]:3307/c%2Fd', 'mysql', false)).to.deep.equal({
      host: '::1',
      port: 3307,
      user: 'ann',
      database: 'c/d',
      tls: false,
    });
    expect(parseServerUrl('postgresql://a@h/d', 'postgres', false).host).to.equal('h');
  });

  for (const [url, hasCa, tls] of [
    ['postgres://a@db.example.com/d', false, true],
    ['postgres://a@db.example.com/d?sslmode=disable', true, false],
    ['postgres://a@localhost/d', false, false],
    ['postgres://a@127.0.0.1/d', false, false],
    ['postgres://a@127.0.0.1/d', true, true],
    ['postgres://a@localhost/d?sslmode=verify-full', false, true],
    ['postgres://a@127.0.0.1.example.com/d', false, true],
  ] as const) {
    it(`${url}${hasCa ? ' with an authority' : ''} is ${tls ? 'encrypted and verified' : 'plain'}`, () => {
      expect(parseServerUrl(url, 'postgres', hasCa).tls).to.equal(tls);
    });
  }

  for (const [url, found] of [
    ['postgres://ann:s3cret@db/d', 'a password in it'],
    ['s3cret', 'another text'],
    ['mysql://ann@db/d?x=s3cret', 'another text'],
    ['postgres://ann@db/', 'no database'],
    ['postgres://db/d', 'no user'],
    ['postgres://ann@db/d?password=s3cret', 'the parameter password'],
    ['postgres://ann@db/d?sslmode=require', 'an sslmode other'],
    ['postgres://ann@db:s3cret/d', 'another text'],
  ] as const) {
    it(`is rejected for ${found} (${url.replace('s3cret', '...')}), without being shown`, () => {
      try {
        parseServerUrl(url, 'postgres', false);
        expect.fail('the URL was accepted');
      } catch (error) {
        if (!isBatchctlError(error)) throw error;
        expect(error.kind).to.equal('config');
        expect(error.message).to.contain(found);
        expect(`${error.message} ${error.hint} ${String(error.cause)}`).not.to.contain('s3cret');
      }
    });
  }
});
