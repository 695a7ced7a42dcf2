import type { LedgerServer } from '../config/load-config.ts';
import { isKind } from '../errors.ts';
import { isRecord } from '../lib/json.ts';
import { shellWord } from '../lib/shell-word.ts';
import { type Finding, fail, warn } from '../model/finding.ts';
import { type AwsContext, callAws } from './call-aws.ts';
import { simpleDb } from './ledger.ts';

/** In a region without SimpleDB the host doesn't exist, which shows quickly. */
const SIMPLEDB_ATTEMPTS = 3;

/** Whether the ledger itself is made (`data`), and whether instances that open it are. */
interface LedgerUse {
  readonly data: boolean;
  readonly machines: boolean;
}

/**
 * Checks that the ledger can be made, and that instances can sign in to it: with a password that they can read, or with
 * a token. Does not connect to a database: the person who creates a stack may not reach it.
 */
export async function validateLedger(place: AwsContext, use: LedgerUse): Promise<readonly Finding[]> {
  const { ledger } = place.profile;
  switch (ledger.kind) {
    case 'store':
      return [];
    case 'simpledb':
      return use.data ? validateSimpleDb(place) : [];
    case 'postgres':
    case 'mysql': {
      const { password, passwordEnv, iam } = ledger;
      if (password !== null) return validatePassword(place, { ...ledger, password }, use);
      return use.machines && passwordEnv !== null && !iam ? [ownPasswordFinding(place, passwordEnv)] : [];
    }
    default:
      return ledger satisfies never;
  }
}

/** It exists in few regions, and new accounts may have no access. */
async function validateSimpleDb({ profile, clients }: AwsContext): Promise<readonly Finding[]> {
  try {
    await simpleDb(clients, SIMPLEDB_ATTEMPTS).listDomains().next();
    return [];
  } catch (error) {
    // `refused`: the account has no access to it (OptInRequired).
    if (!isKind(error, 'unavailable', 'unexpected', 'refused')) throw error;
    const what = error.kind === 'refused' ? 'is not offered to this account' : 'does not respond';
    const message = `SimpleDB ${what} in ${profile.region}: ${error.message}`;
    return [fail(message, 'set ledger to { "kind": "store" }, which needs only the bucket')];
  }
}

/** The command reads the password from a pipe: arguments are in the list of processes. */
function ownPasswordFinding({ profile: { region, stack } }: AwsContext, variable: string): Finding {
  const name = `${stack}/ledger`;
  const put = `printf %s "$${variable}" | aws secretsmanager create-secret --region ${region} --name ${name} --secret-string file:///dev/stdin`;
  return fail(
    `ledger.passwordEnv: the password is in ${variable} of this machine, which instances do not have`,
    `${put}; then set "password": "secretsmanager:${name}" in the ledger in place of passwordEnv; or "iam": true, for a user that signs in with tokens`,
  );
}

/** A server's ledger whose password is in a secret. */
type LedgerWithPassword = LedgerServer & { readonly password: string };

async function validatePassword(
  place: AwsContext,
  ledger: LedgerWithPassword,
  { data, machines }: LedgerUse,
): Promise<readonly Finding[]> {
  return [
    // Making the tables needs the password anyway. Otherwise only the key that encrypts it is read.
    ...(data ? await readPassword(place, ledger) : []),
    ...(machines ? await validateKeyOf(place, ledger) : []),
  ];
}

/** Throws `notFound`, and `config` for a secret without such a key. */
async function readPassword({ clients }: AwsContext, { password }: LedgerWithPassword): Promise<readonly Finding[]> {
  const { AwsSecrets } = await import('../adapters/aws/secrets.ts');
  const text = await new AwsSecrets(clients).read(password);
  if (password.includes('#') || !isJsonObject(text)) return [];
  const message = `ledger.password: ${password} is a JSON object, which would be sent as the password`;
  return [fail(message, `name the field that holds the password: ${password}#password`)];
}

function isJsonObject(text: string): boolean {
  try {
    return isRecord(JSON.parse(text));
  } catch {
    return false;
  }
}

/** The roles may decrypt only with keys that the profile names. */
async function validateKeyOf(place: AwsContext, ledger: LedgerWithPassword): Promise<readonly Finding[]> {
  const { profile } = place;
  const key = await keyOf(place, ledger);
  // The services' own keys admit everyone in the account who may use the service.
  if (key === null || /(^|:)alias\/aws\//.test(key)) return [];
  const named = [ledger.passwordKey, profile.kmsKey].filter((one) => one !== null);
  if (named.some((one) => one === key || one.endsWith(`/${key}`))) return [];
  const print = `aws kms describe-key --region ${profile.region} --key-id ${shellWord(key)} --query KeyMetadata.Arn --output text`;
  if (key.includes('alias/') && named.length > 0) {
    const message = `ledger.password: ${ledger.password} is encrypted with ${key}, which may be another key than ${named[0]}`;
    return [warn(message, `compare the ARN: ${print}; if it differs, set ledger.passwordKey to it`)];
  }
  const message = `ledger.password: ${ledger.password} is encrypted with ${key}, and the profile does not name that key, so no instance could read it`;
  return [fail(message, `set ledger.passwordKey to its ARN: ${print}`)];
}

/** The id, ARN or alias of the key that encrypts the secret; null if that is the service's own. */
async function keyOf(place: AwsContext, { password }: LedgerWithPassword): Promise<string | null> {
  const at = password.indexOf(':');
  const [scheme, name] = [password.slice(0, at), password.slice(at + 1).replace(/#.*$/, '')];
  if (scheme === 'secretsmanager') {
    const doing = { what: `look at the secret ${name}`, action: 'secretsmanager:DescribeSecret' };
    return callAws(place, { ...doing, resource: `secret:${name}` }, async () => {
      const [sdk, client] = await Promise.all([
        import('@aws-sdk/client-secrets-manager'),
        place.clients.secretsManager(),
      ]);
      return (await client.send(new sdk.DescribeSecretCommand({ SecretId: name }))).KmsKeyId ?? null;
    });
  }
  // An ARN doesn't say whether the name begins with a slash. A version or label isn't part of the name.
  const plain = name
    .replace(/^arn:.*?:parameter\//, '')
    .replace(/^\//, '')
    .replace(/:.*$/, '');
  const doing = { what: `look at the parameter ${name}`, action: 'ssm:DescribeParameters', resource: '*' };
  return callAws(place, doing, async () => {
    const [sdk, client] = await Promise.all([import('@aws-sdk/client-ssm'), place.clients.ssm()]);
    const ParameterFilters = [{ Key: 'Name', Option: 'Equals', Values: [plain, `/${plain}`] }];
    const { Parameters = [] } = await client.send(new sdk.DescribeParametersCommand({ ParameterFilters }));
    return Parameters.find(({ KeyId }) => KeyId !== undefined)?.KeyId ?? null;
  });
}
