import { createInterface } from 'node:readline/promises';
import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import { isEc2 } from '../../lib/this-machine.ts';
import { wait } from '../../lib/wait.ts';
import { MfaError } from './errors.ts';
import { type RoutedHandler, SILENT } from './http-handler.ts';

/** The SDK's own interface: answers a key, its secret, and when they end. */
export type Credentials = Extract<NonNullable<S3ClientConfig['credentials']>, () => unknown>;
type Identity = Awaited<ReturnType<Credentials>>;

export interface CredentialsOptions {
  /** A profile of ~/.aws/config; null: the environment, the default profile, the container, the instance. */
  readonly profile: string | null;
  readonly region: string;
  /** For the requests of the chain itself: STS, SSO. Those to the metadata service go straight. */
  readonly handler: RoutedHandler;
}

/** Milliseconds and retries for the instance's metadata service: a loaded instance may take seconds to answer. */
const ON_EC2 = { timeout: 5_000, maxRetries: 3 };
/** Elsewhere nothing answers at that address, and a person waits for the error. */
const ELSEWHERE = { timeout: 1_000, maxRetries: 0 };
/** Milliseconds before their end from which the SDK asks for new ones. */
const EARLY = 300_000;
/** Milliseconds after which session credentials that don't tell their end are read again: someone may have renewed them. */
const READ_AGAIN = EARLY + 300_000;
/** Milliseconds between two looks for what comes after credentials that near their end: each may cost a request. */
const LOOK_AGAIN = 10_000;

/**
 * The SDK's own chain; looks for nothing before it is called. All clients share what it found. Credentials that near
 * their end are looked for from scratch, files included, so that a long run takes up a new sign-in within five minutes.
 */
export function credentialChain(options: CredentialsOptions): Credentials {
  let current: Identity | null = null;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let loading: Promise<Identity> | null = null;

  const load = async (): Promise<Identity> => {
    const found = await findCredentials(options);
    const untold = found.expiration === undefined && found.sessionToken !== undefined;
    return untold ? { ...found, expiration: new Date(Date.now() + READ_AGAIN) } : found;
  };

  return async () => {
    if (current !== null && leftOf(current) > EARLY) return current;
    if (current !== null && leftOf(current) > 0 && Date.now() - lookedAt < LOOK_AGAIN) return current;
    loading ??= load().finally(() => {
      loading = null;
      lookedAt = Date.now();
    });
    try {
      current = await loading;
    } catch (error) {
      // Where they come from may be away for a while; they still hold.
      if (current === null) throw error;
      if (leftOf(current) <= 0) throw endedNow(error);
    }
    return current;
  };
}

/**
 * One search from scratch; the end of what it finds is their own, undefined where they have none or don't tell it. Where
 * a role wants an MFA code, the terminal asks for it once in a process: all searches share the session that it gives.
 */
export async function findCredentials({ profile, region, handler }: CredentialsOptions): Promise<Identity> {
  const { defaultProvider } = await import('@aws-sdk/credential-provider-node');
  const sts = { clientConfig: { requestHandler: handler }, parentClientConfig: { region, requestHandler: handler } };
  return await defaultProvider({
    ...(profile !== null && { profile }),
    ...(isEc2() ? ON_EC2 : ELSEWHERE),
    ...sts,
    ignoreCache: true,
    logger: SILENT,
    // Asked for below, once there are credentials to send it with.
    mfaCodeProvider: async () => '',
    roleAssumer: async (source, params) => {
      const { getDefaultRoleAssumer } = await import('@aws-sdk/client-sts');
      const assume = getDefaultRoleAssumer({ ...sts.clientConfig, parentClientConfig: sts.parentClientConfig });
      const { RoleArn = '', SerialNumber } = params;
      if (SerialNumber === undefined) return await assume(source, params);
      const who = profile ?? process.env.AWS_PROFILE ?? 'default';
      return await mfaSession(RoleArn, async () => {
        typing = typedCode(who, SerialNumber);
        return await assume(source, { ...params, TokenCode: await typing });
      });
    },
  })();
}

/** The code that is being typed, or was. */
let typing: Promise<string> | null = null;
/** Milliseconds until a code is asked for, where one is. */
const ASKED_BY_NOW = 1_000;

/** Waits, for who has little time, until a code that must be typed is there. Whether there are credentials, it doesn't say. */
export async function codeTyped(credentials: Credentials): Promise<void> {
  if (process.stdin.isTTY !== true) return;
  const found = credentials().catch(() => undefined);
  const over = new AbortController();
  await Promise.race([found, wait(ASKED_BY_NOW, over.signal)]);
  over.abort();
  await typing?.catch(() => undefined);
}

/** By role: what a typed code gave, or why it gave nothing. A code counts once, and nobody types one for each client. */
const sessions = new Map<string, Promise<Identity>>();

async function mfaSession(role: string, assume: () => Promise<Identity>): Promise<Identity> {
  // Threads that are started later find it too.
  const key = `batchctl-mfa-${role}`;
  const session = (getEnvironmentData(key) as unknown as Identity | undefined) ?? (await (sessions.get(role) ?? ask()));
  if (leftOf(session) > 0) return session;
  throw new MfaError(`the session of ${role}, started with an MFA code, has expired`, ASK_AGAIN);

  async function ask(): Promise<Identity> {
    const asking = assume();
    sessions.set(role, asking);
    const given = await asking;
    setEnvironmentData(key, { ...given });
    return given;
  }
}

const ASK_AGAIN = 'run the same command again to enter a new MFA code';

/** How to get new credentials, where a typed code gave these; null for any others. */
export async function mfaHint({ accessKeyId }: Identity): Promise<string | null> {
  const given = await Promise.allSettled(sessions.values());
  const isOne = given.some((one) => one.status === 'fulfilled' && one.value.accessKeyId === accessKeyId);
  return isOne ? ASK_AGAIN : null;
}

/** Throws where there is no terminal, and at the end of what is typed. */
async function typedCode(who: string, serial: string): Promise<string> {
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
      if (said === null) throw new MfaError('no MFA code was entered', ASK_AGAIN);
      // STS: AssumeRole, TokenCode.
      if (/^\d{6}$/.test(said.trim())) return said.trim();
      stderr.write('Enter a code of six digits.\n');
    }
  } finally {
    process.off('SIGINT', close);
    lines.close();
  }
}

/** There were some, they have ended, and nothing gives others: `translateAwsError` knows it by its name. */
function endedNow(cause: unknown): Error {
  if (cause instanceof MfaError) return cause;
  const why = cause instanceof Error ? cause.message : String(cause);
  return Object.assign(new Error(`they have expired, and there are no others: ${why}`, { cause }), {
    name: 'CredentialsEnded',
  });
}

/** Milliseconds until they end. */
const leftOf = ({ expiration }: Identity): number =>
  expiration === undefined ? Number.POSITIVE_INFINITY : expiration.getTime() - Date.now();
