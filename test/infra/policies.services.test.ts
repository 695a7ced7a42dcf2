// Protects: the printed policies of workers and operators suffice for their work, and allow nothing more.
import { appendFileSync, truncateSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import type { PolicyDocument } from '../../src/infra/policy.ts';
import { Answers } from '../support/answers.ts';
import { ACCOUNT, AwsWorkspace } from '../support/aws-workspace.ts';
import { FAILING, LARGE } from '../support/crash-jobs.ts';
import { type Recorder, startRecorder } from '../support/grid/front.ts';
import { type Call, callsOf, deniedBy, idleGrants, printedPolicy } from '../support/iam.ts';
import { misread } from '../support/iam-reference.ts';
import { sharedFauxqs } from '../support/servers/fauxqs.ts';
import { type Moto, startMoto } from '../support/servers/moto.ts';
import { type SimpleDbServer, startSimpleDb } from '../support/servers/simpledb-server.ts';
import { until } from '../support/until.ts';

/** Requests of the administrator: policies-admin.services.test.ts. */
const ROLES = ['operator', 'worker'] as const;
type Role = (typeof ROLES)[number];
/** The key that encrypts the bucket. */
const KEY = `arn:aws:kms:us-east-1:${ACCOUNT}:key/11111111-2222-3333-4444-555555555555`;

const UPPER = {
  name: 'upper',
  input: { split: { by: 'lines', every: 1 } },
  steps: [{ name: 'upper', run: 'tr a-z A-Z' }],
};

describe('infra policies', () => {
  let moto: Moto;
  let simpledb: SimpleDbServer;
  let recorders: Recorder[];
  let workspace: AwsWorkspace;
  const answers = new Answers();
  /** The requests of each role. */
  const calls: Record<Role, Call[]> = { operator: [], worker: [] };
  const policies: Partial<Record<Role, PolicyDocument>> = {};
  /** The policies for a profile without a key. */
  const keyless: Partial<Record<Role, PolicyDocument>> = {};

  before(async () => {
    moto = await startMoto();
    const fauxqs = await sharedFauxqs();
    simpledb = await startSimpleDb();
    recorders = await Promise.all([moto, fauxqs, simpledb].map(({ url }) => startRecorder(url, answers.take)));
    const [s3, sqs, sdb] = recorders;
    if (s3 === undefined || sqs === undefined || sdb === undefined) throw new Error('a recorder is missing');
    const ledger = { kind: 'simpledb', domains: 2 };
    // Created without recording, because it is the administrator's work.
    const unrecorded = await AwsWorkspace.make({ s3: moto.url, sqs: fauxqs.url, simpledb: simpledb.url, ledger });
    await unrecorded.runSuccessfully('jobs');
    const versioning = {
      method: 'PUT',
      body: '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>',
    };
    expect((await fetch(`${moto.url}/${unrecorded.stack}?versioning`, versioning)).status).to.equal(200);
    workspace = await AwsWorkspace.make({
      s3: s3.url,
      sqs: sqs.url,
      simpledb: sdb.url,
      ledger,
      stack: unrecorded.stack,
      profile: { kmsKey: KEY },
    });
    /** Counts the requests since the last time as those of a role. */
    const countAs = (role: Role): void => {
      const facts = { account: ACCOUNT, stack: workspace.stack, keyOf: () => KEY };
      const requests = recorders.flatMap((recorder) => recorder.take());
      calls[role].push(...requests.flatMap((request) => callsOf(request, facts)));
    };
    /** Starts an upload, and calls `interrupt` while parts are being sent; by default, kills it then. */
    const interruptUpload = async (interrupt: (() => void) | null): Promise<void> => {
      truncateSync(workspace.path('raw.bin'), 100 * 2 ** 20);
      const upload = workspace.start(['upload', 'raw.bin']);
      await until('a part has arrived', () => s3.saw(({ url }) => url.searchParams.get('partNumber') === '1'));
      if (interrupt === null) upload.child.kill('SIGKILL');
      else interrupt();
      expect((await upload.ended).code).not.to.equal(0);
    };
    const work = async (): Promise<void> => {
      const worked = await workspace.work({}, '--slots', '1');
      expect(worked.code, worked.stderr).to.equal(0);
      countAs('worker');
    };
    writeFileSync(workspace.path('raw.bin'), '');
    await interruptUpload(null);
    await workspace.runSuccessfully('upload', 'raw.bin');
    countAs('operator');
    writeFileSync(workspace.path('raw.bin'), 'other');
    await interruptUpload(() => appendFileSync(workspace.path('raw.bin'), 'more'));
    workspace.write('job.json', { ...FAILING, tolerate: 0 });
    const failing = await workspace.submit();
    workspace.write('job.json', LARGE);
    const large = await workspace.submit();
    workspace.write('in.txt', 'a\nb\n');
    await workspace.runSuccessfully('upload', 'in.txt');
    workspace.write('job.json', UPPER);
    const pinned = await workspace.submit('--input', `s3://${workspace.stack}/batchctl/data/in.txt`);
    countAs('operator');
    await work();
    await workspace.runSuccessfully('retry', failing, '--task', 'twice/2');
    countAs('operator');
    await work();
    await workspace.runSuccessfully('fetch', large, '-o', 'out');
    await workspace.runSuccessfully('verify', large);
    await workspace.runSuccessfully('reproduce', pinned, 'upper/0', '-o', 'again');
    await workspace.runSuccessfully('queue', 'redrive', '--job', failing, '--yes');
    await workspace.runSuccessfully('queue', 'purge', '--confirm', 'default');
    await workspace.run(['doctor']);
    await workspace.runSuccessfully('prune', '--all', '--yes');
    await workspace.runSuccessfully('ledger', 'rebuild');
    countAs('operator');
    for (const role of ROLES) {
      policies[role] = await printedPolicy(workspace, role);
      keyless[role] = await printedPolicy(unrecorded, role);
    }
    await unrecorded.remove();
  });

  after(async () => {
    await workspace?.remove();
    await Promise.all((recorders ?? []).map((recorder) => recorder.close()));
    await Promise.all([moto?.stop(), simpledb?.close()]);
  });

  it("are asked for by requests whose answers the services' models have", () => {
    expect(answers.surprises).to.deep.equal([]);
    const ofLedger = [...answers.kinds].filter((kind) => /^sdb .* 200$/.test(kind));
    const operations = ['BatchDeleteAttributes', 'GetAttributes', 'PutAttributes', 'Select'];
    expect(ofLedger).to.include.members(operations.map((each) => `sdb ${each} 200`));
  });

  for (const role of ROLES) {
    const policy = (): PolicyDocument => policies[role] ?? { Version: '2012-10-17', Statement: [] };

    it(`allow the ${role} every call that was made`, () => {
      expect(deniedBy(policy(), calls[role])).to.deep.equal([]);
      expect(calls[role].length).to.be.above(20);
    });

    it(`allow the ${role} what S3 requests of the bucket's key, and only if the profile names it`, () => {
      const ofKey = calls[role].filter(({ action }) => action.startsWith('kms:'));
      expect(new Set(ofKey.map(({ action }) => action))).to.deep.equal(new Set(['kms:Decrypt', 'kms:GenerateDataKey']));
      expect(deniedBy(keyless[role] ?? policy(), ofKey)).to.deep.equal(ofKey);
      const otherKey = ofKey.map((call) => ({ ...call, resource: `${KEY}0` }));
      expect(deniedBy(policy(), otherKey)).to.deep.equal(otherKey);
    });

    it(`are requested for the ${role} as the service authorization reference says`, async () => {
      expect(await misread(calls[role])).to.deep.equal([]);
    });

    it(`allow the ${role} no action that was never called`, () => {
      // There is no group here: a job on AWS groups makes the remaining requests.
      const onGrid = / (autoscaling:|servicequotas:|ec2:Describe(SpotPriceHistory|InstanceTypes)$)/;
      const idle = idleGrants(policy(), calls[role]);
      expect(idle.filter((grant) => !onGrid.test(grant))).to.deep.equal([]);
    });
  }
});
