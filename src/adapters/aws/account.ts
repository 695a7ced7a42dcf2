import { BatchctlError } from '../../errors.ts';
import type { AwsClients, ClientUse } from './clients.ts';
import { endedError, translateAwsError } from './errors.ts';

/** Who signs the requests. */
export interface Identity {
  readonly account: string;
  readonly arn: string;
}

/** Asks STS who one is. Throws `credentials`, `unavailable` as `translateAwsError`. */
export async function identityOf(clients: AwsClients, use: ClientUse = 'control'): Promise<Identity> {
  try {
    const [{ GetCallerIdentityCommand }, client] = await Promise.all([import('@aws-sdk/client-sts'), clients.sts(use)]);
    const { Account = '', Arn = '' } = await client.send(new GetCallerIdentityCommand({}));
    return { account: Account, arn: Arn };
  } catch (error) {
    const what = 'find out whose credentials these are';
    throw translateAwsError(error, { what, action: 'sts:GetCallerIdentity', resource: '*', profile: clients.profile });
  }
}

/**
 * To be called before anything is written. Throws `config` when the credentials belong to another account than the
 * profile's; asks nothing when the profile names none.
 */
export async function requireAccount(clients: AwsClients): Promise<void> {
  const { account: expected, profile } = clients;
  if (expected === null) return;
  const { account, arn } = await identityOf(clients);
  if (account === expected) return;
  throw new BatchctlError('config', `Expected credentials of the account ${expected}, found ${account} (${arn})`, {
    hint:
      profile === null
        ? 'use another profile of ~/.aws/config in `aws.profile`, or correct `account`'
        : `correct \`account\` or \`aws.profile\` (${profile})`,
  });
}

/** Throws `credentials` when those that sign end within so many seconds, and a new search finds none that last. */
export async function requireLasting(clients: AwsClients, seconds: number): Promise<void> {
  const { profile } = clients;
  const expiration = await clients.credentials().then(
    (identity) => identity.expiration,
    (error: unknown) => {
      throw translateAwsError(error, {
        what: 'find credentials',
        action: 'sts:GetCallerIdentity',
        resource: '*',
        profile,
      });
    },
  );
  if (expiration === undefined || expiration.getTime() - Date.now() > seconds * 1_000) return;
  throw endedError({ profile }, `the credentials expire at ${expiration.toISOString()}, and there are no others`);
}
