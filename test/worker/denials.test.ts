// Protects: a job that is paused for a denied object names the configuration entry that lets its workers continue, and
// that entry does so.
import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import { policyFor } from '../../src/infra/policies.ts';
import { Denials, denialText, grantHint, withGrantHint } from '../../src/worker/denials.ts';
import { awsProfile } from '../support/aws-profile.ts';
import { allows } from '../support/iam.ts';

const KEY = 'arn:aws:kms:eu-west-1:111122223333:key/0a-1';
const EARLIER = 'arn:aws:kms:eu-west-1:123456789012:key/0b-2';

interface Fields {
  kmsKey?: string;
  readonly bucket: { readonly name: string; readonly prefix: string };
  readonly groups: { readonly gpu: { read: string[]; keys: string[] } };
}

const makeFields = (): Fields => ({
  kmsKey: EARLIER,
  bucket: { name: 'own', prefix: 'batchctl/stack/' },
  groups: { gpu: { read: ['s3://raw/orders/'], keys: [] } },
});

/** The message of such a denial, as `translateAwsError` writes it. */
const messageOf = (denied: string, asked: string): string =>
  denied === asked
    ? `could not read k: ${asked} is denied`
    : `${denied} is denied, which ${asked} needs: Access Denied`;

const hintFor = (denied: string, asked = denied): string | null =>
  grantHint({
    message: messageOf(denied, asked),
    denied,
    group: 'gpu',
    store: { location: 's3://own/batchctl/stack' },
  });

/** Changes a profile as the hint says. */
function apply(hint: string, fields: Fields): void {
  const [, entry = '', field] = /^add (\S+) to groups\.gpu\.(read|keys)\b/.exec(hint) ?? [];
  const [, kmsKey] =
    /^set kmsKey of the profile to ([^\s,]+), and keep a kmsKey that it had in groups\.gpu\.keys/.exec(hint) ?? [];
  if (field === 'read' || field === 'keys') fields.groups.gpu[field].push(entry);
  else if (kmsKey !== undefined) {
    if (fields.kmsKey !== undefined) fields.groups.gpu.keys.push(fields.kmsKey);
    fields.kmsKey = kmsKey;
  } else throw new Error(`no entry: ${hint}`);
}

const resourceOf = (denied: string): string => denied.replace(/^\S+ on /, '');
const actionOf = (denied: string): string => denied.replace(/ .*/, '');

/** Whether the workers of this profile may do it. */
async function may(fields: Fields, denied: string): Promise<boolean> {
  const policy = policyFor('worker', await awsProfile({ ...fields }));
  return allows(policy, { action: actionOf(denied), resource: resourceOf(denied), context: {} });
}

describe('the entry for a denied object', () => {
  const GET = 's3:GetObject on arn:aws:s3:::';
  const PUT = 's3:PutObject on arn:aws:s3:::';
  for (const [what, denied, asked, entry] of [
    ['an input', `${GET}raw/claims/2026/a.csv`, '', 'add s3://raw/claims/2026/ to groups.gpu.read'],
    ['an input in no folder', `${GET}raw/a.csv`, '', 'add s3://raw/ to groups.gpu.read'],
    ['a version of an input', `s3:GetObjectVersion on arn:aws:s3:::raw/claims/a`, '', 'add s3://raw/claims/ to'],
    [
      'a listing',
      's3:ListBucket on arn:aws:s3:::raw2',
      `${GET}raw2/claims/a`,
      'add s3://raw2/claims/ to groups.gpu.read',
    ],
    ['an input of the own bucket outside of the prefix', `${GET}own/in/a`, '', 'add s3://own/in/ to groups.gpu.read'],
    ['an input beside the prefix', `${GET}own/batchctl/stack-2/a`, '', 'add s3://own/batchctl/stack-2/ to'],
    ["an input's key", `kms:Decrypt on ${KEY}`, `${GET}raw/claims/a`, `add ${KEY} to groups.gpu.keys`],
    [
      'another key of data',
      `kms:Decrypt on ${KEY}`,
      `${GET}own/batchctl/stack/data/a`,
      `add ${KEY} to groups.gpu.keys`,
    ],
    ['a key of the own bucket elsewhere', `kms:Decrypt on ${KEY}`, `${GET}own/in/a`, `add ${KEY} to groups.gpu.keys`],
    [
      "the bucket's key",
      `kms:GenerateDataKey on ${KEY}`,
      `${PUT}own/batchctl/stack/jobs/a`,
      `set kmsKey of the profile to ${KEY}`,
    ],
  ] as const)
    it(`lets workers continue: ${what}`, async () => {
      const fields = makeFields();
      const hint = hintFor(denied, asked === '' ? denied : asked) ?? '';
      expect(hint).to.include(entry).and.to.include('then batchctl infra up --only iam');
      expect(await may(fields, denied), 'before').to.equal(false);
      apply(hint, fields);
      expect(await may(fields, denied)).to.equal(true);
      expect(await may(fields, `kms:Decrypt on ${EARLIER}`), 'objects with the earlier key').to.equal(true);
      for (const secret of ['tokens/0a.json', 'manager/tls.pem'])
        expect(await may(fields, `${GET}own/batchctl/stack/${secret}`), secret).to.equal(false);
    });

  it('names an object itself whose folder holds the stack, as workers may not read its secrets', async () => {
    for (const [key, entry] of [
      ['a.csv', 's3://own/a.csv'],
      ['batchctl/b.csv', 's3://own/batchctl/b.csv'],
    ] as const) {
      const fields = makeFields();
      const hint = hintFor(`${GET}own/${key}`) ?? '';
      expect(hint).to.include(`add ${entry} to`);
      apply(hint, fields);
      expect(await may(fields, `${GET}own/${key}`)).to.equal(true);
      expect(await may(fields, `${GET}own/batchctl/stack/tokens/0a.json`)).to.equal(false);
    }
  });

  it("is the stack's own policy for what it allows, versions of data included", async () => {
    for (const denied of [
      `${GET}own/batchctl/stack/data/a`,
      's3:GetObjectVersion on arn:aws:s3:::own/batchctl/stack/data/in/a',
      `${PUT}own/batchctl/stack/jobs/j/steps/s/out/0`,
    ]) {
      expect(hintFor(denied), denied).to.equal('batchctl infra up --only iam gives workers their rights again');
      expect(await may(makeFields(), denied), denied).to.equal(true);
    }
  });

  it('is about the denied request, whatever else its message names', () => {
    const denied = `${GET}raw/claims/a`;
    const error = new BatchctlError('credentials', `${denied} is denied: ask the owner of ${KEY}`, {
      denied,
      hint: 'x',
    });
    const where = { group: 'gpu', store: { location: 's3://own' } };
    expect(denialText(error, where)).to.match(/ask the owner of \S+; add s3:\/\/raw\/claims\/ to groups\.gpu\.read/);
    const refused = (hint?: string) =>
      new BatchctlError('refused', 'archived', { isRefusal: true, ...(hint && { hint }) });
    expect(denialText(refused('restore it'), where)).to.equal('archived; restore it');
    expect(denialText(refused(), where)).to.equal('archived');
  });

  it('is missing if no object is named', () => {
    expect(hintFor('ssm:GetParameter on arn:aws:ssm:eu-west-1:1:parameter/a')).to.equal(null);
  });
});

describe('a denial', () => {
  it('is repeated if its task met it before, or its job has met it for five seconds without a success', () => {
    const [denials, first, second] = [new Denials(), { receiveCount: 1 }, { receiveCount: 2 }];
    expect(denials.recordDenial('a', second, 0), 'of the same task').to.equal(true);
    expect(denials.recordDenial('a', first, 1_000)).to.equal(false);
    expect(denials.recordDenial('b', first, 5_900), 'of another job').to.equal(false);
    expect(denials.recordDenial('a', first, 5_999)).to.equal(false);
    expect(denials.recordDenial('a', first, 6_000)).to.equal(true);
    expect(denials.recordDenial('a', first, 6_001), 'counted anew').to.equal(false);
    denials.clear('a');
    expect(denials.recordDenial('a', first, 20_000)).to.equal(false);
    expect(denials.recordDenial('b', first, 10_900)).to.equal(true);
  });
});

describe('the error with which a worker gives up', () => {
  const where = { group: 'gpu', store: { location: 's3://own/batchctl/stack' } };
  const asked = 's3:PutObject on arn:aws:s3:::own/batchctl/stack/ledger/w/1.default';

  it('names the entry of the profile in place of a policy that people do not write', () => {
    const denied = `kms:GenerateDataKey on ${KEY}`;
    const error = new BatchctlError('credentials', messageOf(denied, asked), { hint: 'allow it', denied });
    const { kind, message, hint } = withGrantHint(error, where);
    expect({ kind, message }).to.deep.equal({ kind: 'credentials', message: error.message });
    expect(hint).to.include(`set kmsKey of the profile to ${KEY}`);
  });

  it('is as it was if no entry ends the denial, or nothing was denied', () => {
    const queue = 'sqs:ReceiveMessage on arn:aws:sqs:eu-west-1:123456789012:q';
    for (const error of [
      new BatchctlError('credentials', `${queue} is denied`, { hint: 'allow it', denied: queue }),
      new BatchctlError('unavailable', 'S3 is unreachable', { hint: 'wait' }),
    ])
      expect(withGrantHint(error, where)).to.equal(error);
  });
});
