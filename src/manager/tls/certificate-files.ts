import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { Server } from 'node:https';
import { BatchctlError, hasCode } from '../../errors.ts';
import { fingerprintOf } from '../../lib/fingerprint.ts';

/** The files of a certificate that somebody else renews. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** Milliseconds between two looks at the files: whoever renews does so days ahead. */
const EVERY = 60_000;

/** Reads certificate and key. Throws `config` for what is none, no pair, or can't be read. */
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
  /** Told of each certificate that is taken up, and of each that can't be. */
  readonly onReload: (identity: Identity) => void;
  readonly onTrouble: (error: unknown) => void;
  /** Milliseconds between two looks; a minute unless given. */
  readonly everyMs?: number;
  readonly signal: AbortSignal;
}

/**
 * Takes up a renewed certificate: new connections get it, those that are open stay. One that can't be used leaves the old
 * one in place; it is told once for each change of the files. Answers what SIGHUP is to call: a look at once.
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
    // Read after the stamp was taken: what is written meanwhile has another, and is looked at again.
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

/** Changes whenever a file does; also when one is gone. */
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

/** What a manager proves to callers who it is with. */
export interface Identity {
  /** PEM; the manager's own certificate first, then those between it and its authority. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
  /** `sha256:` and 64 hex digits. */
  readonly fingerprint: string;
  /** From when on who goes by dates refuses it, ISO-8601 UTC. */
  readonly expires: string;
}

/** Puts certificate and key together. Throws `config`, naming where they are from, for what is none, or no pair. */
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

/** Not the error's own text: it may tell of the key. */
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
