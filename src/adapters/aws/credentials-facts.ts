import { isEc2 } from '../../lib/is-ec2.ts';
import type { CredentialsFacts } from '../../ports/insight.ts';
import type { AwsClients } from './clients.ts';
import { mfaHint } from './credentials.ts';
import { signInText, translateAwsError } from './errors.ts';

/** When the credentials end that sign from here, looked for anew. Throws `credentials` when there are none. */
export async function credentialsFacts(clients: AwsClients): Promise<CredentialsFacts> {
  const { profile } = clients;
  const found = await clients.foundCredentials().catch((error: unknown) => {
    const doing = { what: 'find credentials', action: 'sts:GetCallerIdentity', resource: '*' };
    throw translateAwsError(error, { ...doing, profile });
  });
  const signIn = (await mfaHint(found)) ?? signInText(profile);
  return { endsAt: found.expiration?.getTime() ?? null, renewed: renewsItself(process.env), signIn };
}

/** AWS renews an instance's, a container's and a web identity's. */
function renewsItself(env: Readonly<Record<string, string | undefined>>): boolean {
  const { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: ecs, AWS_CONTAINER_CREDENTIALS_FULL_URI: eks } = env;
  return isEc2() || ecs !== undefined || eks !== undefined || env.AWS_WEB_IDENTITY_TOKEN_FILE !== undefined;
}
