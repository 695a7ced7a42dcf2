import type { FastifyInstance } from 'fastify';
import { isBatchctlError } from '../../errors.ts';
import { readMetrics } from '../../jobs/grid/metrics.ts';
import { VERSION } from '../../lib/version.ts';
import { within } from '../../lib/wait.ts';
import { API, isVersionCompatible, releaseLineOf, VERSION_HEADER } from '../../model/api.ts';
import { CERTIFICATE_KEY } from '../../model/keys.ts';
import { healthMetrics, isTroubled, type ManagerHealth } from '../../model/manager-health.ts';
import type { WorkerTallies } from '../../model/metrics.ts';
import { managerMetrics } from '../../model/metrics.ts';
import type { Platform } from '../../ports/platform.ts';
import type { VerbRunner } from '../../verbs/verb-runner.ts';
import { type OnHidden, Refusal } from './error-answers.ts';
import { openApiDocument } from './openapi/document.ts';

interface ServiceOptions {
  readonly verbs: VerbRunner;
  readonly platform: Platform;
}

export function addService(app: FastifyInstance, { verbs, platform }: ServiceOptions): void {
  let document: string | null = null;
  app.get(`${API}/openapi.json`, { config: { scope: 'read' } }, (_, reply) => {
    document ??= JSON.stringify(openApiDocument(verbs));
    return reply.type('application/json; charset=utf-8').send(document);
  });
  app.get(`${API}/me`, { config: { scope: 'read' } }, ({ caller }) => {
    if (caller === null) throw new Error('no caller');
    const { name, scope } = caller;
    return { name, scope, version: VERSION, profile: verbs.profile, location: platform.store.location };
  });
}

/**
 * Sends this version with every answer, and refuses with 426 callers of a version that isn't served. A caller that
 * sends no version isn't batchctl, and follows the OpenAPI document. Call it before any route is added.
 */
export function addVersions(app: FastifyInstance, own = VERSION): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.raw.setHeader(VERSION_HEADER, own);
    const callerVersion = request.headers[VERSION_HEADER];
    if (callerVersion === undefined || isVersionCompatible(own, String(callerVersion))) return;
    const needed = `${releaseLineOf(own)}.x`;
    throw new Refusal(
      426,
      'config',
      `this manager runs batchctl ${own} and supports ${needed}, not ${String(callerVersion).slice(0, 60)}`,
      {
        hint: `use batchctl ${needed}, or run the manager with the version of its callers`,
        // RFC 9110, 15.5.22: the answer must name the required version.
        headers: { upgrade: `batchctl/${own}` },
      },
    );
  });
}

/** Milliseconds for which an answer is cached, and within which the store must answer. */
const [FRESH, IN_TIME] = [5_000, 5_000];

/** Whether the store answers: at most one small request in five seconds. */
class StoreProbe {
  readonly #platform: Pick<Platform, 'store' | 'clock'>;
  #asked = Number.NEGATIVE_INFINITY;
  #answer: Promise<string | null> = Promise.resolve(null);
  /** A request that did not come back in time may still be in flight: no other one joins it. */
  #pending: Promise<string | null> | null = null;

  constructor(platform: Pick<Platform, 'store' | 'clock'>) {
    this.#platform = platform;
  }

  /** The problem with the store; null: it answers. Never rejects. */
  ask(): Promise<string | null> {
    const now = this.#platform.clock.monotonic();
    if (now - this.#asked < FRESH) return this.#answer;
    this.#asked = now;
    this.#pending ??= this.#request().finally(() => {
      this.#pending = null;
    });
    this.#answer = within(this.#pending, IN_TIME, () => `no answer within ${IN_TIME / 1_000} s`);
    return this.#answer;
  }

  async #request(): Promise<string | null> {
    try {
      // Whether the object exists doesn't matter.
      await this.#platform.store.head(CERTIFICATE_KEY);
      return null;
    } catch (error) {
      return isBatchctlError(error) ? error.message : 'it could not be checked';
    }
  }
}

export type OwnHealth = Pick<ManagerHealth, 'duties' | 'certificateExpires'>;

type Health = () => Promise<ManagerHealth>;

export function healthOf(platform: Pick<Platform, 'store' | 'clock'>, own: () => OwnHealth): Health {
  const probe = new StoreProbe(platform);
  return async () => {
    const store = await probe.ask();
    const { duties, certificateExpires } = own();
    const now = platform.clock.now();
    const isWell = store === null && !duties.some((duty) => isTroubled(duty, now));
    return { status: isWell ? 'ok' : 'failing', store, certificateExpires, duties };
  };
}

/**
 * Three health checks. `/healthz`: is the process alive? If not, restart it; an unavailable store is no reason to.
 * `/readyz`: would a call be accepted? If not, send none. Both are for anyone, and contain no data. `/api/v1/health`:
 * does it perform its duties? That is for people.
 */
export function addHealth(app: FastifyInstance, health: Health): void {
  app.get('/healthz', { config: { scope: 'anyone' } }, () => ({ status: 'ok' }));
  app.get('/readyz', { config: { scope: 'anyone' } }, async () => {
    const { store } = await health();
    if (store === null) return { status: 'ready' };
    throw new Refusal(503, 'unavailable', "the manager can't accept callers now: its store does not respond", {
      hint: `GET ${API}/health, or the manager's log, shows more`,
      headers: { 'retry-after': '5' },
    });
  });
  app.get(`${API}/health`, { config: { scope: 'read' } }, health);
}

/** Milliseconds for which figures are cached: scraping more often costs nothing more. */
const METRICS_FRESH = 5_000;
/** Milliseconds for the stack's figures: Prometheus waits for ten seconds by default. */
const METRICS_IN_TIME = 6_000;

interface MetricsOptions {
  readonly platform: Platform;
  readonly health: Health;
  readonly onHidden: OnHidden;
}

/**
 * The figures of the stack, and the manager's own, in Prometheus' format. If a service is unavailable the manager's own
 * are still sent: that is when they matter.
 */
export function addMetrics(app: FastifyInstance, { platform, health, onHidden }: MetricsOptions): void {
  let before: WorkerTallies | null = null;
  let text: Promise<string> | null = null;
  let readAt = Number.NEGATIVE_INFINITY;
  const read = async (): Promise<string> => {
    const { snapshot, tallies } = await readMetrics(platform, before);
    before = tallies;
    return managerMetrics(snapshot);
  };
  const latest = (): Promise<string> => {
    const now = platform.clock.monotonic();
    if (text !== null && now - readAt < METRICS_FRESH) return text;
    readAt = now;
    const reading = read();
    text = reading;
    reading.catch(() => {
      if (text === reading) text = null;
    });
    return reading;
  };
  app.get('/metrics', { config: { scope: 'read' } }, async (request, reply) => {
    const stack = await within(latest(), METRICS_IN_TIME, () => null).catch((error: unknown) => {
      if (!isBatchctlError(error)) onHidden(error, request.id);
      return null;
    });
    const own = healthMetrics(await health(), { now: platform.clock.now(), stackRead: stack !== null });
    return reply.type('text/plain; version=0.0.4; charset=utf-8').send(`${stack ?? ''}${own}`);
  });
}
