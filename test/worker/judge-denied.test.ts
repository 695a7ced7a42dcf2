// Protects: a job that is paused for a denied input names the configuration entry that lets workers read it.
import { expect } from 'chai';
import { entryAllowing } from '../../src/worker/outcome.ts';

const KEY = 'arn:aws:kms:eu-west-1:111122223333:key/0a-1';
const OBJECT = 's3:GetObject on arn:aws:s3:::raw/claims/2026/a.csv';

describe('the entry that lets workers read a denied input', () => {
  const of = (denied: string, message = `${denied} is denied`): string | null =>
    entryAllowing({ message, denied, group: 'gpu', store: { location: 's3://own/batchctl' } });

  it("names the group's keys if the key is denied, and its read with the input's folder if the object is", () => {
    const denied = `kms:Decrypt on ${KEY}`;
    expect(of(denied, `${denied} is denied, which ${OBJECT} needs`)).to.include(`add ${KEY} to groups.gpu.keys`);
    expect(of(OBJECT)).to.include('add s3://raw/claims/2026/ to groups.gpu.read');
    expect(of('s3:GetObject on arn:aws:s3:::raw/a.csv')).to.include('add s3://raw/ to groups.gpu.read');
  });

  it("is missing for the profile's own bucket, whose permissions come from `infra up`, and if no object is named", () => {
    expect(of('s3:GetObject on arn:aws:s3:::own/batchctl/data/a')).to.match(/^batchctl infra up --only iam gives/);
    const denied = `kms:GenerateDataKey on ${KEY}`;
    const put = `${denied} is denied, which s3:PutObject on arn:aws:s3:::own/batchctl/jobs/a needs`;
    expect(of(denied, put)).to.include(`set kmsKey of the profile to ${KEY}`);
    expect(of('ssm:GetParameter on arn:aws:ssm:eu-west-1:1:parameter/a')).to.equal(null);
  });
});
