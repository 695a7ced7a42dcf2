import { formatDuration } from '../../lib/units.ts';
import { type Check, type Finding, fail, pass, warn } from '../../ports/check.ts';
import type { CredentialsFacts } from '../../ports/insight.ts';
import { type Identity, identityOf } from './account.ts';
import type { AwsClients } from './clients.ts';
import { credentialsFacts } from './credentials-facts.ts';

/** Credentials that end sooner are told of, milliseconds: a month end's work takes longer. */
const SOON_MS = 3_600_000;

/**
 * Whose credentials these are, whether that is the profile's account, and when they end. `known` false: an emulator
 * stands in for S3 and none for STS, so nobody is asked.
 */
export function identityChecks(clients: AwsClients, known: boolean): readonly Check[] {
  if (!known) {
    const message = 'not checked: S3 has a custom endpoint, but STS has none';
    return [{ check: 'identity', run: () => pass(message) }];
  }
  const identity = identityOf(clients, 'probe');
  identity.catch(() => undefined); // told by the check that awaits it
  return [
    { check: 'identity', run: async () => whoFinding(await identity) },
    { check: 'account', run: async () => accountFinding(clients, await identity.catch(() => null)) },
    { check: 'credentialsEnd', run: () => endFinding(clients) },
  ];
}

const whoFinding = ({ account, arn }: Identity): Finding => pass(`${arn}, account ${account}`);

function accountFinding({ account: expected, profile }: AwsClients, found: Identity | null): Finding {
  if (found === null) return warn('unknown: see identity', 'fix identity first');
  const { account, arn } = found;
  if (expected === null)
    return warn(
      `the profile has no account, so batchctl writes with any credentials it finds: ${account}`,
      `"account": "${account}" in the profile`,
    );
  if (account === expected) return pass(`${account}, as the profile says`);
  return fail(
    `expected credentials of the account ${expected}, found ${account} (${arn})`,
    profile === null
      ? 'use another profile of ~/.aws/config in `aws.profile`, or correct `account`'
      : `correct \`account\` or \`aws.profile\` (${profile})`,
  );
}

async function endFinding(clients: AwsClients): Promise<Finding> {
  const facts = await credentialsFacts(clients);
  if (facts.endsAt === null) return pass('they do not expire, or do not say when');
  return judgeEnd(facts.endsAt - Date.now(), facts);
}

/** What it means that credentials end in so many milliseconds. */
function judgeEnd(left: number, { renewed, signIn }: Pick<CredentialsFacts, 'renewed' | 'signIn'>): Finding {
  if (left <= 0) return fail('they have expired', signIn);
  const text = `they expire in ${formatDuration(left / 1_000)}`;
  if (renewed) return pass(`${text}, and this machine renews them automatically`);
  if (left >= SOON_MS) return pass(text);
  return warn(`${text}; work here then stops, and can be resumed`, signIn);
}
