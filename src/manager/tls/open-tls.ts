import type { Server as PlainServer } from 'node:http';
import { Server } from 'node:https';
import type { Platform } from '../../ports/platform.ts';
import { info, type Log, warning } from '../log.ts';
import { type CertificateFiles, keepCertificate, readCertificateFiles } from './certificate-files.ts';
import type { Identity } from './identity.ts';
import { ownCertificate } from './own-certificate.ts';

export interface TlsOptions {
  readonly platform: Pick<Platform, 'store' | 'clock' | 'who'>;
  /** Where the manager listens. */
  readonly host: string;
  /** Null: no files are named. */
  readonly files: CertificateFiles | null;
}

/**
 * What the manager proves with who it is: the files, where some are named; nothing where only this machine can call; else
 * the certificate that the store's managers share. Throws `config` for files that can't be used.
 */
export async function openTls({ platform, host, files }: TlsOptions): Promise<Identity | null> {
  if (files !== null) return readCertificateFiles(files);
  if (isLoopback(host)) return null;
  return ownCertificate(platform, /^(0\.0\.0\.0|::|)$/.test(host) ? [] : [host]);
}

/** True for addresses that only this machine reaches. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase();
  return bare === 'localhost' || bare === '::1' || /^(::ffff:)?127(\.\d{1,3}){3}$/.test(bare);
}

export interface RenewOptions {
  readonly files: CertificateFiles;
  readonly identity: Identity;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Milliseconds between two looks at the files; a minute unless given. */
  readonly everyMs?: number;
}

/** Takes up renewed files while the server runs: within a minute, and at once on SIGHUP, until `signal`. */
export function renewTls(server: PlainServer, { files, identity, log, signal, everyMs }: RenewOptions): void {
  if (!(server instanceof Server)) return;
  const look = keepCertificate(server, files, identity, {
    onReload: ({ fingerprint }) =>
      log(info('certificate', `a renewed certificate is in use, fingerprint ${fingerprint}`)),
    onTrouble: (error) => log(warning('certificate', `the certificate in use stays: ${textOf(error)}`)),
    ...(everyMs !== undefined && { everyMs }),
    signal,
  });
  const onHangup = (): void => void look();
  process.on('SIGHUP', onHangup);
  signal.addEventListener('abort', () => process.off('SIGHUP', onHangup), { once: true });
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
