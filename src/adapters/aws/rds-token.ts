import type { Credentials } from './credentials.ts';
import { translateAwsError } from './errors.ts';

/** Where a database is, and as whom to come: the endpoint's own name, since another one is signed in vain. */
export interface RdsUser {
  readonly host: string;
  readonly port: number;
  readonly user: string;
}

export interface RdsTokenOptions {
  readonly region: string;
  readonly credentials: Credentials;
  /** The profile of ~/.aws/config, for messages; null: none. */
  readonly profile: string | null;
  /** Milliseconds, monotonic. */
  readonly now?: () => number;
}

/**
 * A token lets in for 15 minutes, and its age matters at connecting only. It is made on this machine, without a request;
 * kept for a while, a worker that connects again and again signs once.
 */
const KEPT_MS = 5 * 60_000;

/** What makes passwords of IAM credentials (`rds-db:connect`). Throws `credentials` when there are none, or they ended. */
export function rdsTokens(options: RdsTokenOptions): (user: RdsUser) => Promise<string> {
  const { region, credentials, profile, now = () => performance.now() } = options;
  const kept = new Map<string, { readonly token: string; readonly until: number }>();
  return async ({ host, port, user }) => {
    const name = `${user}@${host}:${port}`;
    const known = kept.get(name);
    if (known !== undefined && now() < known.until) return known.token;
    try {
      const { Signer } = await import('@aws-sdk/rds-signer');
      const token = await new Signer({ hostname: host, port, username: user, region, credentials }).getAuthToken();
      kept.set(name, { token, until: now() + KEPT_MS });
      return token;
    } catch (error) {
      const what = `sign in to the database as ${name}`;
      throw translateAwsError(error, { what, action: 'rds-db:connect', resource: `the user ${user}`, profile });
    }
  };
}
