import type { FastifyInstance } from 'fastify';
import { isOurs } from '../../errors.ts';
import { readMetrics, type TalliesSeen } from '../../jobs/metrics/read-metrics.ts';
import { wait } from '../../lib/wait.ts';
import { healthMetrics } from '../../model/manager-health.ts';
import { managerMetrics } from '../../model/metrics.ts';
import type { Platform } from '../../ports/platform.ts';
import type { Health } from './health-routes.ts';

/** Milliseconds for which figures are told again: whoever scrapes more often costs no more. */
const FRESH = 5_000;
/** Milliseconds for the stack's figures: Prometheus waits for ten seconds unless it is told otherwise. */
const IN_TIME = 6_000;

export interface MetricsOptions {
  readonly platform: Platform;
  readonly health: Health;
  readonly onHidden: (error: unknown, requestId: string) => void;
}

/**
 * The figures of the stack, and the manager's own, in the format of Prometheus. Where a service is away the manager's own
 * are told all the same: that is when somebody looks.
 */
export function addMetrics(app: FastifyInstance, { platform, health, onHidden }: MetricsOptions): void {
  let before: TalliesSeen | null = null;
  let text: Promise<string> | null = null;
  let readAt = Number.NEGATIVE_INFINITY;
  const read = async (): Promise<string> => {
    const { snapshot, tallies } = await readMetrics(platform, before);
    before = tallies;
    return managerMetrics(snapshot);
  };
  const latest = (): Promise<string> => {
    const now = platform.clock.monotonic();
    if (text !== null && now - readAt < FRESH) return text;
    readAt = now;
    const reading = read();
    text = reading;
    reading.catch(() => {
      if (text === reading) text = null;
    });
    return reading;
  };
  app.get('/metrics', { config: { scope: 'read' } }, async (request, reply) => {
    const stack = await inTime(latest(), (error) => {
      if (!isOurs(error)) onHidden(error, request.id);
    });
    const own = healthMetrics(await health(), { now: platform.clock.now(), stackRead: stack !== null });
    return reply.type('text/plain; version=0.0.4; charset=utf-8').send(`${stack ?? ''}${own}`);
  });
}

/** Null for what fails, and for what does not come in time. */
async function inTime(text: Promise<string>, onFailed: (error: unknown) => void): Promise<string | null> {
  const came = new AbortController();
  try {
    return await Promise.race([text, wait(IN_TIME, came.signal).then(() => null)]);
  } catch (error) {
    onFailed(error);
    return null;
  } finally {
    came.abort();
  }
}
