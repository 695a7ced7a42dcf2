// Protects: the printed policies of workers and operators suffice for their work, and allow nothing more.
import { appendFileSync, truncateSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import type { PolicyDocument } from '../../src/infra/policy.ts';
import { ACCOUNT, AwsWorkspace } from '../support/aws-workspace.ts';
import { FAILING, LARGE } from '../support/crash-jobs.ts';
import { type Recorder, startRecorder } from '../support/grid/front.ts';
import { allows, type Call, callsOf, idleGrants } from '../support/iam.ts';
import { misread } from '../support/iam-reference.ts';
import { sharedFauxqs } from '../support/servers/fauxqs.ts';
import { type Moto, startMoto } from '../support/servers/moto.ts';
import { type SimpleDbServer, startSimpleDb } from '../support/servers/simpledb-server.ts';
import { until } from '../support/until.ts';

/** Requests of the administrator: policies-admin.services.test.ts. */
const ROLES = ['operator', 'worker'] as const;
type Role = (typeof ROLES)[number];
/** What encrypts the bucket. */
const KEY = `arn:aws:kms:us-east-1:${ACCOUNT}:key/11111111-2222-3333-4444-555555555555`;

describe('infra policies', () => {
  let moto: Moto;
  let simpledb: SimpleDbServer;
  let recorders: Recorder[];
  let workspace: AwsWorkspace;
  /** The requests of each role. */
  const calls: Record<Role, Call[]> = { operator: [], worker: [] };
  const policies: Partial<Record<Role, PolicyDocument>> = {};
  /** Those of a profile without a key. */
  const keyless: Partial<Record<Role, PolicyDocument>> = {};

  before(async () => {
    moto = await startMoto();
    const fauxqs = await sharedFauxqs();
    simpledb = await startSimpleDb();
    recorders = await Promise.all([moto, fauxqs, simpledb].map(({ url }) => startRecorder(url)));
    const [s3, sqs, sdb] = recorders;
    if (s3 === undefined || sqs === undefined || sdb === undefined) throw new Error('a recorder is missing');
    const ledger = { kind: 'simpledb', domains: 2 };
    // Created without recording: that is the administrator's work.
    const made = await AwsWorkspace.make({ s3: moto.url, sqs: fauxqs.url, simpledb: simpledb.url, ledger });
    await made.well('jobs');
    workspace = await AwsWorkspace.make({
      s3: s3.url,
      sqs: sqs.url,
      simpledb: sdb.url,
      ledger,
      stack: made.stack,
      profile: { kmsKey: KEY },
    });
    const as = (role: Role): void => {
      const asked = recorders.flatMap((recorder) => recorder.take());
      const asking = { account: ACCOUNT, stack: workspace.stack, keyOf: () => KEY };
      calls[role].push(...asked.flatMap((recorded) => callsOf(recorded, asking)));
    };
    /** Starts to upload a file, and calls `then` while chunks of it are being sent. */
    const cutOff = async (then: (() => void) | null): Promise<void> => {
      truncateSync(workspace.path('raw.bin'), 100 * 2 ** 20);
      const upload = workspace.start(['upload', 'raw.bin']);
      await until('a chunk has come', () => s3.saw(({ url }) => url.searchParams.get('partNumber') === '1'));
      if (then === null) upload.child.kill('SIGKILL');
      else then();
      expect((await upload.ended).code).not.to.equal(0);
    };
    const work = async (): Promise<void> => {
      const worked = await workspace.work({}, '--slots', '1');
      expect(worked.code, worked.stderr).to.equal(0);
      as('worker');
    };
    writeFileSync(workspace.path('raw.bin'), '');
    await cutOff(null);
    await workspace.well('upload', 'raw.bin');
    as('operator');
    writeFileSync(workspace.path('raw.bin'), 'other');
    await cutOff(() => appendFileSync(workspace.path('raw.bin'), 'more'));
    workspace.write('job.json', { ...FAILING, tolerate: 0 });
    const failing = await workspace.submit();
    workspace.write('job.json', LARGE);
    const large = await workspace.submit();
    as('operator');
    await work();
    await workspace.well('retry', failing, '--task', 'twice/2');
    as('operator');
    await work();
    await workspace.well('fetch', large, '-o', 'out');
    await workspace.well('verify', large);
    await workspace.well('queue', 'redrive');
    await workspace.well('queue', 'purge', '--confirm', 'default');
    await workspace.run(['doctor']);
    await workspace.well('prune', '--all', '--yes');
    await workspace.well('ledger', 'rebuild');
    as('operator');
    for (const role of ROLES) {
      const { stdout } = await workspace.well('infra', 'policies', '--for', role);
      policies[role] = JSON.parse(stdout);
      keyless[role] = JSON.parse((await made.well('infra', 'policies', '--for', role)).stdout);
    }
    await made.remove();
  });

  after(async () => {
    await workspace?.remove();
    await Promise.all((recorders ?? []).map((recorder) => recorder.close()));
    await Promise.all([moto?.stop(), simpledb?.close()]);
  });

  for (const role of ROLES) {
    const policy = (): PolicyDocument => policies[role] ?? { Version: '2012-10-17', Statement: [] };

    it(`allow the ${role} every call that was made`, () => {
      const denied = calls[role].filter((call) => !allows(policy(), call));
      expect(denied).to.deep.equal([]);
      expect(calls[role].length).to.be.above(20);
    });

    it(`allow the ${role} what S3 asks of the bucket's key, and only if the profile names it`, () => {
      const ofKey = calls[role].filter(({ action }) => action.startsWith('kms:'));
      expect(new Set(ofKey.map(({ action }) => action))).to.deep.equal(new Set(['kms:Decrypt', 'kms:GenerateDataKey']));
      const other = { ...policy(), Statement: keyless[role]?.Statement ?? policy().Statement };
      expect(ofKey.filter((call) => allows(other, call))).to.deep.equal([]);
      const otherKey = ofKey.map((call) => ({ ...call, resource: `${KEY}0` }));
      expect(otherKey.filter((call) => allows(policy(), call))).to.deep.equal([]);
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
