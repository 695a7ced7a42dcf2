import { type AgentOptions, Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { HttpsProxyAgent } from 'hpagent';
import { BatchctlError } from '../../errors.ts';
import { fingerprintOf, hasFingerprint } from '../../lib/certificate.ts';
import { proxyAgent, proxyOf } from '../../lib/proxy.ts';

type OnConnected = (error: Error | null, stream: Duplex) => void;

/** Connects to a manager. With a fingerprint it accepts only that certificate, by any issuer. */
export function managerAgent(url: URL, fingerprint: string | null, options: AgentOptions): HttpAgent {
  if (url.protocol === 'https:' && fingerprint !== null) {
    // A resumed session shows no certificate.
    const pinned = { ...options, maxCachedSessions: 0 };
    const proxy = proxyOf(url);
    return proxy === null
      ? new PinnedAgent(fingerprint, pinned)
      : new PinnedProxyAgent(fingerprint, { ...pinned, proxy });
  }
  return proxyAgent(url, options) ?? (url.protocol === 'https:' ? new HttpsAgent(options) : new HttpAgent(options));
}

/** Gives out a connection only after comparing its certificate: until then no byte of a request is sent. */
class PinnedAgent extends HttpsAgent {
  readonly #handshakes: Handshakes;

  constructor(fingerprint: string, options: AgentOptions & { readonly maxCachedSessions: number }) {
    super(options);
    this.#handshakes = new Handshakes(fingerprint);
  }

  override createConnection(options: ConnectionOptions, callback?: OnConnected): undefined {
    this.#handshakes.compare(connect({ ...options, rejectUnauthorized: false }), callback);
  }

  override destroy(): void {
    this.#handshakes.giveUp();
    super.destroy();
  }
}

/** As `PinnedAgent`, through a proxy. */
class PinnedProxyAgent extends HttpsProxyAgent {
  readonly #handshakes: Handshakes;

  constructor(fingerprint: string, options: ConstructorParameters<typeof HttpsProxyAgent>[0]) {
    super(options);
    this.#handshakes = new Handshakes(fingerprint);
  }

  override createConnection(options: ConnectionOptions, callback?: OnConnected): undefined {
    const through = HttpsProxyAgent.prototype as unknown as { createConnection: Connect };
    through.createConnection.call(this, { ...options, rejectUnauthorized: false }, (error, socket) => {
      if (error !== null || socket === null) callback?.(error, socket as unknown as Duplex);
      else this.#handshakes.compare(socket, callback);
    });
  }

  override destroy(): void {
    this.#handshakes.giveUp();
    super.destroy();
  }
}

type Connect = (
  this: unknown,
  options: ConnectionOptions,
  callback: (error: Error | null, socket: TLSSocket | null) => void,
) => void;

/** Time limit of a handshake, milliseconds. */
const HANDSHAKE = 10_000;

/** Connections whose certificate isn't compared yet. No request has them, so nothing else would close them. */
class Handshakes {
  readonly #fingerprint: string;
  readonly #open = new Set<TLSSocket>();

  constructor(fingerprint: string) {
    this.#fingerprint = fingerprint;
  }

  /** Calls back once the certificate is the expected one, or the connection is lost. */
  compare(socket: TLSSocket, callback: OnConnected | undefined): void {
    this.#open.add(socket);
    const late = setTimeout(() => {
      socket.destroy(new Error(`no TLS handshake within ${HANDSHAKE / 1_000} s`));
    }, HANDSHAKE);
    const settle = (error: Error | null): void => {
      clearTimeout(late);
      this.#open.delete(socket);
      socket.off('error', settle);
      callback?.(error, socket);
    };
    socket.once('error', settle);
    socket.once('secureConnect', () => {
      const wrong = mismatch(socket, this.#fingerprint);
      if (wrong !== null) socket.destroy();
      settle(wrong);
    });
  }

  giveUp(): void {
    for (const socket of this.#open) socket.destroy(new Error('given up'));
  }
}

function mismatch(socket: TLSSocket, expected: string): BatchctlError | null {
  const { raw } = socket.getPeerCertificate() as { readonly raw?: Buffer };
  if (raw !== undefined && hasFingerprint(raw, expected)) return null;
  const found = raw === undefined ? 'none' : fingerprintOf(raw);
  return new BatchctlError(
    'config',
    `expected the manager's certificate to be ${expected}, found ${found}: nothing was sent`,
    {
      hint: "ask the manager's operator for its fingerprint and correct the profile's; if it is already correct, someone is intercepting the connection",
    },
  );
}
