import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { expect } from 'chai';
import { createQueues } from '../../src/adapters/aws/sqs-queue.ts';
import { AwsWorkspace } from '../support/aws-workspace.ts';
import type { DatabaseServer } from '../support/servers/database-server.ts';
import { FaultProxy } from '../support/servers/fault-proxy.ts';
import { type Fauxqs, startFauxqs } from '../support/servers/fauxqs.ts';
import { type Moto, startMoto } from '../support/servers/moto.ts';
import { startPostgres } from '../support/servers/postgres.ts';
import { SDB_KEY, SDB_SECRET, type SimpleDbServer, startSimpleDb } from '../support/servers/simpledb-server.ts';

interface Line {
  readonly check: string;
  readonly status: 'pass' | 'warn' | 'fail';
  readonly message: string;
  readonly mend: string | null;
}

const FAKETIME = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1';
const DAY = 86_400;

describe('doctor on AWS', function () {
  this.timeout(30_000);
  let moto: Moto;
  let sqs: Fauxqs;
  let proxy: FaultProxy;
  let workspace: AwsWorkspace;
  /** The profile as it stands; a test changes it before it examines. */
  let profile: Record<string, unknown>;

  before(async function () {
    moto = await startMoto(this);
    sqs = await startFauxqs();
    proxy = await FaultProxy.start(moto.url);
  });
  after(async () => {
    await Promise.all([moto?.stop(), sqs?.stop(), proxy?.close()]);
  });

  beforeEach(async () => {
    workspace = await AwsWorkspace.make({ s3: moto.url, sqs: sqs.url });
    profile = JSON.parse(readFileSync(workspace.path('batchctl.config.json'), 'utf8')).profiles.lab;
    profile.endpoints = { s3: proxy.url, sqs: sqs.url, sts: proxy.url };
    profile.groups = { default: { visibility: '30s' } };
    await setAttributes(`${workspace.stack}-default`, { VisibilityTimeout: '30' });
    await settings(workspace.stack);
  });
  afterEach(async () => {
    proxy.heal();
    await workspace.remove();
  });

  /** As `infra up` sets a bucket up. */
  async function settings(bucket: string): Promise<void> {
    const blocked = ['BlockPublicAcls', 'IgnorePublicAcls', 'BlockPublicPolicy', 'RestrictPublicBuckets'];
    const block = blocked.map((name) => `<${name}>true</${name}>`).join('');
    await put(bucket, 'publicAccessBlock', `<PublicAccessBlockConfiguration>${block}</PublicAccessBlockConfiguration>`);
    await lifecycle(bucket, '');
  }

  const ABORT =
    '<Rule><ID>abort</ID><Filter><Prefix></Prefix></Filter><Status>Enabled</Status><AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>';
  const lifecycle = (bucket: string, more: string, abort = ABORT): Promise<void> =>
    put(bucket, 'lifecycle', `<LifecycleConfiguration>${abort}${more}</LifecycleConfiguration>`);

  async function put(bucket: string, what: string, xml: string): Promise<void> {
    const answer = await fetch(`${moto.url}/${bucket}?${what}`, { method: 'PUT', body: xml });
    if (!answer.ok) throw new Error(`${what}: ${answer.status} ${await answer.text()}`);
  }

  /** Queues of another stack, with attributes as the test wants them. */
  async function queues(change: (name: string) => Promise<void>): Promise<void> {
    const name = `${workspace.stack}x-default`;
    const clients = { region: 'us-east-1', profile: null, account: null, endpoints: { sqs: sqs.url }, env: {} };
    await createQueues({ clients, group: 'default', name, leaseSeconds: 30 });
    await change(name);
    profile.stack = `${workspace.stack}x`;
  }

  async function setAttributes(name: string, attributes: Readonly<Record<string, string>>): Promise<void> {
    const ask = async (action: string, body: object): Promise<{ readonly QueueUrl?: string }> => {
      const answer = await fetch(sqs.url, {
        method: 'POST',
        headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': `AmazonSQS.${action}` },
        body: JSON.stringify(body),
      });
      const text = await answer.text();
      if (!answer.ok) throw new Error(`${action}: ${text}`);
      return text === '' ? {} : JSON.parse(text);
    };
    const { QueueUrl } = await ask('GetQueueUrl', { QueueName: name });
    await ask('SetQueueAttributes', { QueueUrl, Attributes: attributes });
  }

  async function examine(env: Readonly<Record<string, string>> = {}) {
    workspace.write('batchctl.config.json', { profile: 'lab', profiles: { lab: profile } });
    const began = performance.now();
    const ended = await workspace.run(['doctor', '--json'], env);
    const seconds = (performance.now() - began) / 1_000;
    const lines = ended.stdout
      .trim()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Line);
    const unwell = lines.filter(({ status }) => status !== 'pass');
    return { ...ended, seconds, lines, unwell, names: unwell.map(({ check, status }) => `${check} ${status}`) };
  }

  /** Examines, and expects just these to be unwell; answers the first of them. */
  async function finds(names: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Line> {
    const found = await examine(env);
    expect(found.names, `${found.stdout}${found.stderr}`).to.deep.equal(names);
    expect(found.code).to.equal(names.some((name) => name.endsWith(' fail')) ? 3 : 0);
    const [first] = found.unwell;
    if (first === undefined) throw new Error('all is well');
    expect(first.mend).to.be.a('string').and.not.equal('');
    return first;
  }

  it('passes where all is as it should be, says what it looked at, and leaves nothing behind', async () => {
    const { code, names, lines, stderr } = await examine();
    expect({ code, names, stderr }).to.deep.equal({ code: 0, names: [], stderr: '' });
    const of = (name: string): string => lines.find(({ check }) => check === name)?.message ?? 'not looked at';
    expect(of('identity')).to.include('arn:aws:sts::123456789012');
    expect(of('bucket')).to.include('us-east-1').and.include('123456789012');
    expect(of('queue')).to.include('a lease lasts 30 s');
    expect(of('ledger')).to.equal('it is in the bucket');
    expect(of('versioning')).to.include('off');
    expect(of('credentialsEnd')).to.include('without an end');
    expect(of('createIfAbsent')).to.include('created once');
    const { store } = await workspace.platform();
    const keys: string[] = [];
    for await (const key of store.keys('')) keys.push(key);
    expect(keys).to.deep.equal([]);
  });

  it('the wrong account: fails, and nothing is put', async () => {
    profile.account = '999999999999';
    expect((await finds(['account fail'])).message).to.include('999999999999, found 123456789012');
    expect(proxy.count(({ method, url }) => method !== 'GET' && method !== 'HEAD' && url !== '/')).to.equal(0);
  });

  it('no account in the profile: warns', async () => {
    profile.account = undefined;
    expect((await finds(['account warn'])).mend).to.include('"account": "123456789012"');
  });

  it('no credentials at all: fails, with what to type', async () => {
    const none = { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', AWS_EC2_METADATA_DISABLED: 'true' };
    const { code, lines } = await examine(none);
    expect(code).to.equal(3);
    const identity = lines.find(({ check }) => check === 'identity');
    expect(identity).to.include({ status: 'fail' });
    expect(identity?.message).to.include('no AWS credentials');
    expect(identity?.mend).to.include('aws sso login');
  });

  it('credentials that have ended: fails, with what to type', async () => {
    const ended =
      '<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredToken</Code><Message>gone</Message></Error></ErrorResponse>';
    proxy.fail(99, { kind: 'answer', status: 403, body: ended }, ({ method }) => method === 'POST');
    proxy.fail(99, { kind: 'answer', status: 400, code: 'ExpiredToken' });
    const { code, lines } = await examine({ AWS_SESSION_TOKEN: 'x' });
    expect(code).to.equal(3);
    const identity = lines.find(({ check }) => check === 'identity');
    expect(identity?.message).to.include('the credentials have ended');
    expect(identity?.mend).to.include('aws sso login');
  });

  it('credentials that end within the hour: warns', async () => {
    const Expiration = new Date(Date.now() + 600_000).toISOString();
    const answer = { Version: 1, AccessKeyId: 'AKIDEXAMPLE', SecretAccessKey: 'secret', SessionToken: 'x', Expiration };
    workspace.write('credentials.json', answer);
    workspace.write('aws-config', `[profile lab]\ncredential_process = cat ${workspace.path('credentials.json')}\n`);
    profile.aws = { profile: 'lab' };
    const env = { AWS_CONFIG_FILE: workspace.path('aws-config'), AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' };
    expect((await finds(['credentialsEnd warn'], env)).message).to.match(/they end in (9m|10m)/);
  });

  it('no bucket: fails', async () => {
    profile.bucket = { name: 'no-such-bucket-anywhere' };
    expect((await finds(['bucket fail'])).message).to.include('no-such-bucket-anywhere does not exist');
  });

  it('a bucket of another region: fails, with the line that mends it', async () => {
    const name = `${workspace.stack}-ireland`;
    const xml =
      '<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>';
    const authorization =
      'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261126/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=x';
    const made = await fetch(`${moto.url}/${name}`, { method: 'PUT', body: xml, headers: { authorization } });
    expect(made.status, await made.text()).to.equal(200);
    profile.bucket = { name };
    const found = await finds(['bucket fail']);
    expect(found).to.include({ mend: '"region": "eu-west-1" in the profile' });
  });

  it("a bucket of another account, or one that can't be listed: fails, with action and resource", async () => {
    proxy.fail(9, { kind: 'answer', status: 403 }, ({ method }) => method === 'HEAD');
    const { message } = await finds(['bucket fail']);
    expect(message).to.include(`s3:ListBucket on arn:aws:s3:::${workspace.stack} is denied`);
    expect(message).to.include('another account than 123456789012');
  });

  it('an endpoint that ignores If-None-Match: fails', async () => {
    const made = await fetch(`${sqs.url}/${workspace.stack}`, { method: 'PUT' });
    expect(made.ok).to.equal(true);
    profile.endpoints = { s3: sqs.url, sqs: sqs.url, sts: proxy.url };
    const { lines, code } = await examine();
    const found = lines.find(({ check }) => check === 'createIfAbsent');
    expect(code).to.equal(3);
    expect(found).to.include({ status: 'fail' });
    expect(found?.message).to.include('a second create of a name was told created');
    expect(found?.mend).to.include('If-None-Match');
  });

  it('a lifecycle rule that deletes results: fails, or warns where they live long', async () => {
    const rule = (days: number): string =>
      `<Rule><ID>tidy</ID><Filter><Prefix>batchctl/jobs/</Prefix></Filter><Status>Enabled</Status><Expiration><Days>${days}</Days></Expiration></Rule>`;
    await lifecycle(workspace.stack, rule(7));
    expect((await finds(['lifecycle fail'])).message).to.include(
      '"tidy" deletes objects below batchctl/jobs/ after 7 days',
    );
    await lifecycle(workspace.stack, rule(365));
    expect((await finds(['lifecycle warn'])).message).to.include('after 365 days');
  });

  it('no rule that ends unfinished uploads: warns', async () => {
    const other =
      '<Rule><ID>else</ID><Filter><Prefix>other/</Prefix></Filter><Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule>';
    await lifecycle(workspace.stack, other, '');
    expect((await finds(['lifecycle warn'])).mend).to.include('AbortIncompleteMultipartUpload');
  });

  it('public access that is not blocked: warns; settings that may not be read: are said', async () => {
    await fetch(`${moto.url}/${workspace.stack}?publicAccessBlock`, { method: 'DELETE' });
    expect((await finds(['publicAccess warn'])).mend).to.include('put-public-access-block');
    proxy.fail(9, { kind: 'answer', status: 403, code: 'AccessDenied' }, ({ url }) => url.includes('?lifecycle'));
    proxy.fail(9, { kind: 'answer', status: 403, code: 'AccessDenied' }, ({ url }) =>
      url.includes('?publicAccessBlock'),
    );
    const found = await finds(['publicAccess warn', 'lifecycle warn']);
    expect(found.message).to.include('s3:GetBucketPublicAccessBlock');
  });

  it('a queue that is missing, and its dead letters: fails', async () => {
    profile.groups = { default: { visibility: '30s' }, gpu: { visibility: '30s' } };
    const { message } = await finds(['queue fail']);
    expect(message).to.include(`group gpu: ${workspace.stack}-gpu and ${workspace.stack}-gpu-dead do not exist`);
  });

  it('a visibility other than the profile’s: warns', async () => {
    profile.groups = { default: { visibility: '120s' } };
    expect((await finds(['queue warn'])).message).to.include('expected VisibilityTimeout 120, found 30');
  });

  it('dead letters that are kept for less time than messages: fails', async () => {
    await queues((name) => setAttributes(`${name}-dead`, { MessageRetentionPeriod: String(4 * DAY) }));
    const { message } = await finds(['queue fail']);
    expect(message).to.include('-dead keeps letters for 4 d').and.include('messages for 14 d');
  });

  it('a redrive that is missing warns; one to another queue, or after few receives, fails', async () => {
    let arn = '';
    await queues(async (name) => {
      arn = `arn:aws:sqs:us-east-1:000000000000:${name}`;
      await setAttributes(name, { RedrivePolicy: '' });
    });
    const name = `${profile.stack}-default`;
    const missing = await examine();
    expect(missing.names).to.deep.equal(['queue warn']);
    expect(missing.unwell[0]?.message).to.include('expected RedrivePolicy').and.include('found none');
    const policy = (deadLetterTargetArn: string, maxReceiveCount: number): Promise<void> =>
      setAttributes(name, { RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount }) });
    await policy(`${arn}-dead`, 3);
    expect((await finds(['queue fail'])).message).to.include('buries a message that was received 3 times');
    await policy(`arn:aws:sqs:us-east-1:000000000000:${workspace.stack}-default-dead`, 1000);
    expect((await finds(['queue fail'])).message).to.include('sends its dead letters to');
  });

  it('a clock that is wrong by a minute warns, by an hour fails', async () => {
    const preload = { LD_PRELOAD: FAKETIME, DONT_FAKE_MONOTONIC: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1' };
    const minute = await finds(['clock warn'], { ...preload, FAKETIME: '+60s' });
    expect(minute.message).to.match(/clock is (59|60|1m)\S* ahead of S3's/);
    const hour = await finds(['clock fail'], { ...preload, FAKETIME: '-1h' });
    expect(hour.message).to.match(/(1h|59m|60m)\S* behind S3's/);
  });

  it('a proxy that does not answer: fails, by its name, without its password', async () => {
    const dead = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => dead.once('listening', resolve));
    const address = dead.address();
    const port = typeof address === 'object' ? address?.port : 0;
    await new Promise((resolve) => dead.close(resolve));
    profile.endpoints = { s3: 'http://s3.lab.invalid', sqs: sqs.url, sts: 'http://sts.lab.invalid' };
    const { code, lines } = await examine({ HTTP_PROXY: `http://ana:hunter2@127.0.0.1:${port}` });
    expect(code).to.equal(3);
    const found = lines.find(({ check }) => check === 'proxy');
    expect(found).to.include({ status: 'fail' });
    expect(found?.message).to.include(`the proxy http://127.0.0.1:${port} of s3, sts does not answer: ECONNREFUSED`);
    expect(JSON.stringify(lines)).to.not.include('hunter2');
    expect(lines.find(({ check }) => check === 'tls')).to.include({ status: 'fail' });
  });

  it('a service that hangs: is said within seconds, and the others are told', async () => {
    proxy.fail(Number.POSITIVE_INFINITY, { kind: 'hang' }, ({ method }) => method === 'HEAD');
    const { seconds, lines, code } = await examine();
    expect(code).to.equal(3);
    expect(seconds).to.be.below(12);
    expect(lines.find(({ check }) => check === 'bucket')).to.include({ status: 'fail' });
    expect(lines.find(({ check }) => check === 'queue')).to.include({ status: 'pass' });
  });

  it('a key that is disabled: fails, by its name', async () => {
    const kmsKey = 'arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab';
    profile.kmsKey = kmsKey;
    expect((await examine()).names).to.deep.equal([]);
    proxy.fail(
      Number.POSITIVE_INFINITY,
      { kind: 'answer', status: 400, code: 'KMS.DisabledException' },
      ({ headers }) => headers['x-amz-server-side-encryption'] === 'aws:kms',
    );
    const found = await examine();
    expect(found.names).to.deep.equal(['createIfAbsent fail', 'kmsKey fail']);
    expect(found.unwell[1]?.message).to.include('KMS.DisabledException');
  });

  it('an open job of which nobody runs a task: warns, with what to start', async () => {
    workspace.write('job.json', {
      ...{ name: 'claims', input: { split: { by: 'range', from: 1, to: 2 } } },
      steps: [{ name: 'price', run: 'echo done' }],
    });
    await workspace.submit();
    expect((await finds(['openJobs warn'])).mend).to.include('batchctl worker --here');
  });

  describe('with a ledger of its own', () => {
    let postgres: DatabaseServer;
    let simpledb: SimpleDbServer;
    before(async function () {
      postgres = await startPostgres(this);
      simpledb = await startSimpleDb();
    });
    after(async () => {
      await postgres?.stop();
      await simpledb?.close();
    });

    it('PostgreSQL: its tables, a wrong password, a server that is away', async () => {
      const passwordEnv = 'LEDGER_PASSWORD';
      profile.ledger = { kind: 'postgres', url: postgres.url(), passwordEnv };
      const fresh = await examine({ [passwordEnv]: postgres.password });
      expect(fresh.names, fresh.stdout).to.deep.equal([]);
      const again = await examine({ [passwordEnv]: postgres.password });
      expect(again.lines.find(({ check }) => check === 'ledger')?.message).to.match(
        /takes writes; its schema is \d+, the newest/,
      );
      const [row] = await postgres.tables('select count(*)::int as found from workers');
      expect(row?.found).to.equal(0);
      const wrong = await finds(['ledger fail'], { [passwordEnv]: 'wrong' });
      expect(wrong.message).to.include('let batchctl in');
      expect((await finds(['ledger fail'])).message).to.include(passwordEnv);
      profile.ledger = { kind: 'postgres', url: postgres.url().replace(/:\d+\//, ':1/'), passwordEnv };
      const away = await finds(['ledger fail'], { [passwordEnv]: postgres.password });
      expect(away.message).to.include('ECONNREFUSED');
    });

    it('one whose user may only read: fails', async () => {
      await postgres.asReader(async (url) => {
        profile.ledger = { kind: 'postgres', url, passwordEnv: 'LEDGER_PASSWORD' };
        const { message } = await finds(['ledger fail'], { LEDGER_PASSWORD: postgres.password });
        expect(message).to.include('the rights it needs');
      });
    });

    it('SimpleDB: takes an item and gives it back; leaves none', async () => {
      const env = { AWS_ACCESS_KEY_ID: SDB_KEY, AWS_SECRET_ACCESS_KEY: SDB_SECRET };
      profile.ledger = { kind: 'simpledb', domains: 2 };
      profile.endpoints = { s3: proxy.url, sqs: sqs.url, sts: proxy.url, simpledb: simpledb.url };
      expect((await examine(env)).names).to.deep.equal([]);
      const again = await examine(env);
      expect(again.names).to.deep.equal([]);
      expect(again.lines.find(({ check }) => check === 'ledger')?.message).to.include('SimpleDB takes writes');
      const denied = await finds(['ledger fail'], { ...env, AWS_SECRET_ACCESS_KEY: 'wrong' });
      expect(denied.message).to.include('SimpleDB');
    });
  });
});
