// Protects: tags that a service would reject stop infra up before anything is created, not halfway.
import { expect } from 'chai';
import type { StackPart } from '../../src/infra/resource.ts';
import { validateTags } from '../../src/infra/tags.ts';
import { awsProfile } from '../support/aws-profile.ts';

describe('tags', () => {
  const found = async (
    tags: object,
    fields: object = {},
    only: StackPart | null = null,
  ): Promise<readonly string[]> => {
    const all = validateTags(await awsProfile({ ...fields, tags }), (part) => only === null || only === part);
    for (const { severity, fix } of all) expect([severity, fix]).to.deep.equal(['fail', fix]);
    return all.map(({ message }) => message);
  };
  const EXISTING_PROFILES = { iam: { workerProfile: 'theirs', managerProfile: 'theirs' } };
  const EXISTING_BUCKET = { bucket: { name: 'acme', existing: true } };

  it('are accepted with every character that all services accept, and with empty values', async () => {
    const plain = { 'Cost Center/Zürich_1': 'a.b:c/d=e+f-g@h 東京', empty: '', ['k'.repeat(127)]: 'v'.repeat(256) };
    expect(await found(plain, { manager: {} })).to.deep.equal([]);
  });

  it('are rejected if IAM, S3 or EC2 do not accept them, naming each service', async () => {
    expect(await found({ 'R&D': 'a' })).to.deep.equal(['tags: the name "R&D" has "&", refused by IAM, S3']);
    expect(await found({ a: '#1' })).to.deep.equal(['tags: the value "#1" of a has "#", refused by IAM, S3']);
    expect(await found({ a: '#1' }, {}, 'data')).to.deep.equal(['tags: the value "#1" of a has "#", refused by S3']);
    expect(await found({ a: '#1' }, EXISTING_PROFILES, 'iam')).to.deep.equal([]);
    expect(await found({ a: '#1' }, { ...EXISTING_PROFILES, ...EXISTING_BUCKET, manager: {} })).to.deep.equal([]);
    expect(await found({ a: '#1' }, { iam: { workerProfile: 'theirs' }, manager: {} }, 'iam')).to.have.length(1);
    const control = ['tags: the value "\\u0001" of a has "\\u0001", refused by EC2'];
    expect(await found({ a: '\u0001' }, {}, 'grid')).to.deep.equal(control);
    expect(await found({ a: '\u0001' }, { manager: {} }, 'manager')).to.deep.equal(control);
    expect(await found({ a: '\u0001' }, {}, 'manager')).to.deep.equal([]);
  });

  it("are rejected if they begin like AWS's own, are too long for EC2, or are the same name to IAM", async () => {
    expect(await found({ 'AWS:a': '' })).to.deep.equal([
      'tags: the name "AWS:a" begins with aws:, which is AWS\'s own',
    ]);
    expect(await found({ a: 'aws:a' })).to.have.length(1);
    const long = 'k'.repeat(128);
    expect(await found({ [long]: '' })).to.deep.equal([`tags: the name ${long} has 128 characters, EC2 takes 127`]);
    expect(await found({ [long]: '' }, {}, 'data')).to.deep.equal([]);
    expect(await found({ team: '', Team: '' })).to.deep.equal(['tags: team and Team are the same name to IAM']);
    expect(await found({ 'Batchctl:Stack': '' })).to.have.length(1);
    expect(await found({ team: '', Team: '' }, {}, 'data')).to.deep.equal([]);
  });
});
