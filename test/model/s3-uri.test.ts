// Protects: s3:// addresses are read correctly, and malformed ones are refused.
import { expect } from 'chai';
import { isS3Uri, parseS3Uri } from '../../src/model/s3-uri.ts';

describe('s3:// names', () => {
  it('name a bucket and a key in it, or the bucket alone', () => {
    expect(parseS3Uri('s3://acme-data/in/a b.csv')).to.deep.equal({ bucket: 'acme-data', key: 'in/a b.csv' });
    expect(parseS3Uri('s3://acme.data.eu/in/')).to.deep.equal({ bucket: 'acme.data.eu', key: 'in/' });
    expect(parseS3Uri('s3://acme-data')).to.deep.equal({ bucket: 'acme-data', key: '' });
    expect(parseS3Uri('s3://acme-data/')).to.deep.equal({ bucket: 'acme-data', key: '' });
  });

  for (const text of ['s3:acme/a', 's3://a/b', 's3://Acme/a', 's3://acme_data/a', 's3:///a', 'S3://acme-data/a', 'a']) {
    it(`${text} names nothing`, () => {
      expect(parseS3Uri(text)).to.equal(null);
      expect(isS3Uri(text)).to.equal(/^s3:/i.test(text));
    });
  }
});
