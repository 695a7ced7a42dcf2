import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { Server } from 'node:https';
import { BatchctlError, hasCode } from '../../errors.ts';
import { fingerprintOf } from '../../lib/fingerprint.ts';

/** The files of a certificate that is renewed elsewhere. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** Milliseconds between two looks at the files: renewals come days ahead. */
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

interface ReloadOptions {
  /** Called for each new certificate that is used, and for each that can't be. */
  readonly onReload: (identity: Identity) => void;
  readonly onTrouble: (error: unknown) => void;
  /** Milliseconds between two looks; a minute by default. */
  readonly everyMs?: number;
  readonly signal: AbortSignal;
}

/**
 * Uses a renewed certificate: new connections get it, open ones stay. One that can't be used leaves the old one in
 * place, and is reported once per change of the files. Returns the function for SIGHUP: an immediate look.
 */
export function keepCertificate(
  server: Pick<Server, 'setSecureContext'>,
  files: CertificateFiles,
  current: Identity,
  { onReload, onTrouble, everyMs = EVERY, signal }: ReloadOptions,
): () => Promise<void> {
  let inUse = current;
  let seen: string | null = null;
  const look = async (isAsked: boolean): Promise<void> => {
    const now = await stampOf(files);
    if (now === seen && !isAsked) return;
    try {
      const found = await readCertificateFiles(files);
      if (signal.aborted) return;
      if (found.cert !== inUse.cert || found.key !== inUse.key) {
        server.setSecureContext({ cert: found.cert, key: found.key, minVersion: 'TLSv1.2' });
        inUse = found;
        onReload(found);
      }
    } catch (error) {
      onTrouble(error);
    }
    // Read after the stamp was taken: a later write gives another stamp, and is read next time.
    seen = now;
  };
  let looking = Promise.resolve();
  const inTurn = (isAsked: boolean): Promise<void> => {
    looking = looking.then(() => look(isAsked));
    return looking;
  };
  const timer = setInterval(() => void inTurn(false), everyMs);
  timer.unref();
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
  return () => inTurn(true);
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
export function identityOf(cert: string, key: string, from: string): Identity {
  const leaf = read(`a certificate (PEM) in ${from}`, () => new X509Certificate(cert));
  const secret = read(`a private key (PEM, without a passphrase) in ${from}`, () => createPrivateKey(key));
  if (!leaf.checkPrivateKey(secret)) {
    throw new BatchctlError(
      'config',
      `expected the key of the certificate ${oneLine(leaf.subject)}, found another key in ${from}`,
      {
        hint: 'use two files that belong together: --tls-cert F --tls-key F',
      },
    );
  }
  return { cert, key, fingerprint: fingerprintOf(leaf.raw), expires: new Date(leaf.validTo).toISOString() };
}

/** Not the error's own text: it may contain parts of the key. */
function read<T>(what: string, parse: () => T): T {
  try {
    return parse();
  } catch {
    throw new BatchctlError('config', `expected ${what}, found none`, {
      hint: 'openssl x509 -in CERT -noout -subject; openssl pkey -in KEY -noout -check',
    });
  }
}

const oneLine = (text: string | undefined): string => (text ?? '').replaceAll('\n', ', ').slice(0, 200);
