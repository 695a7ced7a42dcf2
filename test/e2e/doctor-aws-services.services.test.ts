// Protects: doctor finds wrong queues, ledgers, clocks, proxies and keys on AWS, even when a service hangs.
import { createServer } from 'node:net';
import { expect } from 'chai';
import { DoctorProfile } from '../support/doctor-profile.ts';
import { expectExit } from '../support/expect-exit.ts';
import { forEachTest, forSuite } from '../support/fixture.ts';
import { rangeJob } from '../support/range-job.ts';
import { installed } from '../support/run/lacking.ts';
import { FaultProxy } from '../support/servers/fault-proxy.ts';
import { sharedFauxqs } from '../support/servers/fauxqs.ts';
import { startMoto } from '../support/servers/moto.ts';
import { startPostgres } from '../support/servers/postgres.ts';
import { SDB_KEY, SDB_SECRET, startSimpleDb } from '../support/servers/simpledb-server.ts';
import { submitJob } from './submit-job.ts';

const DAY = 86_400;

describe('doctor on AWS: queues, ledger, clock and network', () => {
  const moto = forSuite(() => startMoto());
  const sqs = forSuite(() => sharedFauxqs());
  const doctor = forEachTest(() => DoctorProfile.make(moto, sqs));

  it('fails for a missing queue or dead-letter queue', async () => {
    doctor.profile.groups = { default: { visibility: '30s' }, gpu: { visibility: '30s' } };
    const { message } = await doctor.finds(['queue fail']);
    expect(message).to.include(
      `group gpu: ${doctor.workspace.stack}-gpu and ${doctor.workspace.stack}-gpu-dead do not exist`,
    );
  });

  it('warns if the visibility timeout differs from the profile', async () => {
    doctor.profile.groups = { default: { visibility: '120s' } };
    const { message, fix } = await doctor.finds(['queue warn']);
    expect(message).to.include('expected VisibilityTimeout 120, found 30');
    expect(fix).to.include('batchctl infra up');
    expect(message, 'only the fix has the command').not.to.include('infra up');
  });

  it('fails if dead letters are kept for less time than messages', async () => {
    await doctor.queues((name) => doctor.setAttributes(`${name}-dead`, { MessageRetentionPeriod: String(4 * DAY) }));
    const { message } = await doctor.finds(['queue fail']);
    expect(message).to.include('-dead keeps dead letters for 4 d').and.include('messages for 14 d');
  });

  it('warns without a redrive policy; fails if it names another queue, or few receives', async () => {
    let arn = '';
    await doctor.queues(async (name) => {
      arn = `arn:aws:sqs:us-east-1:000000000000:${name}`;
      await doctor.setAttributes(name, { RedrivePolicy: '' });
    });
    const name = `${doctor.profile.stack}-default`;
    const missing = await doctor.examine();
    expect(missing.names).to.deep.equal(['queue warn']);
    expect(missing.problems[0]?.message).to.include('expected RedrivePolicy').and.include('found none');
    const policy = (deadLetterTargetArn: string, maxReceiveCount: number): Promise<void> =>
      doctor.setAttributes(name, { RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount }) });
    await policy(`${arn}-dead`, 3);
    expect((await doctor.finds(['queue fail'])).message).to.include(
      'moves a message to the dead letters after 3 receives',
    );
    await policy(`arn:aws:sqs:us-east-1:000000000000:${doctor.workspace.stack}-default-dead`, 1000);
    expect((await doctor.finds(['queue fail'])).message).to.include('sends its dead letters to');
  });

  it('warns if the clock is wrong by a minute, and fails if by an hour', async () => {
    const preload = { LD_PRELOAD: installed('faketime'), DONT_FAKE_MONOTONIC: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1' };
    const clock = async (FAKETIME: string) => (await doctor.examine({ ...preload, FAKETIME })).of('clock');
    const minute = await clock('+60s');
    expect(minute).to.include({ severity: 'warn' });
    expect(minute.message).to.match(/clock is (59|60|61|1m)\S* ahead of S3's/);
    const hour = await clock('-1h');
    expect(hour).to.include({ severity: 'fail' });
    expect(hour.message).to.match(/(1h|59m|60m)\S* behind S3's/);
    expect(hour.fix).to.include('timedatectl');
  });

  it('fails if a proxy does not respond, naming it without its password', async () => {
    const dead = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => dead.once('listening', resolve));
    const address = dead.address();
    const port = typeof address === 'object' ? address?.port : 0;
    await new Promise((resolve) => dead.close(resolve));
    doctor.profile.endpoints = { s3: 'http://s3.lab.invalid', sqs: sqs.url, sts: 'http://sts.lab.invalid' };
    // Named by the user, so that its addresses need no confirmation.
    const env = { BATCHCTL_CONFIG: doctor.workspace.path('batchctl.config.json') };
    const proxy = `http://ana:hunter2@127.0.0.1:${port}`;
    const { lines, of } = expectExit(await doctor.examine({ ...env, HTTP_PROXY: proxy }), 3);
    expect(of('proxy')).to.include({ severity: 'fail' });
    expect(of('proxy').message).to.include(
      `the proxy http://127.0.0.1:${port} of s3, sts does not respond: ECONNREFUSED`,
    );
    expect(JSON.stringify(lines)).to.not.include('hunter2');
    expect(of('tls')).to.include({ severity: 'fail' });
  });

  it('fails within seconds if a service hangs, and still reports the other checks', async () => {
    doctor.proxy.fail(Number.POSITIVE_INFINITY, { kind: 'hang' }, ({ method }) => method === 'HEAD');
    const { seconds, of } = expectExit(await doctor.examine(), 3);
    expect(seconds).to.be.below(100);
    expect(of('bucket')).to.include({ severity: 'fail' });
    expect(of('queue')).to.include({ severity: 'pass' });
  });

  it('fails after 15 s if a listing of the store hangs, and no other check waits for it', async () => {
    doctor.proxy.fail(Number.POSITIVE_INFINITY, { kind: 'hang' }, ({ url }) => url.includes('list-type=2'));
    const { seconds, of } = expectExit(await doctor.examine(), 3);
    expect(seconds).to.be.below(100);
    expect(of('openJobs')).to.include({ severity: 'fail', message: 'no answer within 15 s' });
    expect(of('createIfAbsent').severity).to.equal('pass');
  });

  it("fails with KMS's error if a key is disabled", async () => {
    const kmsKey = 'arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab';
    doctor.profile.kmsKey = kmsKey;
    expect((await doctor.examine()).names).to.deep.equal([]);
    doctor.proxy.fail(
      Number.POSITIVE_INFINITY,
      { kind: 'answer', status: 400, code: 'KMS.DisabledException' },
      ({ headers }) => headers['x-amz-server-side-encryption'] === 'aws:kms',
    );
    const found = await doctor.examine();
    expect(found.names).to.deep.equal(['createIfAbsent fail', 'kmsKey fail']);
    expect(found.problems[1]?.message).to.include('KMS.DisabledException');
  });

  it('warns of an open job without a worker, and says what to start', async () => {
    await submitJob(doctor.workspace, rangeJob('claims', 2, { name: 'price', run: 'echo done' }));
    expect((await doctor.finds(['openJobs warn'])).fix).to.include('batchctl worker --here');
  });

  describe('with a ledger of its own', () => {
    const postgres = forSuite(() => startPostgres());
    const simpledb = forSuite(() => startSimpleDb());

    it('checks PostgreSQL: its tables, a wrong password, an unreachable server', async () => {
      const passwordEnv = 'BATCHCTL_LEDGER_PASSWORD';
      doctor.profile.ledger = { kind: 'postgres', url: postgres.url(), passwordEnv };
      const fresh = await doctor.examine({ [passwordEnv]: postgres.password });
      expect(fresh.names, fresh.stdout).to.deep.equal([]);
      const again = await doctor.examine({ [passwordEnv]: postgres.password });
      expect(again.of('ledger').message).to.match(/takes writes; its schema is \d+, the newest/);
      const [row] = await postgres.tables('select count(*)::int as found from workers');
      expect(row?.found).to.equal(0);
      const wrong = await doctor.finds(['ledger fail'], { [passwordEnv]: 'wrong' });
      expect(wrong.message).to.include('to accept batchctl');
      expect((await doctor.finds(['ledger fail'])).message).to.include(passwordEnv);
      doctor.profile.ledger = { kind: 'postgres', url: postgres.url().replace(/:\d+\//, ':1/'), passwordEnv };
      const away = await doctor.finds(['ledger fail'], { [passwordEnv]: postgres.password });
      expect(away.message).to.include('ECONNREFUSED');
    });

    it('fails if the database user may only read', async () => {
      await postgres.asReader(async (url) => {
        doctor.profile.ledger = { kind: 'postgres', url, passwordEnv: 'BATCHCTL_LEDGER_PASSWORD' };
        const { message } = await doctor.finds(['ledger fail'], { BATCHCTL_LEDGER_PASSWORD: postgres.password });
        expect(message).to.include('the rights it needs');
      });
    });

    it('writes an item to SimpleDB, reads it back, and leaves none behind', async () => {
      const env = { AWS_ACCESS_KEY_ID: SDB_KEY, AWS_SECRET_ACCESS_KEY: SDB_SECRET };
      doctor.profile.ledger = { kind: 'simpledb', domains: 2 };
      doctor.profile.endpoints = { s3: doctor.proxy.url, sqs: sqs.url, sts: doctor.proxy.url, simpledb: simpledb.url };
      expect((await doctor.examine(env)).names).to.deep.equal([]);
      const again = await doctor.examine(env);
      expect(again.names).to.deep.equal([]);
      expect(again.of('ledger').message).to.include('SimpleDB accepts writes');
      const denied = await doctor.finds(['ledger fail'], { ...env, AWS_SECRET_ACCESS_KEY: 'wrong' });
      expect(denied.message).to.include('SimpleDB');
      const proxy = await FaultProxy.start(simpledb.url);
      try {
        const body =
          '<Response><Errors><Error><Code>OptInRequired</Code><Message>A subscription is needed</Message></Error></Errors></Response>';
        proxy.fail(Number.POSITIVE_INFINITY, { kind: 'answer', status: 403, body });
        doctor.profile.endpoints = { s3: doctor.proxy.url, sqs: sqs.url, sts: doctor.proxy.url, simpledb: proxy.url };
        const closed = await doctor.finds(['ledger fail'], env);
        expect(closed.message).to.include('not signed up').and.include('OptInRequired');
        expect(closed.fix).to.include('choose another `ledger.kind`');
      } finally {
        await proxy.close();
      }
    });
  });
});
