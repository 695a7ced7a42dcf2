import { readFile } from 'node:fs/promises';
import { BatchctlError } from '../../errors.ts';
import type { ServerAddress } from './server-url.ts';

/** A ledger on a database server. */
export interface ServerOptions {
  /** `postgres://USER@HOST[:PORT]/DATABASE`, or `mysql:`; see `parseServerUrl`. */
  readonly url: string;
  /** A PEM file with the authority that signed the server's certificate; null or absent: those that Node trusts. */
  readonly ca?: string | null;
  /** Asked at each new connection, so that a token may be as short-lived as it likes. Absent: none is sent. */
  readonly password?: PasswordSource;
  /** Connections at once, at most; 2 unless given. */
  readonly connections?: number;
}

export interface PasswordSource {
  /** For messages: `the variable BATCHCTL_DB_PASSWORD`, `an IAM token`. */
  readonly from: string;
  readonly get: (address: ServerAddress) => Promise<string>;
}

/** A connection that isn't there after this long is given up, milliseconds. */
export const CONNECT_MS = 10_000;

/** Each statement is a round trip: any number of rows is written in few. */
export const SERVER_CHUNKS = [512, 256, 128, 64, 32, 16, 8, 4, 2, 1] as const;

/** Read at each connection, since authorities change while a worker runs. Throws `config`. */
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
