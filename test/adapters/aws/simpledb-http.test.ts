// Protects: SimpleDB accepts the requests that batchctl signs, with the keys of a user or of a role.

import { expect } from 'chai';
import { canonicalQuery } from '../../../src/adapters/aws/signature.ts';
import { signSimpleDb } from '../../../src/adapters/aws/simpledb-http.ts';

/** Vectors that botocore's SigV2Auth produced for the same request. */
const SELECT = {
  Action: 'Select',
  ConsistentRead: 'true',
  SelectExpression: "select * from `my-dom` where a = 'x~y z*é'",
};
const at = (sessionToken?: string) => ({
  host: 'sdb.amazonaws.com',
  now: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
  credentials: {
    accessKeyId: 'AKIDEXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
    sessionToken,
  },
});

describe('the signature of a SimpleDB request', () => {
  it("matches botocore's", () => {
    expect(signSimpleDb(SELECT, at()).Signature).to.equal('YvQ6wyFP7l5WmbHXKJEb+RjRDNI9MRTo0bm/s5VQ1P0=');
  });

  it("covers the session token of a role, as botocore's does", () => {
    const signed = signSimpleDb(SELECT, at('TOK/EN+=='));
    expect(signed.Signature).to.equal('kKxYxKewTqg+uuQoLJIYuDVa2ompqWMCcYHj98nysJo=');
    expect(signed.SecurityToken).to.equal('TOK/EN+==');
  });

  it('signs the same canonical request as botocore', () => {
    const { Signature, ...signed } = signSimpleDb(SELECT, at());
    expect(Signature).to.have.length(44);
    expect(canonicalQuery(signed)).to.equal(
      'AWSAccessKeyId=AKIDEXAMPLE&Action=Select&ConsistentRead=true&SelectExpression=select%20%2A%20from%20%60my-dom%60%20where%20a%20%3D%20%27x~y%20z%2A%C3%A9%27&SignatureMethod=HmacSHA256&SignatureVersion=2&Timestamp=2026-01-02T03%3A04%3A05Z&Version=2009-04-15',
    );
  });

  it('sorts by bytes and leaves only the unreserved characters unescaped', () => {
    expect(canonicalQuery({ 'Item.2.a': "!'()*", 'Item.10.a': '-_.~', AWSAccessKeyId: ' +', Action: '/' })).to.equal(
      'AWSAccessKeyId=%20%2B&Action=%2F&Item.10.a=-_.~&Item.2.a=%21%27%28%29%2A',
    );
  });

  it('ignores the case of the host, and includes its port', () => {
    const one = signSimpleDb(SELECT, { ...at(), host: 'LOCALHOST:1' }).Signature;
    expect(one).to.equal(signSimpleDb(SELECT, { ...at(), host: 'localhost:1' }).Signature);
    expect(one).to.not.equal(signSimpleDb(SELECT, { ...at(), host: 'localhost:2' }).Signature);
  });
});
