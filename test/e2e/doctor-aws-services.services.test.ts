// Protects: doctor finds wrong queues, ledgers, clocks, proxies and keys on AWS, even when a service hangs.
import { createServer } from 'node:net';
import { expect } from 'chai';
import { DoctorDesk } from '../support/doctor-desk.ts';
import { installed } from '../support/run/lacking.ts';
import type { DatabaseServer } from '../support/servers/database-server.ts';
import { FaultProxy } from '../support/servers/fault-proxy.ts';
import { sharedFauxqs } from '../support/servers/fauxqs.ts';
import { type Moto, startMoto } from '../support/servers/moto.ts';
import { startPostgres } from '../support/servers/postgres.ts';
import type { Endpoint } from '../support/servers/shared.ts';
import { SDB_KEY, SDB_SECRET, type SimpleDbServer, startSimpleDb } from '../support/servers/simpledb-server.ts';

const DAY = 86_400;

describe('doctor on AWS: queues, ledger, clock and network', () => {
  let moto: Moto;
  let sqs: Endpoint;
  let desk: DoctorDesk;

  before(async () => {
    moto = await startMoto();
    sqs = await sharedFauxqs();
  });
  after(async () => {
    await moto?.stop();
  });
  beforeEach(async () => {
    desk = await DoctorDesk.make(moto, sqs);
  });
  afterEach(() => desk.remove());

  it('a queue that is missing, and its dead letters: fails', async () => {
    desk.profile.groups = { default: { visibility: '30s' }, gpu: { visibility: '30s' } };
    const { message } = await desk.finds(['queue fail']);
    expect(message).to.include(
      `group gpu: ${desk.workspace.stack}-gpu and ${desk.workspace.stack}-gpu-dead do not exist`,
    );
  });

  it('a visibility other than the profile’s: warns', async () => {
    desk.profile.groups = { default: { visibility: '120s' } };
    expect((await desk.finds(['queue warn'])).message).to.include('expected VisibilityTimeout 120, found 30');
  });

  it('dead letters that are kept for less time than messages: fails', async () => {
    await desk.queues((name) => desk.setAttributes(`${name}-dead`, { MessageRetentionPeriod: String(4 * DAY) }));
    const { message } = await desk.finds(['queue fail']);
    expect(message).to.include('-dead keeps dead letters for 4 d').and.include('messages for 14 d');
  });

  it('a redrive that is missing warns; one to another queue, or after few receives, fails', async () => {
    let arn = '';
    await desk.queues(async (name) => {
      arn = `arn:aws:sqs:us-east-1:000000000000:${name}`;
      await desk.setAttributes(name, { RedrivePolicy: '' });
    });
    const name = `${desk.profile.stack}-default`;
    const missing = await desk.examine();
    expect(missing.names).to.deep.equal(['queue warn']);
    expect(missing.unwell[0]?.message).to.include('expected RedrivePolicy').and.include('found none');
    const policy = (deadLetterTargetArn: string, maxReceiveCount: number): Promise<void> =>
      desk.setAttributes(name, { RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount }) });
    await policy(`${arn}-dead`, 3);
    expect((await desk.finds(['queue fail'])).message).to.include(
      'moves a message to the dead letters after 3 receives',
    );
    await policy(`arn:aws:sqs:us-east-1:000000000000:${desk.workspace.stack}-default-dead`, 1000);
    expect((await desk.finds(['queue fail'])).message).to.include('sends its dead letters to');
  });

  it('a clock that is wrong by a minute warns, by an hour fails', async () => {
    const preload = { LD_PRELOAD: installed('faketime'), DONT_FAKE_MONOTONIC: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1' };
    const clock = async (FAKETIME: string) => (await desk.examine({ ...preload, FAKETIME })).of('clock');
    const minute = await clock('+60s');
    expect(minute).to.include({ status: 'warn' });
    expect(minute.message).to.match(/clock is (59|60|61|1m)\S* ahead of S3's/);
    const hour = await clock('-1h');
    expect(hour).to.include({ status: 'fail' });
    expect(hour.message).to.match(/(1h|59m|60m)\S* behind S3's/);
    expect(hour.mend).to.include('timedatectl');
  });

  it('a proxy that does not respond: fails, by its name, without its password', async () => {
    const dead = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => dead.once('listening', resolve));
    const address = dead.address();
    const port = typeof address === 'object' ? address?.port : 0;
    await new Promise((resolve) => dead.close(resolve));
    desk.profile.endpoints = { s3: 'http://s3.lab.invalid', sqs: sqs.url, sts: 'http://sts.lab.invalid' };
    const { code, lines } = await desk.examine({ HTTP_PROXY: `http://ana:hunter2@127.0.0.1:${port}` });
    expect(code).to.equal(3);
    const found = lines.find(({ check }) => check === 'proxy');
    expect(found).to.include({ status: 'fail' });
    expect(found?.message).to.include(`the proxy http://127.0.0.1:${port} of s3, sts does not respond: ECONNREFUSED`);
    expect(JSON.stringify(lines)).to.not.include('hunter2');
    expect(lines.find(({ check }) => check === 'tls')).to.include({ status: 'fail' });
  });

  it('a service that hangs: fails within seconds, and the other checks are still reported', async () => {
    desk.proxy.fail(Number.POSITIVE_INFINITY, { kind: 'hang' }, ({ method }) => method === 'HEAD');
    const { seconds, lines, code } = await desk.examine();
    expect(code).to.equal(3);
    expect(seconds).to.be.below(40);
    expect(lines.find(({ check }) => check === 'bucket')).to.include({ status: 'fail' });
    expect(lines.find(({ check }) => check === 'queue')).to.include({ status: 'pass' });
  });

  it('a listing of the store that hangs: fails after 15 s, and no other check waits for it', async () => {
    desk.proxy.fail(Number.POSITIVE_INFINITY, { kind: 'hang' }, ({ url }) => url.includes('list-type=2'));
    const { seconds, code, of } = await desk.examine();
    expect(code).to.equal(3);
    expect(seconds).to.be.below(60);
    expect(of('openJobs')).to.include({ status: 'fail', message: 'no answer within 15 s' });
    expect(of('createIfAbsent').status).to.equal('pass');
  });

  it('a KMS key that is disabled: fails, with the error of KMS', async () => {
    const kmsKey = 'arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab';
    desk.profile.kmsKey = kmsKey;
    expect((await desk.examine()).names).to.deep.equal([]);
    desk.proxy.fail(
      Number.POSITIVE_INFINITY,
      { kind: 'answer', status: 400, code: 'KMS.DisabledException' },
      ({ headers }) => headers['x-amz-server-side-encryption'] === 'aws:kms',
    );
    const found = await desk.examine();
    expect(found.names).to.deep.equal(['createIfAbsent fail', 'kmsKey fail']);
    expect(found.unwell[1]?.message).to.include('KMS.DisabledException');
  });

  it('an open job whose tasks nobody runs: warns, with what to start', async () => {
    desk.workspace.write('job.json', {
      ...{ name: 'claims', input: { split: { by: 'range', from: 1, to: 2 } } },
      steps: [{ name: 'price', run: 'echo done' }],
    });
    await desk.workspace.submit();
    expect((await desk.finds(['openJobs warn'])).mend).to.include('batchctl worker --here');
  });

  describe('with a ledger of its own', () => {
    let postgres: DatabaseServer;
    let simpledb: SimpleDbServer;
    before(async () => {
      postgres = await startPostgres();
      simpledb = await startSimpleDb();
    });
    after(async () => {
      await postgres?.stop();
      await simpledb?.close();
    });

    it('PostgreSQL: its tables, a wrong password, a server that is away', async () => {
      const passwordEnv = 'LEDGER_PASSWORD';
      desk.profile.ledger = { kind: 'postgres', url: postgres.url(), passwordEnv };
      const fresh = await desk.examine({ [passwordEnv]: postgres.password });
      expect(fresh.names, fresh.stdout).to.deep.equal([]);
      const again = await desk.examine({ [passwordEnv]: postgres.password });
      expect(again.lines.find(({ check }) => check === 'ledger')?.message).to.match(
        /takes writes; its schema is \d+, the newest/,
      );
      const [row] = await postgres.tables('select count(*)::int as found from workers');
      expect(row?.found).to.equal(0);
      const wrong = await desk.finds(['ledger fail'], { [passwordEnv]: 'wrong' });
      expect(wrong.message).to.include('let batchctl in');
      expect((await desk.finds(['ledger fail'])).message).to.include(passwordEnv);
      desk.profile.ledger = { kind: 'postgres', url: postgres.url().replace(/:\d+\//, ':1/'), passwordEnv };
      const away = await desk.finds(['ledger fail'], { [passwordEnv]: postgres.password });
      expect(away.message).to.include('ECONNREFUSED');
    });

    it('one whose user may only read: fails', async () => {
      await postgres.asReader(async (url) => {
        desk.profile.ledger = { kind: 'postgres', url, passwordEnv: 'LEDGER_PASSWORD' };
        const { message } = await desk.finds(['ledger fail'], { LEDGER_PASSWORD: postgres.password });
        expect(message).to.include('the rights it needs');
      });
    });

    it('SimpleDB: takes an item and gives it back; leaves none', async () => {
      const env = { AWS_ACCESS_KEY_ID: SDB_KEY, AWS_SECRET_ACCESS_KEY: SDB_SECRET };
      desk.profile.ledger = { kind: 'simpledb', domains: 2 };
      desk.profile.endpoints = { s3: desk.proxy.url, sqs: sqs.url, sts: desk.proxy.url, simpledb: simpledb.url };
      expect((await desk.examine(env)).names).to.deep.equal([]);
      const again = await desk.examine(env);
      expect(again.names).to.deep.equal([]);
      expect(again.lines.find(({ check }) => check === 'ledger')?.message).to.include('SimpleDB accepts writes');
      const denied = await desk.finds(['ledger fail'], { ...env, AWS_SECRET_ACCESS_KEY: 'wrong' });
      expect(denied.message).to.include('SimpleDB');
      const proxy = await FaultProxy.start(simpledb.url);
      try {
        const body =
          '<Response><Errors><Error><Code>OptInRequired</Code><Message>A subscription is needed</Message></Error></Errors></Response>';
        proxy.fail(Number.POSITIVE_INFINITY, { kind: 'answer', status: 403, body });
        desk.profile.endpoints = { s3: desk.proxy.url, sqs: sqs.url, sts: desk.proxy.url, simpledb: proxy.url };
        const closed = await desk.finds(['ledger fail'], env);
        expect(closed.message).to.include('not signed up').and.include('OptInRequired');
        expect(closed.mend).to.include('choose another `ledger.kind`');
      } finally {
        await proxy.close();
      }
    });
  });
});
