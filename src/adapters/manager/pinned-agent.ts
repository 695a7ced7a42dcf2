import { Agent as HttpAgent, type AgentOptions } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { HttpsProxyAgent } from 'hpagent';
import { BatchctlError } from '../../errors.ts';
import { fingerprintOf, hasFingerprint } from '../../lib/fingerprint.ts';
import { proxyAgent, proxyOf } from './proxy-agent.ts';

type OnConnected = (error: Error | null, stream: Duplex) => void;

/** Makes connections to a manager; with a fingerprint it takes that one certificate, whoever signed it, and no other. */
export function managerAgent(url: URL, fingerprint: string | null, options: AgentOptions): HttpAgent {
  if (url.protocol === 'https:' && fingerprint !== null) {
    // A session that is taken up again shows no certificate.
    const pinned = { ...options, maxCachedSessions: 0 };
    const proxy = proxyOf(url);
    return proxy === null ? new PinnedAgent(fingerprint, pinned) : new PinnedProxyAgent(fingerprint, { ...pinned, proxy });
  }
  return proxyAgent(url, options) ?? (url.protocol === 'https:' ? new HttpsAgent(options) : new HttpAgent(options));
}

/** Hands out a connection only once its certificate was compared: until then not a byte of a request is on it. */
class PinnedAgent extends HttpsAgent {
  readonly #fingerprint: string;

  constructor(fingerprint: string, options: AgentOptions & { readonly maxCachedSessions: number }) {
    super(options);
    this.#fingerprint = fingerprint;
  }

  override createConnection(options: ConnectionOptions, callback?: OnConnected): undefined {
    compared(connect({ ...options, rejectUnauthorized: false }), this.#fingerprint, callback);
  }
}

/** The same, by a proxy. */
class PinnedProxyAgent extends HttpsProxyAgent {
  readonly #fingerprint: string;

  constructor(fingerprint: string, options: ConstructorParameters<typeof HttpsProxyAgent>[0]) {
    super(options);
    this.#fingerprint = fingerprint;
  }

  override createConnection(options: ConnectionOptions, callback?: OnConnected): undefined {
    const through = HttpsProxyAgent.prototype as unknown as { createConnection: Connect };
    through.createConnection.call(this, { ...options, rejectUnauthorized: false }, (error, socket) => {
      if (error !== null || socket === null) callback?.(error, socket as unknown as Duplex);
      else compared(socket, this.#fingerprint, callback);
    });
  }
}

type Connect = (
  this: unknown,
  options: ConnectionOptions,
  callback: (error: Error | null, socket: TLSSocket | null) => void,
) => void;

function compared(socket: TLSSocket, fingerprint: string, callback: OnConnected | undefined): void {
  const settled = (error: Error | null): void => {
    socket.off('error', settled);
    callback?.(error, socket);
  };
  socket.once('error', settled);
  socket.once('secureConnect', () => {
    const wrong = mismatch(socket, fingerprint);
    if (wrong !== null) socket.destroy();
    settled(wrong);
  });
}

function mismatch(socket: TLSSocket, expected: string): BatchctlError | null {
  const { raw } = socket.getPeerCertificate() as { readonly raw?: Buffer };
  if (raw !== undefined && hasFingerprint(raw, expected)) return null;
  const found = raw === undefined ? 'none' : fingerprintOf(raw);
  return new BatchctlError(
    'config',
    `expected the manager's certificate to be ${expected}, found ${found}: nothing was sent`,
    {
      hint: "ask whoever runs the manager for its fingerprint, and correct the profile's; if that is right, somebody stands in between",
    },
  );
}
