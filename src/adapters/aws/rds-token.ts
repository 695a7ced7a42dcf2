import type { CredentialProvider } from './credentials.ts';
import { translateErrors } from './errors.ts';

/** A database and its user. The host must be the endpoint's own name: a token signed for an alias isn't accepted. */
export interface RdsUser {
  readonly host: string;
  readonly port: number;
  readonly user: string;
}

export interface RdsTokenOptions {
  readonly region: string;
  readonly credentials: CredentialProvider;
  /** The profile in ~/.aws/config, for messages; null: none. */
  readonly profile: string | null;
  /** Milliseconds, monotonic. */
  readonly now?: () => number;
}

/**
 * A token is valid for 15 minutes, checked only at connect. Signing it needs no request. It is kept for a while, so
 * that a worker that keeps reconnecting signs once.
 */
const KEPT_MS = 5 * 60_000;

/** Creates passwords from IAM credentials (`rds-db:connect`). Throws `credentials` if they are missing or expired. */
export function rdsTokens(options: RdsTokenOptions): (user: RdsUser) => Promise<string> {
  const { region, credentials, profile, now = () => performance.now() } = options;
  const kept = new Map<string, { readonly token: string; readonly until: number }>();
  return async ({ host, port, user }) => {
    const name = `${user}@${host}:${port}`;
    const known = kept.get(name);
    if (known !== undefined && now() < known.until) return known.token;
    const doing = {
      what: `sign in to the database as ${name}`,
      action: 'rds-db:connect',
      resource: `the user ${user}`,
    };
    return translateErrors({ ...doing, profile }, async () => {
      const { Signer } = await import('@aws-sdk/rds-signer');
      const token = await new Signer({ hostname: host, port, username: user, region, credentials }).getAuthToken();
      kept.set(name, { token, until: now() + KEPT_MS });
      return token;
    });
  };
}
