// Protects: infra up creates nothing for a ledger that instances could not sign in to, and says what is wrong with it.
import { KMS } from '@aws-sdk/client-kms';
import { SecretsManager } from '@aws-sdk/client-secrets-manager';
import { SSM } from '@aws-sdk/client-ssm';
import { expect } from 'chai';
import type { StackPart } from '../../src/infra/resource.ts';
import { randomId } from '../../src/lib/id.ts';
import { forSuite } from '../support/fixture.ts';
import { clientConfig } from '../support/grid/account-clients.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { deniedBy, printedPolicy, takePermissions } from '../support/iam.ts';
import { validate } from './grid-lab.ts';
import { StackWorkspace } from './stack-workspace.ts';

const URLS = { postgres: 'postgres://me@db.example.com/batch', mysql: 'mysql://me@db.example.com/batch' } as const;

describe('validation of a ledger on a server', () => {
  const cloud = forSuite(() => startCloud({ sqs: 'moto' }));
  const kms = forSuite(() => new KMS(clientConfig(cloud)));
  const secrets = forSuite(() => new SecretsManager(clientConfig(cloud)));
  const ssm = forSuite(() => new SSM(clientConfig(cloud)));
  const workspace = forSuite(() => new StackWorkspace(cloud));

  const mysql = (login: object) => ({ kind: 'mysql', url: URLS.mysql, ...login });
  /** What is found of the ledger; the account of the suite has findings of its own. */
  const findings = async (login: object, only: StackPart | null = null, settings: object = {}) => {
    const found = await validate(cloud, { ledger: mysql(login), ...settings }, only);
    return found.filter(({ message }) => /ledger|secret|parameter/.test(message));
  };
  const createSecret = async (text: string, KmsKeyId?: string): Promise<string> => {
    const Name = `db/${randomId(6)}`;
    await secrets.createSecret({ Name, SecretString: text, KmsKeyId });
    return `secretsmanager:${Name}`;
  };
  const createKey = async (): Promise<string> => (await kms.createKey({})).KeyMetadata?.Arn ?? '';

  for (const [kind, url] of Object.entries(URLS)) {
    it(`fails for ${kind} if only this machine has the password, with the commands that give it to instances`, async () => {
      const found = await validate(cloud, { stack: 'night', ledger: { kind, url, passwordEnv: 'BATCHCTL_DB' } });
      const [finding] = found.filter(({ severity }) => severity === 'fail');
      expect(finding?.message).to.equal(
        'ledger.passwordEnv: the password is in BATCHCTL_DB of this machine, which instances do not have',
      );
      expect(finding?.fix).to.include(
        'printf %s "$BATCHCTL_DB" | aws secretsmanager create-secret --region us-east-1 --name night/ledger --secret-string file:///dev/stdin; then set "password": "secretsmanager:night/ledger"',
      );
    });
  }

  it('fails so for instances, and not for a ledger that only workers of this machine use', async () => {
    const login = { passwordEnv: 'BATCHCTL_DB' };
    const parts = ['data', 'iam', 'grid', 'manager'] as const;
    const found = await Promise.all(parts.map((part) => findings(login, part, { manager: {} })));
    expect(found.map(([one]) => one?.severity)).to.deep.equal([undefined, undefined, 'fail', 'fail']);
    expect(await findings({ iam: true })).to.deep.equal([]);
    expect(await findings({ iam: true, ...login })).to.deep.equal([]);
    expect(await findings({})).to.deep.equal([]);
  });

  it('stops infra plan and infra up before they create anything, and shows how the ledger is opened', async () => {
    workspace.configure({ ledger: mysql({ passwordEnv: 'BATCHCTL_DB' }) });
    cloud.takeChanges();
    for (const command of ['plan', 'up']) {
      const { code, stderr } = await workspace.output('infra', command, '--yes');
      expect(code).to.equal(3);
      expect(stderr).to.include('instances do not have').and.include('aws secretsmanager create-secret');
    }
    expect(cloud.takeChanges()).to.deep.equal([]);
    const password = `${await createSecret('{"password":"hunter2"}')}#password`;
    workspace.configure({ ledger: mysql({ password }) });
    cloud.takeCalls();
    await workspace.runSuccessfully('config', 'trust', '--send', password);
    const { code, stdout, stderr } = await workspace.run(['infra', 'plan', '--json']);
    expect(code, stderr).to.equal(0);
    const steps = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(steps.find(({ kind }) => kind === 'tables')).to.deep.include({
      action: 'open',
      notes: [`signs in with the password in ${password}`],
    });
    expect(`${stdout}${stderr}`).not.to.include('hunter2');
    const calls = takePermissions(cloud, { stack: workspace.stack });
    expect(calls.map(({ action }) => action)).to.include('secretsmanager:GetSecretValue');
    expect(deniedBy(await printedPolicy(workspace, 'admin'), calls)).to.deep.equal([]);
    for (const part of ['data', 'grid']) {
      cloud.takeCalls();
      // Its role may not exist yet.
      await workspace.output('infra', 'plan', '--only', part);
      const own = takePermissions(cloud, { stack: workspace.stack });
      expect(deniedBy(await printedPolicy(workspace, 'admin', '--only', part), own), part).to.deep.equal([]);
    }
  });

  it('fails if the secret, the parameter or the field does not exist', async () => {
    const secret = await createSecret('{"password":"hunter2"}');
    for (const [password, message] of [
      ['secretsmanager:no-such', 'secret:no-such does not exist'],
      ['ssm:/no/such', 'parameter/no/such does not exist'],
      [`${secret}#pass`, 'expected text in pass, found no such key'],
    ] as const) {
      const [finding] = await findings({ password }, 'data');
      expect(finding, password).to.include({ severity: 'fail' });
      expect(finding?.message).to.include(message).and.not.include('hunter2');
    }
  });

  it('fails if a whole JSON secret would be sent as the password, with the reference to its field', async () => {
    const password = await createSecret('{"username":"me","password":"hunter2"}');
    const [finding] = await findings({ password });
    expect(finding).to.deep.include({
      severity: 'fail',
      fix: `name the field that holds the password: ${password}#password`,
    });
    expect(await findings({ password: `${password}#password` })).to.deep.equal([]);
    expect(await findings({ password: await createSecret('[1]') })).to.deep.equal([]);
  });

  it('fails if the profile does not name the key that encrypts the secret, with the command that prints its ARN', async () => {
    const [own, other] = [await createKey(), await createKey()];
    const id = own.split('/')[1] ?? '';
    const parameter = `/db/${randomId(6)}`;
    await ssm.putParameter({ Name: parameter, Value: 'hunter2', Type: 'SecureString', KeyId: own });
    for (const password of [
      await createSecret('hunter2', own),
      await createSecret('hunter2', id),
      `ssm:${parameter}`,
      `ssm:arn:aws:ssm:us-east-1:${cloud.account}:parameter${parameter}`,
    ]) {
      for (const passwordKey of [undefined, other]) {
        const [finding, ...more] = await findings({ password, passwordKey });
        expect(finding?.severity, password).to.equal('fail');
        expect(finding?.message).to.match(/is encrypted with .*, and the profile does not name that key/);
        expect(finding?.fix).to.include('set ledger.passwordKey to its ARN: aws kms describe-key --region us-east-1');
        expect(more).to.deep.equal([]);
      }
      expect(await findings({ password, passwordKey: own })).to.deep.equal([]);
    }
  });

  it("accepts the services' own keys, and the profile's key", async () => {
    const own = await createKey();
    const password = await createSecret('hunter2', own);
    expect(await findings({ password }, 'data', { kmsKey: own })).to.deep.equal([]);
    const settings = { kmsKey: own };
    const grid = await validate(cloud, { ledger: mysql({ password }), ...settings }, 'grid');
    expect(grid.filter(({ message }) => message.includes('ledger'))).to.deep.equal([]);
    const parameter = `/db/${randomId(6)}`;
    await ssm.putParameter({ Name: parameter, Value: 'hunter2', Type: 'SecureString', KeyId: 'alias/aws/ssm' });
    for (const each of [`ssm:${parameter}`, await createSecret('hunter2', 'alias/aws/secretsmanager')])
      expect(await findings({ password: each })).to.deep.equal([]);
  });

  it('warns of an alias, which may stand for the key that the profile names', async () => {
    const key = await createKey();
    await kms.createAlias({ AliasName: 'alias/db', TargetKeyId: key });
    const password = await createSecret('hunter2', 'alias/db');
    const [finding] = await findings({ password, passwordKey: key }, 'grid');
    expect(finding).to.include({ severity: 'warn' });
    expect(finding?.fix).to.include('--key-id alias/db');
    expect((await findings({ password }, 'grid'))[0]).to.include({ severity: 'fail' });
  });

  it('says what it could not check, where the caller may not look', async () => {
    const password = await createSecret('hunter2');
    cloud.failNext('secretsmanager:GetSecretValue', 400, 'AccessDeniedException');
    cloud.failNext('secretsmanager:DescribeSecret', 400, 'AccessDeniedException');
    const found = await findings({ password });
    expect(found.map(({ severity }) => severity)).to.deep.equal(['warn']);
    expect(found[0]?.message).to.match(/^not validated: .*secretsmanager:/);
  });
});
