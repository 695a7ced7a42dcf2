import type { FastifyInstance } from 'fastify';
import { BatchctlError, hasCode } from '../errors.ts';
import { managerId } from '../jobs/watch/round-memory.ts';
import type { KeepingPoint } from '../jobs/watch/tick.ts';
import { wait } from '../lib/wait.ts';
import type { Platform } from '../ports/platform.ts';
import type { VerbRunner } from '../ports/verbs.ts';
import { buildServer } from './http/server.ts';
import type { SignInCode } from './http/sign-in.ts';
import { info, type Log, warning } from './log.ts';
import { Rounds } from './rounds.ts';
import { RunningVerbs } from './running-verbs.ts';
import type { CertificateFiles, Identity } from './tls/certificate-files.ts';
import { openTls, renewTls } from './tls/open-tls.ts';

export interface ListenAt {
  readonly host: string;
  readonly port: number;
}

export interface ManagerOptions {
  readonly platform: Platform;
  readonly verbs: VerbRunner;
  readonly listen: ListenAt;
  /** A certificate that is renewed elsewhere; null: the manager's own, or none if only this machine can call. */
  readonly certificate: CertificateFiles | null;
  /** The code of the link by which the person who started it signs in; null: there is no terminal to print it to. */
  readonly signIn: SignInCode | null;
  /** When it aborts, the manager leaves. */
  readonly signal: AbortSignal;
  readonly log: Log;
  /** Called with its address, and the fingerprint of its certificate; null: plain HTTP. */
  readonly onListening: (address: string, fingerprint: string | null) => Promise<void>;
  /** Milliseconds without a sign of life after which a part of the rounds counts as hanging. */
  readonly loopMs: number;
  /** For crash tests. */
  readonly passed?: (point: KeepingPoint) => void;
}

/**
 * When told to leave, how long it waits for running work (systemd then has TimeoutStopSec=110), and for callers,
 * milliseconds.
 */
const [LEAVE_MS, CLOSE_MS] = [60_000, 10_000];

/**
 * Serves the API, and performs a keeper's duties, until it is told to leave. Throws `unavailable` if the address can't
 * be used, and if it hangs: then it should be restarted.
 */
export async function runManager(options: ManagerOptions): Promise<void> {
  const { platform, listen, signal, log, loopMs, passed } = options;
  const ended = new AbortController();
  const end = (): void => ended.abort();
  if (signal.aborted) end();
  signal.addEventListener('abort', end, { once: true });
  let hung: BatchctlError | null = null;
  let rounds: Rounds | null = null;
  const verbs = new RunningVerbs(options.verbs, () => rounds?.nudge());
  const { certificate: files } = options;
  const identity = await openTls({ platform, host: listen.host, files });
  let shown = identity;
  const server = buildServer({
    ...{ verbs, platform, identity, signIn: options.signIn },
    health: () => ({ duties: rounds?.health() ?? [], certificateExpires: shown?.expires ?? null }),
    guards: { platform, onAudit: (line) => log(info('audit', `audit ${JSON.stringify(line)}`, { ...line })) },
    onHidden: (error, request) => log(warning('unexpected', `request ${request}: ${stackOf(error)}`, { request })),
  });
  await open(server, listen);
  const port = portOf(server, listen);
  const host = listen.host.includes(':') ? `[${listen.host}]` : listen.host;
  const address = `${identity === null ? 'http' : 'https'}://${host}:${port}`;
  if (files !== null && identity !== null) {
    const onRenewed = (renewed: Identity): void => {
      shown = renewed;
    };
    renewTls(server.server, { files, identity, log, onRenewed, signal: ended.signal });
  }
  rounds = new Rounds({
    ...{ platform, id: managerId(port), log, loopMs, ...(passed && { passed }) },
    onHung: (error) => {
      hung = error;
      end();
    },
  });
  try {
    await options.onListening(address, identity?.fingerprint ?? null);
  } catch (error) {
    await server.close();
    throw error;
  }
  rounds.start();
  if (!ended.signal.aborted)
    await new Promise<void>((resolve) => ended.signal.addEventListener('abort', () => resolve(), { once: true }));
  log(info('leaving', 'shutting down: no new calls are accepted, and running ones are finished'));
  const closed = server.close();
  await Promise.all([verbs.leave(LEAVE_MS), rounds.stop(hung === null ? LEAVE_MS : 0)]);
  const isClosed = new AbortController();
  await Promise.race([closed.finally(() => isClosed.abort()), wait(CLOSE_MS, isClosed.signal)]);
  server.server.closeAllConnections();
  await closed;
  if (hung !== null) throw hung;
}

async function open(server: FastifyInstance, listen: ListenAt): Promise<void> {
  try {
    await server.listen(listen);
  } catch (cause) {
    await server.close();
    const where = `${listen.host}:${listen.port}`;
    const [why, hint] = whyNot(cause, listen);
    throw new BatchctlError('unavailable', `can't listen at ${where}: ${why}`, { hint, cause });
  }
}

function whyNot(error: unknown, { port }: ListenAt): readonly [string, string] {
  if (hasCode(error, 'EADDRINUSE'))
    return [
      'another process uses it, possibly another manager',
      'use another one with --listen HOST:PORT; port 0 selects any free port',
    ];
  if (hasCode(error, 'EACCES'))
    return [`this user is not allowed to use port ${port}`, 'ports from 1024 on are allowed: --listen 0.0.0.0:8443'];
  if (hasCode(error, 'EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN'))
    return ['this machine has no such address', 'use --listen 0.0.0.0:PORT for all its addresses'];
  return [error instanceof Error ? error.message : String(error), 'use --listen HOST:PORT'];
}

/** The actual port: for port 0 the system's choice. */
function portOf(server: FastifyInstance, listen: ListenAt): number {
  const at = server.server.address();
  return at === null || typeof at === 'string' ? listen.port : at.port;
}

const stackOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));
