// Protects: whole jobs need only the printed rights, in an account with two regions, several stacks, versions, a key and a
// ledger whose password is a secret.
import { KMS } from '@aws-sdk/client-kms';
import { SecretsManager } from '@aws-sdk/client-secrets-manager';
import { expect } from 'chai';
import { policyFor } from '../../src/infra/policies.ts';
import { Answers } from '../support/answers.ts';
import { awsProfile } from '../support/aws-profile.ts';
import { forSuite } from '../support/fixture.ts';
import { accountClients, clientConfig } from '../support/grid/account-clients.ts';
import { accountState } from '../support/grid/account-state.ts';
import { Authorizer } from '../support/grid/authorizer.ts';
import { type Cloud, startCloud } from '../support/grid/cloud.ts';
import { changesOf, giveRole } from '../support/grid/others-resources.ts';
import { Supervisor } from '../support/grid/supervisor.ts';
import { printedPolicy } from '../support/iam.ts';
import { rejection } from '../support/rejection.ts';
import { startMariadb } from '../support/servers/mariadb.ts';
import { until } from '../support/until.ts';
import { Workspace } from '../support/workspace.ts';

const [HERE, THERE] = ['us-east-1', 'eu-west-1'];
/** Seconds: of a lease, and until an idle worker leaves. */
const [LEASE, IDLE] = ['6', '3'];

/** Names of what the stack `month-end` has here, and the account's roles of that name (account-state.ts). */
const MADE_BY_OURS =
  /^(us-east-1\/\w+\/month-end-(default|worker)|(role|profile)\/month-end-worker$|bucket\/acme-month-end-$)/;

const JOB = {
  name: 'claims',
  input: { split: { by: 'lines', every: 1 } },
  steps: [
    { name: 'upper', run: 'tr a-z A-Z' },
    { name: 'total', gather: true, run: 'sort' },
  ],
};

/** One team of the account: people with the printed policies of its stack, each with an access key. */
class Team extends Workspace {
  readonly name: string;
  readonly #cloud: Cloud;

  constructor(cloud: Cloud, name: string) {
    super();
    this.#cloud = cloud;
    this.name = name;
    this.write('job.json', JOB);
    this.write('in.txt', 'b\na\n');
  }

  async configure(authorizer: Authorizer, profile: object): Promise<void> {
    const groups = { default: { instances: ['c7g.large'], max: 2, slots: 2, visibility: '30s' } };
    const lab = { backend: 'aws', account: this.#cloud.account, groups, ...profile };
    this.write('batchctl.config.json', { profile: 'lab', profiles: { lab } });
    for (const role of ['admin', 'operator'] as const)
      authorizer.admit(this.key(role), await printedPolicy(this, role));
  }

  key(role: 'admin' | 'operator'): string {
    return `AKID${this.name}${role}`.toUpperCase();
  }

  protected override environmentOf([verb]: readonly string[]): Readonly<Record<string, string>> {
    return {
      BATCHCTL_PROFILE: 'lab',
      // A file that is named may send the ledger's password.
      BATCHCTL_CONFIG: this.path('batchctl.config.json'),
      BATCHCTL_TEST_LEASE_SECONDS: LEASE,
      AWS_ENDPOINT_URL: this.#cloud.url,
      AWS_ACCESS_KEY_ID: this.key(verb === 'infra' ? 'admin' : 'operator'),
      AWS_SECRET_ACCESS_KEY: 'secret',
    };
  }

  /** A job from its upload to its end on instances, which start by themselves. Returns its result. */
  async runJob(): Promise<string> {
    await this.runSuccessfully('upload', 'in.txt');
    const job = await this.submit('--input', 'store:in.txt');
    await this.runSuccessfully('wait', job);
    await this.runSuccessfully('verify', job);
    await this.runSuccessfully('workers');
    const { stdout } = await this.runSuccessfully('fetch', job, '-o', '-');
    await this.runSuccessfully('prune', '--all', '--yes');
    return stdout;
  }
}

describe('an account in which everyone has only the printed rights', function () {
  this.timeout(600_000);
  const authorizer = new Authorizer();
  const answers = new Answers();
  const cloud = forSuite(() =>
    startCloud({
      sqs: 'own',
      authorizer,
      onAnswer: answers.take,
      pace: { second: 20, boot: 50, wait: 20, end: 50, notice: 100 },
    }),
  );
  const supervisor = forSuite(
    () =>
      new Supervisor({
        cloud,
        env: {
          BATCHCTL_TEST_LEASE_SECONDS: LEASE,
          BATCHCTL_TEST_NOTICE_SECONDS: '1',
          BATCHCTL_TEST_REST_SECONDS: '2',
          BATCHCTL_TEST_HOLD_SECONDS: '1',
          BATCHCTL_TEST_ROLE_SECONDS: '60',
          BATCHCTL_TEST_IDLE_SECONDS: IDLE,
          AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
        },
      }),
  );
  /** The account's owner, who may do everything. */
  const here = forSuite(() => accountClients(cloud, { region: HERE }));
  const there = forSuite(() => accountClients(cloud, { region: THERE }));
  const ours = forSuite(() => new Team(cloud, 'ours'));
  const abroad = forSuite(() => new Team(cloud, 'abroad'));
  const beside = forSuite(() => new Team(cloud, 'beside'));
  afterEach(function () {
    if (this.currentTest?.state !== 'failed') return;
    console.error(
      authorizer.refused,
      supervisor.consoles.map(([id, text]) => `${id}\n${text.slice(-2_000)}`).join('\n'),
    );
  });

  /** The access key of an instance of `ours`. */
  let worker = '';

  const state = () => accountState([here, there]);
  /** Everything that belongs to other teams than the named one. */
  const others = async (isOurs: (name: string) => boolean) =>
    Object.fromEntries(Object.entries(await state()).filter(([name]) => !isOurs(name)));

  before(async () => {
    cloud.grid.onLaunch(({ zone, accessKeyId }) => {
      if (zone.startsWith(HERE)) worker = accessKeyId;
    });
    const kms = new KMS(clientConfig(cloud, { region: HERE }));
    const { KeyMetadata: { Arn: kmsKey = '', KeyId } = {} } = await kms.createKey({});
    const GranteePrincipal = `arn:aws:iam::${cloud.account}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling`;
    const Operations = ['Decrypt', 'GenerateDataKeyWithoutPlaintext', 'CreateGrant'] as const;
    await kms.createGrant({ KeyId, GranteePrincipal, Operations: [...Operations] });
    kms.destroy();
    authorizer.keyOf = (object) => (object.startsWith('acme-month-end/') ? kmsKey : null);
    await ours.configure(authorizer, { region: HERE, stack: 'month-end', bucket: 'acme-month-end', kmsKey });
    // IAM has no regions, so the second stack of this name names a role that someone made for it.
    const elsewhere = {
      region: THERE,
      stack: 'month-end',
      bucket: { name: 'acme-month-end-eu', prefix: 'batchctl/' },
      iam: { workerProfile: 'abroad' },
    };
    await abroad.configure(authorizer, elsewhere);
    await giveRole(here, 'abroad', await policyOf(elsewhere));
    await beside.configure(authorizer, { region: HERE, stack: 'month-end-two', bucket: 'acme-month-end-two' });
    for (const team of [beside, ours, abroad]) await team.runSuccessfully('infra', 'up', '--yes');
    await here.s3.putBucketVersioning({
      Bucket: 'acme-month-end',
      VersioningConfiguration: { Status: 'Enabled' },
    });
  });

  const policyOf = async (fields: object) =>
    policyFor('worker', await awsProfile({ account: cloud.account, ...fields }));

  it('runs jobs of two stacks of one name at once, and refuses none of their requests', async () => {
    const isOfJobs = (name: string): boolean => !name.includes('month-end-two');
    const before = await others(isOfJobs);
    expect(await Promise.all([ours.runJob(), abroad.runJob()])).to.deep.equal(['A\nB\n', 'A\nB\n']);
    await ours.runSuccessfully('doctor');
    await ours.runSuccessfully('infra', 'status');
    await abroad.runSuccessfully('infra', 'status');
    await beside.runSuccessfully('infra', 'status');
    expect(authorizer.refused).to.deep.equal([]);
    expect(await others(isOfJobs)).to.deep.equal(before);
    await until('all instances have left', async () => {
      const groups = await Promise.all([here, there].map(({ scaling }) => scaling.describeAutoScalingGroups({})));
      return groups.every(({ AutoScalingGroups = [] }) =>
        AutoScalingGroups.every(({ Instances }) => !Instances?.length),
      );
    });
    expect(authorizer.refused).to.deep.equal([]);
  });

  it("refuses every change of the other stacks' resources by this one's people and workers", async () => {
    const before = await state();
    expect(worker).not.to.equal('');
    for (const key of [ours.key('admin'), ours.key('operator'), worker]) {
      const by = (region: string) => accountClients(cloud, { region, accessKeyId: key, maxAttempts: 1 });
      const [hereBy, thereBy] = [by(HERE), by(THERE)];
      const attempts = [
        ...(await changesOf(there, thereBy, { stack: 'month-end', bucket: 'acme-month-end-eu', role: 'abroad' })),
        ...(await changesOf(here, hereBy, { stack: 'month-end-two', bucket: 'acme-month-end-two' })),
      ];
      for (const [what, act] of attempts) {
        const error = await rejection(act());
        expect(error.name, `${key}: ${what}`).to.match(/^(AccessDenied|UnauthorizedOperation)/);
      }
      hereBy.close();
      thereBy.close();
    }
    expect(await state()).to.deep.equal(before);
    authorizer.refused.length = 0;
  });

  it('removes each of two stacks of one name with its rights, and nothing else', async () => {
    for (const [team, isOurs] of [
      [ours, (name: string) => MADE_BY_OURS.test(name)],
      [abroad, (name: string) => /^(eu-west-1\/\w+\/month-end-|bucket\/acme-month-end-eu)/.test(name)],
    ] as const) {
      const before = await others(isOurs);
      await team.runSuccessfully('infra', 'down', '--delete-data', '--confirm', 'month-end');
      expect(await state()).to.deep.equal(before);
    }
    expect(authorizer.refused).to.deep.equal([]);
  });

  describe('with a ledger whose password is in Secrets Manager', () => {
    const SECRET = 'month-end-sql/ledger';
    const server = forSuite(() => startMariadb());
    const sql = forSuite(() => new Team(cloud, 'sql'));
    const secretsBy = (accessKeyId?: string) =>
      new SecretsManager(clientConfig(cloud, { region: HERE, maxAttempts: 1, ...(accessKeyId && { accessKeyId }) }));
    const owner = forSuite(() => {
      const client = secretsBy();
      return Object.assign(client, { close: () => client.destroy() });
    });
    const textOf = (password: string): string => JSON.stringify({ username: 'batchctl', password });
    /** The roles, or access keys, that have read the secret. */
    const readers = (): readonly string[] =>
      cloud.calls
        .filter(({ action, status }) => action === 'GetSecretValue' && status === 200)
        .map(({ accessKeyId }) => cloud.grid.roleBy(accessKeyId) ?? accessKeyId);
    const starts = () => supervisor.consoles.filter(([, text]) => text.includes('stack month-end-sql'));

    before(async () => {
      await owner.createSecret({ Name: SECRET, SecretString: textOf(server.password) });
      await owner.createSecret({ Name: 'month-end-two/ledger', SecretString: 'theirs' });
      const ledger = { kind: 'mysql', url: server.url(), password: `secretsmanager:${SECRET}#password` };
      await sql.configure(authorizer, { region: HERE, stack: 'month-end-sql', bucket: 'acme-sql', ledger });
      await sql.runSuccessfully('infra', 'up', '--yes');
    });

    it('runs a job whose instances read it by their role, and no other secret', async () => {
      expect(await sql.runJob()).to.equal('A\nB\n');
      expect(authorizer.refused).to.deep.equal([]);
      expect(readers().filter((who) => who === 'month-end-sql-worker')).to.have.length(starts().length);
      for (const [, text] of supervisor.consoles) expect(text).not.to.include(server.password);
      expect(worker).not.to.equal('');
      for (const key of [sql.key('admin'), sql.key('operator'), worker]) {
        const client = secretsBy(key);
        expect((await client.getSecretValue({ SecretId: SECRET })).SecretString, key).to.include(server.password);
        const error = await rejection(client.getSecretValue({ SecretId: 'month-end-two/ledger' }));
        expect(error.name, key).to.equal('AccessDeniedException');
        client.destroy();
      }
      authorizer.refused.length = 0;
    });

    it('says that the password is refused after half a rotation, and runs the job once the secret follows', async () => {
      await until('all instances have left', () => cloud.grid.instances('month-end-sql-default').length === 0);
      const job = await sql.submit('--input', 'in.txt');
      await server.admin(`alter user 'batchctl'@'%' identified by 'rotated'`);
      await until('a worker is refused', () => starts().at(-1)?.[1].includes('Access denied') === true);
      const { code, stdout } = await sql.run(['why', job]);
      expect({ code, codes: [...stdout.matchAll(/^\d\. (\w+)/gm)].map(([, cause]) => cause) }, stdout).to.deep.equal({
        code: 11,
        codes: ['credentialsRefused'],
      });
      expect(stdout).to.include(`secretsmanager:${SECRET}#password`).and.not.include(server.password);
      await owner.putSecretValue({ SecretId: SECRET, SecretString: textOf('rotated') });
      await sql.runSuccessfully('wait', job);
      expect((await sql.runSuccessfully('fetch', job, '-o', '-')).stdout).to.equal('A\nB\n');
    });

    it("got only answers that the services' models have, or that are known not to matter", async () => {
      // By now, those of the jobs may have ended.
      const LaunchTemplate = { LaunchTemplateName: 'month-end-two-default' };
      await here.ec2.runInstances({ LaunchTemplate, InstanceType: 'c7g.large', MinCount: 1, MaxCount: 1 });
      await Promise.all([here.ec2.describeInstances({}), here.ec2.describeNetworkInterfaces({})]);
      expect(answers.surprises).to.deep.equal([]);
      expect(answers.outlived).to.deep.equal([]);
      expect([...answers.kinds].filter((kind) => kind.endsWith(' 200'))).to.have.length.above(50);
    });
  });
});
