import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { Server as PlainServer } from 'node:http';
import { Server } from 'node:https';
import { networkInterfaces, hostname as thisHost } from 'node:os';
import { BatchctlError, hasCode, messageOf } from '../../errors.ts';
import { fingerprintOf } from '../../lib/certificate.ts';
import { parseStored } from '../../lib/json.ts';
import { CERTIFICATE_KEY } from '../../model/keys.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import type { Platform } from '../../ports/platform.ts';
import { info, type Log, warning } from '../log.ts';

interface TlsOptions {
  readonly platform: Pick<Platform, 'store' | 'clock' | 'who'>;
  readonly host: string;
  /** Null: no files are given. */
  readonly files: CertificateFiles | null;
}

/**
 * The manager's identity: from the files, if given; none if only this machine can call; otherwise the certificate that
 * the store's managers share. Throws `config` for files that can't be used.
 */
export async function openTls({ platform, host, files }: TlsOptions): Promise<Identity | null> {
  if (files !== null) return readCertificateFiles(files);
  if (isLoopback(host)) return null;
  return ensureCertificate(platform, /^(0\.0\.0\.0|::|)$/.test(host) ? [] : [host]);
}

/** True for addresses that only this machine can reach. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase();
  return bare === 'localhost' || bare === '::1' || /^(::ffff:)?127(\.\d{1,3}){3}$/.test(bare);
}

interface RenewOptions {
  readonly files: CertificateFiles;
  readonly identity: Identity;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly onRenewed: (identity: Identity) => void;
  /** Milliseconds between two checks of the files; a minute by default. */
  readonly everyMs?: number;
}

/**
 * Uses renewed files while the server runs: within a minute, and at once on SIGHUP, until `signal` aborts. New
 * connections get the new certificate, open ones stay. One that can't be used leaves the old one in place, and is
 * reported once per change of the files.
 */
export function renewTls(
  server: PlainServer,
  { files, identity, log, signal, onRenewed, everyMs = EVERY }: RenewOptions,
): void {
  if (!(server instanceof Server)) return;
  let inUse = identity;
  let seen: string | null = null;
  const warnOfExpiry = (): void => {
    const text = expiryWarning(inUse, Date.now());
    if (text !== null) log(warning('certificate', text, { expires: inUse.expires }));
  };
  const reload = async (isAsked: boolean): Promise<void> => {
    const now = await stampOf(files);
    if (now === seen && !isAsked) return;
    try {
      const found = await readCertificateFiles(files);
      if (signal.aborted) return;
      if (found.cert !== inUse.cert || found.key !== inUse.key) {
        server.setSecureContext({ cert: found.cert, key: found.key, minVersion: 'TLSv1.2' });
        inUse = found;
        onRenewed(found);
        log(info('certificate', `a renewed certificate is in use, fingerprint ${found.fingerprint}`));
      }
    } catch (error) {
      log(warning('certificate', `the current certificate stays in use: ${messageOf(error)}`));
    }
    // Read after the stamp was taken: a later write gives another stamp, and is read next time.
    seen = now;
  };
  let reloading = Promise.resolve();
  const reloadInTurn = (isAsked: boolean): void => {
    reloading = reloading.then(() => reload(isAsked));
  };
  warnOfExpiry();
  const daily = setInterval(warnOfExpiry, DAY_MS).unref();
  const timer = setInterval(() => reloadInTurn(false), everyMs).unref();
  const onHangup = (): void => reloadInTurn(true);
  process.on('SIGHUP', onHangup);
  signal.addEventListener(
    'abort',
    () => {
      process.off('SIGHUP', onHangup);
      clearInterval(daily);
      clearInterval(timer);
    },
    { once: true },
  );
}

const DAY_MS = 86_400_000;
/** Days before expiry from which a certificate that wasn't renewed is reported. */
const DAYS_LEFT = 14;

/** Null while there is time. `now` in milliseconds since the epoch. */
export function expiryWarning({ expires }: Pick<Identity, 'expires'>, now: number): string | null {
  const days = Math.floor((Date.parse(expires) - now) / DAY_MS);
  if (days >= DAYS_LEFT) return null;
  const when = days < 0 ? `expired ${expires}` : `expires ${expires}, in ${days} days`;
  return `the certificate ${when}; then only callers that know its fingerprint accept it: renew the files of --tls-cert and --tls-key`;
}

/** The stack's own certificate, as stored. */
interface StoredCertificate {
  readonly format: 1;
  /** PEM. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
  readonly who: string;
  /** When it was created, ISO-8601 UTC. */
  readonly at: string;
}

/**
 * The certificate that all managers of a store share, so that its fingerprint stays when an instance is replaced. It is
 * created if there is none (create-if-absent). `names` are its host names and addresses, in addition to this machine's.
 */
export async function ensureCertificate(
  platform: Pick<Platform, 'store' | 'clock' | 'who'>,
  names: readonly string[],
): Promise<Identity> {
  const { store, clock, who } = platform;
  const found = await readCertificate(store);
  if (found !== null) return found;
  const now = clock.now();
  // Loaded only if one must be made.
  const { makeCertificate } = await import('./make-certificate.ts');
  const made = await makeCertificate([...names, ...ownNames()], now);
  const stored: StoredCertificate = { format: 1, ...made, who, at: new Date(now).toISOString() };
  await store.put(CERTIFICATE_KEY, JSON.stringify(stored), { ifAbsent: true });
  // The winner of the race, perhaps another manager.
  const winner = await readCertificate(store);
  if (winner !== null) return winner;
  throw new BatchctlError('changed', `${CERTIFICATE_KEY} was removed while it was created`, {
    hint: 'start the manager again',
  });
}

/** Null if no manager has made one. Throws `newer`, `corrupt`, `config` for one that can't be used. */
export async function readCertificate(store: Pick<ObjectStore, 'read'>): Promise<Identity | null> {
  const bytes = await store.read(CERTIFICATE_KEY);
  if (bytes === null) return null;
  const { cert, key } = parseStored<StoredCertificate>(CERTIFICATE_KEY, bytes);
  return identityOf(String(cert), String(key), CERTIFICATE_KEY);
}

/** A name longer than DNS allows, or with other characters, would make an invalid certificate. */
function ownNames(): readonly string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  // A link-local address means nothing to other machines.
  const own = addresses.map(({ address }) => address).filter((address) => !/^fe80:/i.test(address));
  const host = /^[A-Za-z0-9.-]{1,253}$/.test(thisHost()) ? [thisHost()] : [];
  return ['localhost', '127.0.0.1', '::1', ...host, ...own];
}

/** The files of a certificate that is renewed elsewhere. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** Milliseconds between two checks of the files: renewals come days ahead. */
const EVERY = 60_000;

/** Reads certificate and key. Throws `config` if they are invalid, don't match, or can't be read. */
export async function readCertificateFiles({ cert, key }: CertificateFiles): Promise<Identity> {
  return identityOf(await readPem('--tls-cert', cert), await readPem('--tls-key', key), `${cert} and ${key}`);
}

async function readPem(flag: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const why = hasCode(cause, 'ENOENT') ? 'none' : hasCode(cause, 'EACCES') ? 'an unreadable one' : String(cause);
    throw new BatchctlError('config', `expected a file ${path} (${flag}), found ${why}`, {
      hint: "the manager's user must be able to read both files",
      cause,
    });
  }
}

/** Changes whenever a file does, or is gone. */
async function stampOf({ cert, key }: CertificateFiles): Promise<string> {
  const stamps = await Promise.all(
    [cert, key].map((path) =>
      stat(path).then(
        ({ mtimeMs, size, ino }) => `${mtimeMs} ${size} ${ino}`,
        () => 'gone',
      ),
    ),
  );
  return stamps.join(', ');
}

/** The identity that a manager proves to callers. */
export interface Identity {
  /** PEM; the manager's own certificate first, then the intermediate ones. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
  /** `sha256:` and 64 hex digits. */
  readonly fingerprint: string;
  /** Its expiry, ISO-8601 UTC. */
  readonly expires: string;
}

/** Combines certificate and key. Throws `config`, naming their source, if they are invalid, or don't match. */
function identityOf(cert: string, key: string, from: string): Identity {
  const leaf = parsePem(`a certificate (PEM) in ${from}`, () => new X509Certificate(cert));
  const secret = parsePem(`a private key (PEM, without a passphrase) in ${from}`, () => createPrivateKey(key));
  if (!leaf.checkPrivateKey(secret)) {
    throw new BatchctlError(
      'config',
      `expected the key of the certificate ${oneLine(leaf.subject)}, found another key in ${from}`,
      { hint: 'use two files that belong together: --tls-cert F --tls-key F' },
    );
  }
  return { cert, key, fingerprint: fingerprintOf(leaf.raw), expires: new Date(leaf.validTo).toISOString() };
}

/** Not the error's own text: it may contain parts of the key. */
function parsePem<T>(what: string, parse: () => T): T {
  try {
    return parse();
  } catch {
    throw new BatchctlError('config', `expected ${what}, found none`, {
      hint: 'openssl x509 -in CERT -noout -subject; openssl pkey -in KEY -noout -check',
    });
  }
}

const oneLine = (text: string | undefined): string => (text ?? '').replaceAll('\n', ', ').slice(0, 200);
