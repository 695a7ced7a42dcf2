import { BatchctlError, isBatchctlError } from '../../errors.ts';
import { isCertificateError } from '../../lib/certificate.ts';
import type { ServerAddress } from './server-options.ts';

/** The cause of an error, in the terms that all database servers share. */
export type ServerTrouble =
  | 'busy'
  | 'lost'
  | 'password'
  | 'rights'
  | 'database'
  | 'tls'
  | 'host'
  | 'full'
  | 'corrupt'
  | 'other';

const LOST = new Set([
  ...['ECONNRESET', 'ECONNREFUSED', 'ECONNABORTED', 'ETIMEDOUT', 'EPIPE'],
  ...['EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN', 'EHOSTDOWN', 'EAI_AGAIN'],
]);
/** The trouble for an error code of Node's network or TLS; undefined for any other. */
export function networkTrouble(code: string): ServerTrouble | undefined {
  if (LOST.has(code)) return 'lost';
  if (isCertificateError(code) || code.startsWith('ERR_SSL_')) return 'tls';
  return code === 'ENOTFOUND' ? 'host' : undefined;
}

/** An error's `code`, or ''. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

export interface ServerNames {
  /** `PostgreSQL db.example.com:5432/batchctl`. */
  readonly name: string;
  readonly address: ServerAddress;
  /** Where the password came from; undefined if there is none. */
  readonly passwordFrom: string | undefined;
}

/** The error for the caller. Messages name server, database and user, but never a password: none gets here. */
export function translateTrouble(names: ServerNames, trouble: ServerTrouble, error: unknown): BatchctlError {
  if (isBatchctlError(error)) return error;
  const { name, address, passwordFrom } = names;
  // A host name with several addresses fails with an error that has a code and no text.
  const said = error instanceof Error && error.message !== '' ? error.message : codeOf(error) || String(error);
  const found = said.replace(/\s+/g, ' ').slice(0, 300);
  const make = (kind: BatchctlError['kind'], message: string, hint: string): BatchctlError =>
    new BatchctlError(kind, message, { cause: error, hint });
  switch (trouble) {
    case 'busy':
      return make(
        'unavailable',
        `expected the ledger ${name} to be free, found it busy: ${found}`,
        'look for long transactions on the database, then run it again',
      );
    case 'lost':
      return make(
        'unavailable',
        `expected to reach the ledger ${name} and write there, found: ${found}`,
        'check that the server is up and that its security group lets this machine in; `batchctl doctor` shows more',
      );
    case 'host':
      return make(
        'unavailable',
        `expected the ledger's host ${address.host} to have an address, found none`,
        'check ledger.url, and that this machine resolves names of that network',
      );
    case 'password':
      return make(
        'credentials',
        `expected the ledger ${name} to accept ${address.user}, found: ${found}`,
        passwordFrom === undefined
          ? 'name the secret that holds the password in ledger.password, or set ledger.iam'
          : `the password came from ${passwordFrom}: check that it is ${address.user}'s current password`,
      );
    case 'rights':
      return make(
        'credentials',
        `expected ${address.user} to have the rights it needs on the ledger ${name}, found: ${found}`,
        `grant ${address.user} select, insert, update and delete there; and create, for the first start of each version`,
      );
    case 'database':
      return make(
        'config',
        `expected a database ${address.database} on ${address.host}, found none`,
        `create it (create database ${address.database}), or correct ledger.url`,
      );
    case 'tls':
      return make(
        'config',
        `expected ${address.host} to have a certificate that proves its name, found: ${found}`,
        'set ledger.ca to the authority of the database (RDS: its global bundle), and use the name in the certificate',
      );
    case 'full':
      return make(
        'full',
        `expected room in the ledger ${name}, found its disk full`,
        'give the database more storage (`batchctl prune` removes finished jobs), then run it again',
      );
    case 'corrupt':
      return make(
        'corrupt',
        `expected the ledger ${name} to be intact, found: ${found}`,
        'restore the database, or make an empty one and run `batchctl ledger rebuild`: the store has everything that matters',
      );
    case 'other':
      return make('unexpected', `the ledger ${name} failed: ${found}`, 'run it again; if this persists, report it');
    default:
      return trouble satisfies never;
  }
}
