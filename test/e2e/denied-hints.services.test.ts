// Protects: what a paused job says about a denied right makes the job continue, done literally, in an account with IAM.
import { expect } from 'chai';
import type { PolicyDocument } from '../../src/infra/policy.ts';
import { randomId } from '../../src/lib/id.ts';
import { expectExit, jsonOf } from '../support/expect-exit.ts';
import { forSuite } from '../support/fixture.ts';
import { accountClients } from '../support/grid/account-clients.ts';
import { Authorizer } from '../support/grid/authorizer.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { rangeJob } from '../support/range-job.ts';
import { Workspace } from '../support/workspace.ts';
import { editProfile } from './emulated-aws.ts';

const WORKER = 'AKIDWORKER';
const KEYS = ['0a', '0b', '0c', '0d'].map((id) => `arn:aws:kms:us-east-1:123456789012:key/${id}`);
const [DATA_KEY = '', RAW_KEY = '', BUCKET_KEY = '', NEXT_KEY = ''] = KEYS;
const ID = randomId(6);
const [STACK, OWN, RAW, OUT] = [`st-${ID}`, `own-${ID}`, `raw-${ID}`, `out-${ID}`];

/** The job of a person who may do everything, and what it says once its workers were denied something. */
interface Case {
  readonly file: object;
  readonly flags?: readonly string[];
  readonly says: string;
}

const reads = (input: string) => ({
  file: { name: 'reads', input: { split: { by: 'file' } }, steps: [{ name: 'copy', run: 'cat' }] },
  flags: ['--input', input],
});

const CASES: Readonly<Record<string, Case>> = {
  'an input of the own bucket outside of the prefix': {
    ...reads(`s3://${OWN}/in/a.txt`),
    says: `add s3://${OWN}/in/ to groups.default.read`,
  },
  'an input of another bucket': {
    ...reads(`s3://${RAW}/in/a.txt`),
    says: `add s3://${RAW}/in/ to groups.default.read`,
  },
  'a version of data in the own bucket, with a role of an earlier version': {
    ...reads(`s3://${OWN}/batchctl/data/in.txt`),
    says: 'batchctl infra up --only iam gives workers their rights again',
  },
  'data with another KMS key than the profile names': {
    ...reads('store:keyed.txt'),
    says: `add ${DATA_KEY} to groups.default.keys`,
  },
  'an input of another bucket with a KMS key': {
    ...reads(`s3://${RAW}/keyed/a.txt`),
    says: `add ${RAW_KEY} to groups.default.keys`,
  },
  'a secret': {
    file: rangeJob('secret', 1, {
      name: 'show',
      run: '[ "$TOKEN" = hunter2 ] && echo right',
      secrets: { TOKEN: 'ssm:/lab/token' },
    }),
    says: 'name it in groups.default.secrets of the profile ("TOKEN": "ssm:/lab/token"), then batchctl infra up --only iam',
  },
};

class Lab extends Workspace {
  /** Keys that the profile had. */
  readonly former: string[] = [];
  readonly #url: string;

  constructor(url: string) {
    super();
    this.#url = url;
    const groups = { default: { visibility: '30s', read: [`s3://${RAW}/keyed/`], write: [], keys: [], secrets: {} } };
    const bucket = { name: OWN, existing: true, prefix: 'batchctl/' };
    const lab = { backend: 'aws', region: 'us-east-1', account: '123456789012', stack: STACK, bucket, groups };
    this.write('batchctl.config.json', { profile: 'lab', profiles: { lab } });
  }

  protected override environmentOf([verb]: readonly string[]): Readonly<Record<string, string>> {
    return {
      BATCHCTL_PROFILE: 'lab',
      BATCHCTL_TEST_LEASE_SECONDS: '10',
      AWS_ENDPOINT_URL: this.#url,
      AWS_ACCESS_KEY_ID: verb === 'worker' ? WORKER : 'AKIDPERSON',
      AWS_SECRET_ACCESS_KEY: 'secret',
    };
  }

  /** Changes the profile as a hint says. */
  obey(hint: string): void {
    const [, place, field] = /add ((?:s3:|arn:)\S+) to groups\.default\.(read|keys)/.exec(hint) ?? [];
    const [, variable, reference] = /groups\.default\.secrets of the profile \("(\w+)": "([^"]+)"\)/.exec(hint) ?? [];
    const [, kmsKey] = /set kmsKey of the profile to (arn:\S+), and keep a kmsKey that it had/.exec(hint) ?? [];
    const [, written] = /groups\.\*\.write\) of the profile names (s3:\/\/[\w-]+\/)/.exec(hint) ?? [];
    editProfile(this, (profile) => {
      const group = profile.groups.default;
      if (kmsKey !== undefined) {
        group.keys.push(...this.former);
        profile.kmsKey = kmsKey;
      }
      if (field !== undefined) group[field].push(place);
      if (variable !== undefined) group.secrets[variable] = reference;
      if (written !== undefined) group.write.push(written);
    });
  }
}

describe('the hint of a denied right', function () {
  this.timeout(300_000);
  const authorizer = new Authorizer();
  const cloud = forSuite(() => startCloud({ authorizer }));
  const owner = forSuite(() => accountClients(cloud));
  const lab = forSuite(() => new Lab(cloud.url));
  const jobs: Record<string, string> = {};

  /** Lets the worker do what the policy of its role allows now. */
  async function applyRole(change: (policy: PolicyDocument) => PolicyDocument = (policy) => policy): Promise<void> {
    const { PolicyDocument: text = '' } = await owner.iam.getRolePolicy({
      RoleName: `${STACK}-worker`,
      PolicyName: 'batchctl',
    });
    authorizer.admit(WORKER, change(JSON.parse(decodeURIComponent(text))));
  }
  const work = () => lab.run(['worker', '--until-empty', '--here', '--slots', '8']);
  const causesOf = async (job: string, code = 11) => {
    const ended = await lab.run(['why', job, '--json']);
    return JSON.stringify(jsonOf(ended, code).causes);
  };
  const unquoted = (text: string): string => text.replaceAll('\\"', '"');

  before(async () => {
    for (const Bucket of [OWN, RAW, OUT]) await owner.s3.createBucket({ Bucket });
    await owner.s3.putBucketVersioning({ Bucket: OWN, VersioningConfiguration: { Status: 'Enabled' } });
    authorizer.keyOf = (object) =>
      object === `${OWN}/batchctl/data/keyed.txt` ? DATA_KEY : object === `${RAW}/keyed/a.txt` ? RAW_KEY : null;
    for (const [Bucket, Key] of [
      [OWN, 'in/a.txt'],
      [RAW, 'in/a.txt'],
      [RAW, 'keyed/a.txt'],
    ] as const)
      await owner.s3.putObject({ Bucket, Key, Body: 'one\n' });
    await putParameter(cloud.url);
    for (const part of ['data', 'iam']) await lab.runSuccessfully('infra', 'up', '--yes', '--only', part);
    for (const name of ['in.txt', 'keyed.txt']) {
      lab.write(name, 'one\n');
      await lab.runSuccessfully('upload', name);
    }
    await applyRole((policy) => ({
      ...policy,
      Statement: policy.Statement.filter(({ Sid }) => Sid !== 'ReadVersions'),
    }));
    for (const [name, { file, flags = [] }] of Object.entries(CASES)) {
      lab.write('job.json', file);
      jobs[name] = await lab.submit('--no-scale', ...flags);
    }
    expectExit(await work());
  });

  for (const [name, { says }] of Object.entries(CASES)) {
    it(`is in what why says of a job that was paused for it: ${name}`, async () => {
      const said = unquoted(await causesOf(jobs[name] ?? ''));
      expect(said).to.include(says).and.include('batchctl infra up --only iam');
    });
  }

  it('makes every one of these jobs succeed, done as it says', async () => {
    for (const job of Object.values(jobs)) lab.obey(unquoted(await causesOf(job)));
    await lab.runSuccessfully('infra', 'up', '--only', 'iam', '--yes');
    await applyRole();
    for (const job of Object.values(jobs)) await lab.runSuccessfully('resume', job);
    expectExit(await work());
    for (const job of Object.values(jobs)) await lab.runSuccessfully('wait', job);
  });

  /** A job whose worker may write nothing, so that only the worker itself says why, and exits. Does as it says. */
  async function worksOnceAllowed(key: string, forbid: () => void): Promise<void> {
    lab.write('job.json', rangeJob('writes', 1, { name: 'one', run: 'cat' }));
    const job = await lab.submit('--no-scale');
    forbid();
    const { stderr } = expectExit(await work(), 3);
    expect(stderr).to.include(`hint: set kmsKey of the profile to ${key}, and keep a kmsKey that it had`);
    lab.obey(stderr);
    await lab.runSuccessfully('infra', 'up', '--only', 'iam', '--yes');
    await applyRole();
    expectExit(await work());
    await lab.runSuccessfully('wait', job);
  }

  it('lets workers write in a bucket that has a default key since', () =>
    worksOnceAllowed(BUCKET_KEY, () => authorizer.defaultKeys.set(OWN, BUCKET_KEY)));

  it('lets workers write with a key that the profile names since, and read older objects', () =>
    worksOnceAllowed(NEXT_KEY, () =>
      editProfile(lab, (profile) => {
        lab.former.push(profile.kmsKey);
        profile.kmsKey = NEXT_KEY;
      }),
    ));

  it('lets a delivery to another bucket go on', async () => {
    lab.write('job.json', {
      ...rangeJob('deliver', 1, { name: 'one', run: 'cat' }),
      deliver: { to: `s3://${OUT}/to/` },
    });
    const job = await lab.submit('--no-scale');
    await work();
    const { delivery } = jsonOf(await lab.runSuccessfully('status', job, '--json'));
    expect(delivery).to.include({ state: 'failing' });
    const said = unquoted(await causesOf(job));
    expect(said).to.include(`(for a delivery, groups.*.write) of the profile names s3://${OUT}/...`);
    lab.obey(said);
    await lab.runSuccessfully('infra', 'up', '--only', 'iam', '--yes');
    await applyRole();
    expectExit(await lab.run(['worker', '--until-empty', '--here'], { BATCHCTL_TEST_AHEAD_SECONDS: '600' }));
    expect(jsonOf(await lab.runSuccessfully('status', job, '--json')).delivery).to.include({ state: 'delivered' });
  });
});

async function putParameter(url: string): Promise<void> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': 'AmazonSSM.PutParameter',
      authorization:
        'AWS4-HMAC-SHA256 Credential=AKIDOTHER/20261126/us-east-1/ssm/aws4_request, SignedHeaders=host, Signature=x',
    },
    body: JSON.stringify({ Name: '/lab/token', Value: 'hunter2', Type: 'SecureString' }),
  });
  if (!answer.ok) throw new Error(`the parameter was not created: ${await answer.text()}`);
}
