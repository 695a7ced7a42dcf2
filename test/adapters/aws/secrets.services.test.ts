// Protects: secrets from Secrets Manager and SSM are read correctly, and no error ever shows a secret value.

import { expect } from 'chai';
import { AwsSecrets } from '../../../src/adapters/aws/secrets.ts';
import { randomId } from '../../../src/lib/id.ts';
import { openClients } from '../../support/aws-clients.ts';
import { forSuite } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { type Fault, FaultProxy } from '../../support/servers/fault-proxy.ts';
import { sharedMoto } from '../../support/servers/moto.ts';

/** An error in the services' JSON protocol. */
const refusal = (type: string, message: string): Fault => ({
  kind: 'answer',
  status: 400,
  body: JSON.stringify({ __type: type, message }),
});

describe('secrets in Secrets Manager and SSM', () => {
  const moto = forSuite(() => sharedMoto());
  const proxy = forSuite(() => FaultProxy.start(moto.url));
  const clients = forSuite(() =>
    openClients({ ssm: proxy.url, secretsmanager: proxy.url }, { region: 'eu-west-1', account: '123456789012' }),
  );
  const secrets = new AwsSecrets(clients);
  const id = randomId(6);

  before(async () => {
    const [{ PutParameterCommand }, { CreateSecretCommand }] = await Promise.all([
      import('@aws-sdk/client-ssm'),
      import('@aws-sdk/client-secrets-manager'),
    ]);
    const ssm = await clients.ssm();
    await ssm.send(new PutParameterCommand({ Name: `/lab/${id}`, Value: 'hunter2', Type: 'SecureString' }));
    const manager = await clients.secretsManager();
    const document = JSON.stringify({ password: 'pa55word', port: 5432, list: [1] });
    await manager.send(new CreateSecretCommand({ Name: `lab/${id}`, SecretString: document }));
    await manager.send(new CreateSecretCommand({ Name: `text/${id}`, SecretString: 'hunter2 is no JSON' }));
    await manager.send(new CreateSecretCommand({ Name: `bytes/${id}`, SecretBinary: Buffer.from('hunter2') }));
  });
  afterEach(() => proxy.heal());

  it('include a decrypted parameter, a whole secret, and one key of a JSON secret', async () => {
    expect(await secrets.read(`ssm:/lab/${id}`)).to.equal('hunter2');
    expect(await secrets.read(`secretsmanager:text/${id}`)).to.equal('hunter2 is no JSON');
    expect(await secrets.read(`secretsmanager:lab/${id}#password`)).to.equal('pa55word');
    expect(await secrets.read(`secretsmanager:lab/${id}#port`)).to.equal('5432');
  });

  for (const [title, name, kind, text] of [
    ['no such parameter', 'ssm:/no/such', 'notFound', 'arn:aws:ssm:eu-west-1:123456789012:parameter/no/such'],
    ['no such secret', 'secretsmanager:no-such', 'notFound', 'secret:no-such does not exist'],
    ['no such key', `secretsmanager:lab/${id}#user`, 'config', 'expected text in user, found no such key'],
    ['a key of every object', `secretsmanager:lab/${id}#constructor`, 'config', 'no such key'],
    ['a key that holds no text', `secretsmanager:lab/${id}#list`, 'config', 'a value of another kind'],
    ['a key of a secret that is no JSON', `secretsmanager:text/${id}#user`, 'config', 'expected a JSON object'],
    ['binary data', `secretsmanager:bytes/${id}`, 'config', 'binary data'],
  ] as const) {
    it(`lead to an error of kind ${kind} without the value, for ${title}`, async () => {
      const error = await failsWith(kind, secrets.read(name));
      expect(error.message)
        .to.include(text)
        .and.not.match(/hunter2|pa55word/);
      expect(error).to.have.property('hint').that.does.not.include('infra up');
    });
  }

  it('lead to an error with the action and resource that AWS denies, including a KMS key', async () => {
    proxy.fail(1, refusal('AccessDeniedException', ''));
    const plain = await failsWith('credentials', secrets.read(`ssm:/lab/${id}`));
    expect(plain.message).to.include(
      `ssm:GetParameter on arn:aws:ssm:eu-west-1:123456789012:parameter/lab/${id} is denied`,
    );
    const key = 'arn:aws:kms:eu-west-1:123456789012:key/1';
    const denial = `User: arn:aws:sts::123456789012:assumed-role/w/i is not authorized to perform: kms:Decrypt on resource: ${key} because no policy allows it`;
    proxy.fail(1, refusal('AccessDeniedException', denial));
    const ofKey = await failsWith('credentials', secrets.read(`secretsmanager:lab/${id}`));
    expect(ofKey.message).to.include(`kms:Decrypt on ${key} is denied`);
    expect(ofKey).to.have.property('hint').that.includes(`allow kms:Decrypt on ${key}`);
  });

  it('are requested again after throttling, but not after an invalid request', async () => {
    proxy.fail(2, refusal('ThrottlingException', 'Rate exceeded'));
    expect(await secrets.read(`secretsmanager:text/${id}`)).to.equal('hunter2 is no JSON');
    proxy.heal();
    proxy.fail(9, refusal('ValidationException', 'Parameter name is not well-formed'));
    await failsWith('config', secrets.read('ssm:odd'));
    expect(proxy.seen).to.have.length(1);
  });
});
