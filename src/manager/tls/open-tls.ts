import type { Server as PlainServer } from 'node:http';
import { Server } from 'node:https';
import type { Platform } from '../../ports/platform.ts';
import { info, type Log, warning } from '../log.ts';
import { type CertificateFiles, type Identity, keepCertificate, readCertificateFiles } from './certificate-files.ts';
import { ownCertificate } from './own-certificate.ts';

export interface TlsOptions {
  readonly platform: Pick<Platform, 'store' | 'clock' | 'who'>;
  /** The address of the manager. */
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
  return ownCertificate(platform, /^(0\.0\.0\.0|::|)$/.test(host) ? [] : [host]);
}

/** True for addresses that only this machine can reach. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase();
  return bare === 'localhost' || bare === '::1' || /^(::ffff:)?127(\.\d{1,3}){3}$/.test(bare);
}

export interface RenewOptions {
  readonly files: CertificateFiles;
  readonly identity: Identity;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Called for each new certificate that is used. */
  readonly onRenewed: (identity: Identity) => void;
  /** Milliseconds between two looks at the files; a minute by default. */
  readonly everyMs?: number;
}

/** Uses renewed files while the server runs: within a minute, and at once on SIGHUP, until `signal` aborts. */
export function renewTls(
  server: PlainServer,
  { files, identity, log, signal, onRenewed, everyMs }: RenewOptions,
): void {
  if (!(server instanceof Server)) return;
  let inUse = identity;
  const tellExpiry = (): void => {
    const text = expiryWarning(inUse, Date.now());
    if (text !== null) log(warning('certificate', text, { expires: inUse.expires }));
  };
  tellExpiry();
  const daily = setInterval(tellExpiry, DAY_MS).unref();
  const look = keepCertificate(server, files, identity, {
    onReload: (renewed) => {
      inUse = renewed;
      onRenewed(renewed);
      log(info('certificate', `a renewed certificate is in use, fingerprint ${renewed.fingerprint}`));
    },
    onTrouble: (error) => log(warning('certificate', `the current certificate stays in use: ${textOf(error)}`)),
    ...(everyMs !== undefined && { everyMs }),
    signal,
  });
  const onHangup = (): void => void look();
  process.on('SIGHUP', onHangup);
  signal.addEventListener(
    'abort',
    () => {
      process.off('SIGHUP', onHangup);
      clearInterval(daily);
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

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
