import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { BatchctlError, hasCode } from '../errors.ts';
import type { Environment } from '../lib/environment.ts';
import { isLoopbackHost } from '../lib/proxy.ts';
import { shellWord } from '../lib/shell-word.ts';
import type { Config } from './load-config.ts';
import { pathKey } from './merge.ts';

/*
 * A configuration that is found in the working directory or above may have come with a clone. It can name any variable
 * of the environment, and any address to send it to. So the user confirms each such pair once (`batchctl config trust`).
 */

/** A secret in the account of the person who runs the command. */
const isReference = (what: string): boolean => what.includes(':');

/** Data that a profile sends to an address that it names. */
export interface Sending {
  /** A variable's name, a secret's reference, or `CREDENTIALS`: requests signed with them. */
  readonly what: string;
  /** `https://198.51.100.7`, `postgres://db.example.com:5432` */
  readonly address: string;
}

/** No variable has such a name. */
const CREDENTIALS = 'AWS credentials';
/** Other variables are meant for other programs: a profile that names one could want AWS's secret key. */
const isOurs = (what: string): boolean => what === CREDENTIALS || what.startsWith('BATCHCTL_');

/**
 * Throws `refused` if the profile of a configuration that the user didn't name sends something to an address that is
 * not confirmed. What goes to this machine needs none if the variable is batchctl's own.
 */
export function requireKnownAddresses(config: Config, env: Environment): void {
  const [unknown] = unconfirmedSendings(config, env).filter(
    ({ what }) => what === CREDENTIALS || isReference(what) || env[what],
  );
  if (unknown === undefined) return;
  const { what, address } = unknown;
  const file = `--config ${shellWord(config.file ?? '')}`;
  throw new BatchctlError(
    'refused',
    `profile ${config.profile.name} of ${config.file} sends ${shownWhat(what)} to ${address}, which you have not confirmed`,
    { hint: `if that is right: ${trustCommand(config, what)}, once; or name the file each time: ${file}` },
  );
}

/** Throws `config` if the environment turns off the check of servers' certificates: each secret would go to any server. */
export function requireCertificateChecks(env: Environment): void {
  if (env.NODE_TLS_REJECT_UNAUTHORIZED !== '0') return;
  throw new BatchctlError('config', 'NODE_TLS_REJECT_UNAUTHORIZED=0 makes Node accept any server as the right one', {
    hint: 'unset NODE_TLS_REJECT_UNAUTHORIZED; for an authority of your own, set NODE_EXTRA_CA_CERTS=FILE.pem',
  });
}

const shownWhat = (what: string): string => (what === CREDENTIALS ? 'requests signed with your AWS credentials' : what);

const trustCommand = ({ profile }: Config, what: string): string =>
  `batchctl config trust --profile ${profile.name}${isOurs(what) ? '' : ` --send ${shellWord(what)}`}`;

/** Data for addresses that the user hasn't confirmed; nothing if the user named the file. */
export function unconfirmedSendings(config: Config, env: Environment): readonly Sending[] {
  const asked = config.foundBy !== 'upward' ? [] : sendingsOf(config);
  const further = asked.filter(({ what, address }) => !(isOurs(what) && isLoopbackHost(hostOf(address))));
  if (further.length === 0) return [];
  const known = new Set(knownLines(env));
  return further.filter((each) => !known.has(lineOf(each)));
}

function sendingsOf({ profile, written, file }: Config): readonly Sending[] {
  switch (profile.backend) {
    case 'local':
      return [];
    case 'manager':
      return [{ what: profile.tokenEnv, address: addressOf(profile.url) }];
    case 'aws': {
      const { ledger } = profile;
      const server = ledger.kind === 'postgres' || ledger.kind === 'mysql' ? ledger : null;
      const password = server?.password ?? server?.passwordEnv ?? null;
      // Endpoints in variables are the user's own.
      const endpoints = Object.entries(profile.endpoints).filter(([service]) =>
        written.origins.get(pathKey(['endpoints', service]))?.origin.startsWith(`${file} (`),
      );
      const addresses = new Set(endpoints.map(([, url]) => addressOf(url)));
      return [
        ...(server === null || password === null ? [] : [{ what: password, address: addressOf(server.url) }]),
        ...Array.from(addresses, (address) => ({ what: CREDENTIALS, address })),
      ];
    }
    default:
      return profile satisfies never;
  }
}

function addressOf(url: string): string {
  // A malformed one is reported by the code that opens it.
  if (!URL.canParse(url)) return url;
  const { protocol, host } = new URL(url);
  return `${protocol}//${host}`;
}

const hostOf = (address: string): string =>
  URL.canParse(address) ? new URL(address).hostname.replace(/^\[|\]$/g, '') : '';

/**
 * Confirms what the profile sends, unless `dryRun`. Throws `usage` if it would send a variable that isn't batchctl's own,
 * or a secret, that the user didn't name.
 */
export function confirmSendings(
  config: Config,
  { env, named, dryRun }: { readonly env: Environment; readonly named: readonly string[]; readonly dryRun: boolean },
): readonly Sending[] {
  const asked = unconfirmedSendings(config, env);
  const foreign = asked.find(({ what }) => !isOurs(what) && !named.includes(what));
  if (foreign !== undefined) {
    const { what, address } = foreign;
    throw new BatchctlError(
      'usage',
      isReference(what)
        ? `the profile sends the secret ${what} to ${address}; expected it to be named, as it may belong to another program`
        : `the profile sends ${what} to ${address}; expected a variable named BATCHCTL_..., as others belong to other programs`,
      { hint: `${isReference(what) ? '' : 'rename it, or, '}if ${address} may have it: ${trustCommand(config, what)}` },
    );
  }
  if (asked.length === 0 || dryRun) return asked;
  const path = knownFile(env);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  // One write in append mode: concurrent confirmations are all kept.
  appendFileSync(path, asked.map((each) => `${lineOf(each)}\n`).join(''), { mode: 0o600 });
  return asked;
}

const lineOf = ({ what, address }: Sending): string => `${address} ${what}`;

function knownLines(env: Environment): readonly string[] {
  try {
    return readFileSync(knownFile(env), 'utf8').split('\n');
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}

/** The confirmed addresses, one a line (XDG Base Directory Specification). */
function knownFile({ HOME, XDG_STATE_HOME = '' }: Environment): string {
  const state = isAbsolute(XDG_STATE_HOME) ? XDG_STATE_HOME : join(HOME || homedir(), '.local', 'state');
  return join(state, 'batchctl', 'known-addresses');
}
