import { BatchctlError } from '../../errors.ts';
import { isEc2 } from '../../lib/this-machine.ts';
import { formatDuration } from '../../lib/units.ts';
import { type Finding, fail, pass, warn } from '../../model/finding.ts';
import type { CredentialsFacts } from '../../model/machine-facts.ts';
import type { Check } from '../../ports/check.ts';
import type { AwsClients, ClientUse } from './clients.ts';
import { mfaHint } from './credentials.ts';
import { type AwsOperation, expiryError, signInText, translateErrors } from './errors.ts';

export interface Identity {
  readonly account: string;
  readonly arn: string;
}

const operation = (what: string, { profile }: AwsClients): AwsOperation => ({
  what,
  action: 'sts:GetCallerIdentity',
  resource: '*',
  profile,
});

/** Asks STS for the caller's identity. Throws `credentials`, `unavailable` as `translateAwsError`. */
export function readIdentity(clients: AwsClients, use: ClientUse = 'control'): Promise<Identity> {
  return translateErrors(operation('find out whose credentials these are', clients), async () => {
    const [{ GetCallerIdentityCommand }, client] = await Promise.all([import('@aws-sdk/client-sts'), clients.sts(use)]);
    const { Account = '', Arn = '' } = await client.send(new GetCallerIdentityCommand({}));
    return { account: Account, arn: Arn };
  });
}

/**
 * Call it before the first write. Throws `config` when the credentials belong to another account than the profile's.
 * Makes no request if the profile names no account.
 */
export async function requireAccount(clients: AwsClients): Promise<void> {
  const { account: expected, profile } = clients;
  if (expected === null) return;
  const { account, arn } = await readIdentity(clients);
  if (account === expected) return;
  throw new BatchctlError('config', `Expected credentials of the account ${expected}, found ${account} (${arn})`, {
    hint: accountHint(profile),
  });
}

const accountHint = (profile: string | null): string =>
  profile === null
    ? 'use another profile of ~/.aws/config in `aws.profile`, or correct `account`'
    : `correct \`account\` or \`aws.profile\` (${profile})`;

/** Throws `credentials` if they expire within `seconds` and a new search finds none that last longer. */
export async function requireLastingCredentials(clients: AwsClients, seconds: number): Promise<void> {
  const { expiration } = await translateErrors(operation('find credentials', clients), () => clients.credentials());
  if (expiration === undefined || expiration.getTime() - Date.now() > seconds * 1_000) return;
  throw expiryError(clients, `the credentials expire at ${expiration.toISOString()}, and there are no others`);
}

/** When the current credentials expire, from a new search. Throws `credentials` when there are none. */
export async function credentialsFacts(clients: AwsClients): Promise<CredentialsFacts> {
  const found = await translateErrors(operation('find credentials', clients), () => clients.lookUpCredentials());
  const signIn = (await mfaHint(found)) ?? signInText(clients.profile);
  return { endsAt: found.expiration?.getTime() ?? null, renewed: isAutoRenewed(process.env), signIn };
}

/** AWS renews the credentials of an instance, a container or a web identity. */
function isAutoRenewed(env: Readonly<Record<string, string | undefined>>): boolean {
  const { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: ecs, AWS_CONTAINER_CREDENTIALS_FULL_URI: eks } = env;
  return isEc2() || ecs !== undefined || eks !== undefined || env.AWS_WEB_IDENTITY_TOKEN_FILE !== undefined;
}

/** Warns of credentials that expire sooner, milliseconds: a month-end run takes longer. */
const SOON_MS = 3_600_000;

/**
 * Whose credentials these are, whether they belong to the profile's account, and when they expire. `known` is false if
 * an emulator replaces S3 but not STS; then STS isn't asked.
 */
export function identityChecks(clients: AwsClients, known: boolean): readonly Check[] {
  if (!known) {
    const message = 'not checked: S3 has a custom endpoint, but STS has none';
    return [{ code: 'identity', run: () => pass(message) }];
  }
  const identity = readIdentity(clients, 'probe');
  identity.catch(() => undefined); // reported by the check that awaits it
  return [
    { code: 'identity', run: async () => whoFinding(await identity) },
    { code: 'account', run: async () => accountFinding(clients, await identity.catch(() => null)) },
    { code: 'credentialsEnd', run: () => endFinding(clients) },
  ];
}

const whoFinding = ({ account, arn }: Identity): Finding => pass(`${arn}, account ${account}`);

function accountFinding({ account: expected, profile }: AwsClients, found: Identity | null): Finding {
  if (found === null) return warn('unknown: see identity', 'fix the check `identity` first');
  const { account, arn } = found;
  if (expected === null)
    return warn(
      `the profile has no account, so batchctl writes with any credentials it finds: ${account}`,
      `"account": "${account}" in the profile`,
    );
  if (account === expected) return pass(`${account}, as the profile says`);
  return fail(`expected credentials of the account ${expected}, found ${account} (${arn})`, accountHint(profile));
}

async function endFinding(clients: AwsClients): Promise<Finding> {
  const { endsAt, renewed, signIn } = await credentialsFacts(clients);
  if (endsAt === null) return pass('they do not expire, or do not say when');
  const left = endsAt - Date.now();
  if (left <= 0) return fail('they have expired', signIn);
  const text = `they expire in ${formatDuration(left / 1_000)}`;
  if (renewed) return pass(`${text}, and this machine renews them automatically`);
  if (left >= SOON_MS) return pass(text);
  return warn(`${text}; work here then stops, and can be resumed`, signIn);
}
