import { once, setMaxListeners } from 'node:events';
import type { FastifyInstance } from 'fastify';
import { BatchctlError, exitCodeOf, hasCode, messageOf } from '../errors.ts';
import { managerId } from '../jobs/keeper-mark.ts';
import type { KeeperPoint } from '../jobs/tick.ts';
import { LoopWatch } from '../lib/loop-watch.ts';
import { within } from '../lib/wait.ts';
import type { DutyHealth } from '../model/manager-health.ts';
import type { Platform } from '../ports/platform.ts';
import type { VerbCall } from '../verbs/remote-caller.ts';
import { type AnyVerb, scopeOf } from '../verbs/verb.ts';
import type { OfferedVerb, VerbResponse, VerbRunner } from '../verbs/verb-runner.ts';
import { Duties, type DutiesOptions, DutyLoop, type DutyName } from './duties.ts';
import { buildServer } from './http/server.ts';
import type { SignInCode } from './http/sign-in.ts';
import { info, type Log, warning } from './log.ts';
import { type CertificateFiles, type Identity, openTls, renewTls } from './tls/open-tls.ts';

interface ListenAt {
  readonly host: string;
  readonly port: number;
}

interface ManagerOptions {
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
  readonly passed?: (point: KeeperPoint) => void;
}

/** Milliseconds to wait for running work, and for callers, when leaving (systemd then has TimeoutStopSec=110). */
const [LEAVE_MS, CLOSE_MS] = [60_000, 10_000];

/**
 * Serves the API, and performs a keeper's duties, until its signal aborts. Throws `unavailable` if the address can't
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
  let identityInUse = identity;
  const server = buildServer({
    verbs,
    platform,
    identity,
    signIn: options.signIn,
    health: () => ({ duties: rounds?.health() ?? [], certificateExpires: identityInUse?.expires ?? null }),
    guards: { platform, onAudit: (line) => log(info('audit', `audit ${JSON.stringify(line)}`, { ...line })) },
    onHidden: (error, request) => log(warning('unexpected', `request ${request}: ${stackOf(error)}`, { request })),
  });
  await startListening(server, listen);
  const port = portOf(server, listen);
  const host = listen.host.includes(':') ? `[${listen.host}]` : listen.host;
  const address = `${identity === null ? 'http' : 'https'}://${host}:${port}`;
  if (files !== null && identity !== null) {
    const onRenewed = (renewed: Identity): void => {
      identityInUse = renewed;
    };
    renewTls(server.server, { files, identity, log, onRenewed, signal: ended.signal });
  }
  rounds = new Rounds({
    platform,
    id: managerId(port),
    log,
    loopMs,
    ...(passed && { passed }),
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
  if (!ended.signal.aborted) await once(ended.signal, 'abort');
  log(info('leaving', 'shutting down: no new calls are accepted, and running ones are finished'));
  const closed = server.close();
  await Promise.all([verbs.leave(LEAVE_MS), rounds.stop(hung === null ? LEAVE_MS : 0)]);
  await within(closed, CLOSE_MS);
  server.server.closeAllConnections();
  await closed;
  if (hung !== null) throw hung;
}

async function startListening(server: FastifyInstance, listen: ListenAt): Promise<void> {
  try {
    await server.listen(listen);
  } catch (cause) {
    await server.close();
    const where = `${listen.host}:${listen.port}`;
    const [why, hint] = listenFailure(cause, listen);
    throw new BatchctlError('unavailable', `can't listen at ${where}: ${why}`, { hint, cause });
  }
}

function listenFailure(error: unknown, { port }: ListenAt): readonly [string, string] {
  if (hasCode(error, 'EADDRINUSE'))
    return [
      'another process uses it, possibly another manager',
      'use another one with --listen HOST:PORT; port 0 selects any free port',
    ];
  if (hasCode(error, 'EACCES'))
    return [`this user is not allowed to use port ${port}`, 'ports from 1024 on are allowed: --listen 0.0.0.0:8443'];
  if (hasCode(error, 'EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN'))
    return ['this machine has no such address', 'use --listen 0.0.0.0:PORT for all its addresses'];
  return [messageOf(error), 'use --listen HOST:PORT'];
}

/** The actual port: for port 0 the system's choice. */
function portOf(server: FastifyInstance, listen: ListenAt): number {
  const at = server.server.address();
  return at === null || typeof at === 'string' ? listen.port : at.port;
}

const stackOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));

interface RoundsOptions extends Omit<DutiesOptions, 'signal' | 'nudge'> {
  /** Milliseconds: a duty without a sign of life for six times as long hangs, and ends the process. */
  readonly loopMs: number;
}

/** A keeper's duties, each at its own interval. All state is in the store: another one continues after a kill. */
export class Rounds {
  readonly #stop = new AbortController();
  readonly #watch: LoopWatch;
  readonly #duties: Duties;
  readonly #loops: ReadonlyMap<DutyName, DutyLoop>;
  #ended: Promise<unknown> = Promise.resolve();

  constructor({ loopMs, ...options }: RoundsOptions) {
    const { signal } = this.#stop;
    // Every duty, and everything that runs, listens.
    setMaxListeners(0, signal);
    const nudge = (duty: DutyName): void => this.#loops.get(duty)?.nudge();
    this.#duties = new Duties({ ...options, signal, nudge });
    const all = [...this.#duties.all];
    const parts = all.map(([name]) => `its duty "${name}"`);
    const watch = new LoopWatch('the manager', parts, loopMs);
    this.#watch = watch;
    const now = (): number => options.platform.clock.now();
    this.#loops = new Map(
      all.map(([name, duty], part) => [name, new DutyLoop(duty, watch.part(part), { signal, now })]),
    );
  }

  /** Begins; `stop` ends it. */
  start(): void {
    this.#ended = Promise.all([...this.#loops.values()].map((loop) => loop.run()));
  }

  /** Something was changed: schedules are read, and jobs looked at, soon. */
  nudge(): void {
    for (const name of ['schedules', 'jobs'] as const) this.#loops.get(name)?.nudge();
  }

  health(): readonly DutyHealth[] {
    return [...this.#loops.values()].map((loop) => loop.health());
  }

  /** Begins nothing more, and waits for what runs, at most `ms` milliseconds: others do the rest. */
  async stop(ms: number): Promise<void> {
    this.#stop.abort();
    await within(Promise.all([this.#ended, this.#duties.idle()]), ms);
    await this.#watch.close();
  }
}

/** How long an interrupted verb has to finish what can't be left half done, milliseconds. */
const LAST_MS = 10_000;

/** Runs verbs through another runner, and knows which run: when it leaves, it accepts no others and ends those. */
export class RunningVerbs implements VerbRunner {
  readonly profile: string;
  readonly verbs: readonly OfferedVerb[];
  readonly #runner: VerbRunner;
  readonly #onChanged: () => void;
  readonly #byName: ReadonlyMap<string, AnyVerb>;
  readonly #running = new Set<Promise<VerbResponse>>();
  /** Aborted at once for verbs that only read, and later for those that change something. */
  readonly #stopReaders = new AbortController();
  readonly #stopWriters = new AbortController();

  /** `onChanged` is called when a verb that may have changed something has ended. */
  constructor(runner: VerbRunner, onChanged: () => void) {
    this.#runner = runner;
    this.profile = runner.profile;
    this.verbs = runner.verbs;
    this.#onChanged = onChanged;
    this.#byName = new Map(runner.verbs.map(({ declared }) => [declared.name, declared]));
    setMaxListeners(0, this.#stopReaders.signal, this.#stopWriters.signal);
  }

  async call(call: VerbCall): Promise<VerbResponse> {
    if (this.#stopReaders.signal.aborted) return leavingResult();
    const running = this.#run(call);
    this.#running.add(running);
    return running.finally(() => this.#running.delete(running));
  }

  /**
   * Accepts no others. Verbs that only read end at once, with a hint that they may be retried; those that change
   * something have `ms` milliseconds.
   */
  async leave(ms: number): Promise<void> {
    this.#stopReaders.abort();
    await this.#waitIdle(ms);
    this.#stopWriters.abort();
    await this.#waitIdle(LAST_MS);
  }

  async #run(call: VerbCall): Promise<VerbResponse> {
    const verb = this.#byName.get(call.name);
    const readsOnly = verb !== undefined && scopeOf(verb, call.input) === 'read';
    const leaving = (readsOnly ? this.#stopReaders : this.#stopWriters).signal;
    const stop = new AbortController();
    setMaxListeners(0, stop.signal); // one listener per request in flight is no leak
    const end = (): void => stop.abort();
    for (const signal of [call.signal, leaving]) {
      if (signal.aborted) end();
      signal.addEventListener('abort', end, { once: true });
    }
    try {
      const ended = await this.#runner.call({ ...call, signal: stop.signal });
      // A retry continues what it was doing when it was interrupted.
      return leaving.aborted && !call.signal.aborted && ended.error?.kind === 'interrupted' ? leavingResult() : ended;
    } finally {
      for (const signal of [call.signal, leaving]) signal.removeEventListener('abort', end);
      if (!readsOnly) this.#onChanged();
    }
  }

  async #waitIdle(ms: number): Promise<void> {
    await within(Promise.allSettled(this.#running), ms);
  }
}

function leavingResult(): VerbResponse {
  const error = new BatchctlError('unavailable', 'the manager is leaving', {
    hint: 'run the same command again once it is back; jobs continue meanwhile',
  });
  const { kind, message, hint = null } = error;
  return { answer: undefined, exitCode: exitCodeOf(error), error: { kind, message, hint, again: true } };
}
