import { createInterface } from 'node:readline/promises';
import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import { messageOf } from '../../errors.ts';
import { isEc2 } from '../../lib/this-machine.ts';
import { within } from '../../lib/wait.ts';
import { MfaError } from './errors.ts';
import { type RoutedHandler, SILENT } from './http-handler.ts';

/** The SDK's own interface: returns a key, its secret and their expiry. */
export type CredentialProvider = Extract<NonNullable<S3ClientConfig['credentials']>, () => unknown>;
type CredentialIdentity = Awaited<ReturnType<CredentialProvider>>;

export interface CredentialsOptions {
  /** A profile in ~/.aws/config; null: the environment, the default profile, the container or the instance. */
  readonly profile: string | null;
  readonly region: string;
  /** For the chain's own requests to STS and SSO. Those to the metadata service bypass it. */
  readonly handler: RoutedHandler;
}

/** Timeout (milliseconds) and retries for the instance metadata service, which may take seconds on a busy instance. */
const ON_EC2 = { timeout: 5_000, maxRetries: 3 };
/** Off EC2 nothing answers at that address, and a person waits for the error. */
const ELSEWHERE = { timeout: 1_000, maxRetries: 0 };
/** The SDK asks for new credentials this many milliseconds before the old ones expire. */
const RENEW_EARLY_MS = 300_000;
/** Session credentials without an expiry are read again after this many milliseconds: someone may have renewed them. */
const READ_AGAIN_MS = RENEW_EARLY_MS + 300_000;
/** Milliseconds between two searches for successors of expiring credentials: each may cost a request. */
const LOOK_AGAIN_MS = 10_000;

/**
 * The SDK's own chain, shared by all clients. It looks for nothing before the first call. Expiring credentials are
 * looked up from scratch, files included, so that a long run uses a new sign-in within five minutes; with `forceRefresh`,
 * as the SDK spells it, within ten seconds.
 */
export function credentialChain(options: CredentialsOptions): CredentialProvider {
  let current: CredentialIdentity | null = null;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let loading: Promise<CredentialIdentity> | null = null;

  const load = async (): Promise<CredentialIdentity> => {
    const found = await findCredentials(options);
    const isExpiryUnknown = found.expiration === undefined && found.sessionToken !== undefined;
    return isExpiryUnknown ? { ...found, expiration: new Date(Date.now() + READ_AGAIN_MS) } : found;
  };

  return async (options) => {
    const isDue = options?.forceRefresh === true && Date.now() - lookedAt >= LOOK_AGAIN_MS;
    if (current !== null && !isDue && timeLeft(current) > RENEW_EARLY_MS) return current;
    if (current !== null && timeLeft(current) > 0 && Date.now() - lookedAt < LOOK_AGAIN_MS) return current;
    loading ??= load().finally(() => {
      loading = null;
      lookedAt = Date.now();
    });
    try {
      current = await loading;
    } catch (error) {
      // The source may be unavailable for a while; the credentials are still valid.
      if (current === null) throw error;
      if (timeLeft(current) <= 0) throw noNewCredentialsError(error);
    }
    return current;
  };
}

/**
 * One search from scratch. The expiry is that of the credentials; undefined if they have none or don't say. If a role
 * needs an MFA code, the terminal asks for it once per process, and all searches share the resulting session.
 */
export async function findCredentials({ profile, region, handler }: CredentialsOptions): Promise<CredentialIdentity> {
  const { defaultProvider } = await import('@aws-sdk/credential-provider-node');
  const sts = { clientConfig: { requestHandler: handler }, parentClientConfig: { region, requestHandler: handler } };
  return await defaultProvider({
    ...(profile !== null && { profile }),
    ...(isEc2() ? ON_EC2 : ELSEWHERE),
    ...sts,
    ignoreCache: true,
    logger: SILENT,
    // The code is asked for below, once there are credentials to send it with.
    mfaCodeProvider: async () => '',
    roleAssumer: async (source, params) => {
      const { getDefaultRoleAssumer } = await import('@aws-sdk/client-sts');
      const assume = getDefaultRoleAssumer({ ...sts.clientConfig, parentClientConfig: sts.parentClientConfig });
      const { RoleArn = '', SerialNumber } = params;
      if (SerialNumber === undefined) return await assume(source, params);
      const who = profile ?? process.env.AWS_PROFILE ?? 'default';
      return await mfaSession(RoleArn, async () => {
        codePrompt = promptForMfaCode(who, SerialNumber);
        return await assume(source, { ...params, TokenCode: await codePrompt });
      });
    },
  })();
}

/** The prompt for the code, pending or done. */
let codePrompt: Promise<string> | null = null;
/** Milliseconds after which a needed code's prompt is on screen. */
const PROMPT_MS = 1_000;

/**
 * Waits until a code that must be typed is there, so that callers with a short timeout don't count the typing. Doesn't
 * say whether there are credentials.
 */
export async function waitForMfaCode(credentials: CredentialProvider): Promise<void> {
  if (process.stdin.isTTY !== true) return;
  await within(credentials(), PROMPT_MS).catch(() => undefined);
  await codePrompt?.catch(() => undefined);
}

/** By role: the session from a typed code, or why there is none. A code works once, so all clients share it. */
const sessions = new Map<string, Promise<CredentialIdentity>>();

async function mfaSession(role: string, assume: () => Promise<CredentialIdentity>): Promise<CredentialIdentity> {
  // Threads started later find it too.
  const key = `batchctl-mfa-${role}`;
  const session =
    (getEnvironmentData(key) as unknown as CredentialIdentity | undefined) ?? (await (sessions.get(role) ?? ask()));
  if (timeLeft(session) > 0) return session;
  throw new MfaError(`the session of ${role}, started with an MFA code, has expired`, NEW_CODE_HINT);

  async function ask(): Promise<CredentialIdentity> {
    const asking = assume();
    sessions.set(role, asking);
    const given = await asking;
    setEnvironmentData(key, { ...given });
    return given;
  }
}

const NEW_CODE_HINT = 'run the same command again to enter a new MFA code';

/** How to get new credentials if these come from a typed code; null for any others. */
export async function mfaHint({ accessKeyId }: CredentialIdentity): Promise<string | null> {
  const given = await Promise.allSettled(sessions.values());
  const isOne = given.some((one) => one.status === 'fulfilled' && one.value.accessKeyId === accessKeyId);
  return isOne ? NEW_CODE_HINT : null;
}

/** Throws without a terminal, and when input ends. */
async function promptForMfaCode(who: string, serial: string): Promise<string> {
  const { stdin, stderr } = process;
  if (stdin.isTTY !== true || stderr.isTTY !== true) {
    throw new MfaError(
      `the profile ${who} requires an MFA code of ${serial}, but there is no terminal to enter it`,
      `use a role without MFA in \`aws.profile\`; or omit it, and set the variables printed on a terminal by: aws configure export-credentials --profile ${who} --format env`,
    );
  }
  const lines = createInterface({ input: stdin, output: stderr, terminal: false });
  const close = (): void => lines.close();
  process.once('SIGINT', close);
  const ended = new Promise<null>((resolve) => lines.once('close', () => resolve(null)));
  try {
    for (;;) {
      const said = await Promise.race([lines.question(`MFA code of ${serial}: `), ended]);
      if (said === null) throw new MfaError('no MFA code was entered', NEW_CODE_HINT);
      // STS: AssumeRole, TokenCode.
      if (/^\d{6}$/.test(said.trim())) return said.trim();
      stderr.write('Enter a code of six digits.\n');
    }
  } finally {
    process.off('SIGINT', close);
    lines.close();
  }
}

/** The credentials have expired and no source gives new ones. `translateAwsError` recognizes it by its name. */
function noNewCredentialsError(cause: unknown): Error {
  if (cause instanceof MfaError) return cause;
  const why = messageOf(cause);
  return Object.assign(new Error(`they have expired, and there are no others: ${why}`, { cause }), {
    name: 'CredentialsEnded',
  });
}

/** Milliseconds until they expire. */
const timeLeft = ({ expiration }: CredentialIdentity): number =>
  expiration === undefined ? Number.POSITIVE_INFINITY : expiration.getTime() - Date.now();
