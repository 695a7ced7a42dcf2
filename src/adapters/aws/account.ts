import { BatchctlError } from '../../errors.ts';
import type { AwsClients } from './clients.ts';
import { translateAwsError } from './errors.ts';

/** Who signs the requests. */
export interface Identity {
  readonly account: string;
  readonly arn: string;
}

/** Asks STS who one is. Throws `credentials`, `unavailable` as `translateAwsError`. */
export async function identityOf(clients: AwsClients): Promise<Identity> {
  try {
    const [{ GetCallerIdentityCommand }, client] = await Promise.all([import('@aws-sdk/client-sts'), clients.sts()]);
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
        ? 'name a profile of ~/.aws/config in `aws.profile`, or correct `account`'
        : `correct \`account\` or \`aws.profile\` (${profile})`,
  });
}
