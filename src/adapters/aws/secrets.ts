import { BatchctlError, isKind } from '../../errors.ts';
import { isRecord } from '../../lib/json.ts';
import { partitionOf } from '../../lib/stack-names.ts';
import type { SecretSource } from '../../ports/secret-source.ts';
import type { AwsClients } from './clients.ts';
import { type AwsOperation, statusOf, translateAwsError } from './errors.ts';

/** Secrets from Systems Manager parameters and Secrets Manager. Each service is loaded at its first use. */
export class AwsSecrets implements SecretSource {
  readonly #clients: AwsClients;

  constructor(clients: AwsClients) {
    this.#clients = clients;
  }

  read(reference: string): Promise<string> {
    const at = reference.indexOf(':');
    const [scheme, name] = [reference.slice(0, at), reference.slice(at + 1)];
    return scheme === 'ssm' ? this.#parameter(name) : this.#secret(name);
  }

  async #parameter(name: string): Promise<string> {
    const [{ GetParameterCommand }, client] = await Promise.all([import('@aws-sdk/client-ssm'), this.#clients.ssm()]);
    const about = this.#about(`the parameter ${name}`, 'ssm:GetParameter', parameterArn(this.#clients, name));
    const asked = client.send(new GetParameterCommand({ Name: name, WithDecryption: true }));
    const { Parameter: parameter } = await asked.catch((error: unknown) => {
      throw secretError(error, about, `aws ssm put-parameter --type SecureString --name ${name} --value ...`);
    });
    return textOf(parameter?.Value, `the parameter ${name}`);
  }

  async #secret(reference: string): Promise<string> {
    // Names of secrets contain no #: it precedes the key in a JSON document.
    const [name = '', key] = reference.split(/#(.*)/s);
    const [{ GetSecretValueCommand }, client] = await Promise.all([
      import('@aws-sdk/client-secrets-manager'),
      this.#clients.secretsManager(),
    ]);
    const about = this.#about(`the secret ${name}`, 'secretsmanager:GetSecretValue', secretArn(this.#clients, name));
    const asked = client.send(new GetSecretValueCommand({ SecretId: name }));
    const { SecretString: text } = await asked.catch((error: unknown) => {
      throw secretError(error, about, `aws secretsmanager create-secret --name ${name} --secret-string ...`);
    });
    const value = textOf(text, `the secret ${name}`);
    return key === undefined ? value : fieldOf(value, name, key);
  }

  #about(what: string, action: string, resource: string): AwsOperation {
    return { what: `read ${what}`, action, resource, profile: this.#clients.profile };
  }
}

function secretError(error: unknown, about: AwsOperation, make: string): Error {
  const ours = translateAwsError(error, about);
  if (isKind(ours, 'notFound')) return new BatchctlError('notFound', ours.message, { hint: make, cause: error });
  // An invalid name or a disabled key: a retry doesn't help.
  const status = statusOf(error) ?? 0;
  if (!isKind(ours, 'unexpected') || status < 400 || status >= 500) return ours;
  return new BatchctlError('config', ours.message, { hint: 'correct the reference, or create it', cause: error });
}

function textOf(value: string | undefined, what: string): string {
  if (value !== undefined && !value.includes('\0')) return value;
  throw new BatchctlError('config', `${what}: expected text for a variable, found binary data`, {
    hint: 'store it as text (base64), and let the command decode it',
  });
}

/** The secret must not leak: JSON.parse's own error would quote it. */
function fieldOf(text: string, name: string, key: string): string {
  const document = documentOf(text);
  const hint = `correct the reference secretsmanager:${name}#${key}, or the secret`;
  if (document === null) {
    throw new BatchctlError('config', `the secret ${name}: expected a JSON object with ${key}, found other text`, {
      hint,
    });
  }
  const value = Object.hasOwn(document, key) ? document[key] : undefined;
  if (typeof value === 'string' && !value.includes('\0')) return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  const found = value === undefined ? 'no such key' : 'a value of another kind';
  throw new BatchctlError('config', `the secret ${name}: expected text in ${key}, found ${found}`, { hint });
}

function documentOf(text: string): Record<string, unknown> | null {
  try {
    const document: unknown = JSON.parse(text);
    return isRecord(document) ? document : null;
  } catch {
    return null;
  }
}

function secretArn({ region, account }: AwsClients, name: string): string {
  return name.startsWith('arn:')
    ? name
    : `arn:${partitionOf(region)}:secretsmanager:${region}:${account ?? '*'}:secret:${name}`;
}

function parameterArn({ region, account }: AwsClients, name: string): string {
  if (name.startsWith('arn:')) return name;
  const plain = name.replace(/^\//, '').replace(/:[^/]*$/, '');
  return `arn:${partitionOf(region)}:ssm:${region}:${account ?? '*'}:parameter/${plain}`;
}
