import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { BatchctlError } from '../../errors.ts';

export interface ServerAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  /** The server must prove by its certificate that it has this name. */
  readonly tls: boolean;
}

const PORTS = { postgres: 5432, mysql: 3306 } as const;
const SCHEMES = { 'postgres:': 'postgres', 'postgresql:': 'postgres', 'mysql:': 'mysql' } as const;

/**
 * Parses `postgres://USER@HOST[:PORT]/DATABASE[?sslmode=verify-full|disable]`, or the same with `mysql:`. Without
 * `sslmode`, TLS is used unless the host is this machine and no certificate authority is given. Throws `config`, and
 * never shows the URL: it may contain a password.
 */
export function parseServerUrl(text: string, kind: keyof typeof PORTS, hasCa: boolean): ServerAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const scheme = Object.entries(SCHEMES).find(([name]) => name === url?.protocol)?.[1];
  if (url === undefined || scheme !== kind) throw wrongUrlError(kind, 'another text');
  if (url.password !== '')
    throw wrongUrlError(kind, 'a password in it', 'name the secret that holds it in ledger.password');
  const user = decode(url.username);
  const database = decode(url.pathname.slice(1));
  const host = url.hostname.replace(/^\[|\]$/g, '');
  for (const [name, part] of Object.entries({ user, host, database })) {
    if (part === '') throw wrongUrlError(kind, `no ${name}`);
  }
  const port = url.port === '' ? PORTS[kind] : Number(url.port);
  return { host, port, user, database, tls: wantsTls(url, kind, hasCa || !isThisMachine(host)) };
}

function wantsTls(url: URL, kind: keyof typeof PORTS, otherwise: boolean): boolean {
  let tls = otherwise;
  for (const [name, value] of url.searchParams) {
    if (name !== 'sslmode') throw wrongUrlError(kind, `the parameter ${name}`, 'only sslmode may follow the database');
    if (value !== 'verify-full' && value !== 'disable') {
      throw wrongUrlError(
        kind,
        'an sslmode other than verify-full or disable',
        "the modes in between don't prevent interception",
      );
    }
    tls = value === 'verify-full';
  }
  return tls;
}

export function isAddress(host: string): boolean {
  return isIP(host) !== 0;
}

function isThisMachine(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127[.]\d+[.]\d+[.]\d+$/.test(host);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function wrongUrlError(
  kind: string,
  found: string,
  hint = `write ledger.url as ${kind}://USER@HOST/DATABASE`,
): BatchctlError {
  return new BatchctlError('config', `expected ledger.url to be ${kind}://USER@HOST/DATABASE, found ${found}`, {
    hint,
  });
}

export interface ServerOptions {
  /** `postgres://USER@HOST[:PORT]/DATABASE`, or `mysql:`; see `parseServerUrl`. */
  readonly url: string;
  /** A PEM file with the authority that signed the server's certificate; null or absent: those that Node trusts. */
  readonly ca?: string | null;
  /** Called at each new connection, so that a token may be short-lived. Absent: no password is sent. */
  readonly password?: PasswordSource;
  /** Most connections at once; 2 by default. */
  readonly connections?: number;
}

export interface PasswordSource {
  /** For messages: `the variable BATCHCTL_DB_PASSWORD`, `an IAM token`. */
  readonly from: string;
  readonly get: (address: ServerAddress) => Promise<string>;
  /**
   * The password that replaces one that the server refused, after a rotation; null if there is no other. Absent: the
   * password can't change.
   */
  readonly renew?: (refused: string) => Promise<string | null>;
}

/** Connects; if the server refuses the password, once more with the one that replaced it, if there is one. */
export async function connectWithPassword<T>(
  { password: source }: Pick<ServerOptions, 'password'>,
  address: ServerAddress,
  isRefusal: (error: unknown) => boolean,
  connect: (password: string | undefined) => Promise<T>,
): Promise<T> {
  const password = await source?.get(address);
  try {
    return await connect(password);
  } catch (error) {
    if (password === undefined || source?.renew === undefined || !isRefusal(error)) throw error;
    const newer = await source.renew(password);
    if (newer === null) throw error;
    return await connect(newer);
  }
}

/** Time limit to connect, milliseconds. */
export const CONNECT_MS = 10_000;

/** Each statement is a round trip: any number of rows is written in few. */
export const SERVER_CHUNKS = [512, 256, 128, 64, 32, 16, 8, 4, 2, 1] as const;

/** Read at each connection, because authorities change while a worker runs. Throws `config`. */
export async function readAuthority(file: string | null | undefined): Promise<string | undefined> {
  if (file === null || file === undefined) return undefined;
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new BatchctlError('config', `expected a certificate authority in ${file}, found no readable file`, {
      cause,
      hint: 'set ledger.ca to the PEM file of the authority that signed the certificate of the database',
    });
  }
  if (text.includes('-----BEGIN CERTIFICATE-----')) return text;
  throw new BatchctlError('config', `expected a certificate authority in ${file}, found no PEM certificate`, {
    hint: 'set ledger.ca to a file with -----BEGIN CERTIFICATE----- in it',
  });
}
