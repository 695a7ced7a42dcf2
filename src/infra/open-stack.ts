import { AwsClients } from '../adapters/aws/clients.ts';
import { identityOf, requireAccount } from '../adapters/aws/identity.ts';
import type { AwsProfile } from '../config/load-config.ts';
import type { StackParts } from './stack.ts';

/** A stack that can be inspected, made and removed. The profile's account is known. */
export interface OpenStack extends StackParts {
  readonly account: string;
  close(): Promise<void>;
}

/**
 * Finds out the stack's account; makes no other request yet. Throws `config` for another account than the profile's,
 * `credentials`, `unavailable`.
 */
export async function openStack(
  profile: AwsProfile,
  given: Pick<StackParts, 'tables' | 'releases'>,
): Promise<OpenStack> {
  const { region, endpoints, aws } = profile;
  const clients = new AwsClients({ region, endpoints, profile: aws.profile, account: profile.account });
  try {
    await requireAccount(clients);
    // A queue names its dead-letter queue by an ARN, which contains the account.
    const account = profile.account ?? (await identityOf(clients)).account;
    return { account, profile: { ...profile, account }, clients, ...given, close: () => clients.close() };
  } catch (error) {
    await clients.close();
    throw error;
  }
}
