import type { FastifyInstance } from 'fastify';
import { readMetrics, type TalliesSeen } from '../../jobs/metrics/read-metrics.ts';
import { managerMetrics } from '../../model/metrics.ts';
import type { Platform } from '../../ports/platform.ts';

/** Milliseconds for which figures are told again: whoever scrapes more often costs no more. */
const FRESH = 5_000;

/** The figures of the stack in the format of Prometheus. */
export function addMetrics(app: FastifyInstance, platform: Platform): void {
  let before: TalliesSeen | null = null;
  let text: Promise<string> | null = null;
  let readAt = Number.NEGATIVE_INFINITY;
  const read = async (): Promise<string> => {
    const { snapshot, tallies } = await readMetrics(platform, before);
    before = tallies;
    return managerMetrics(snapshot);
  };
  app.get('/metrics', { config: { scope: 'read' } }, async (_, reply) => {
    const now = platform.clock.monotonic();
    if (text === null || now - readAt >= FRESH) {
      readAt = now;
      text = read();
      text.catch(() => {
        text = null;
      });
    }
    return reply.type('text/plain; version=0.0.4; charset=utf-8').send(await text);
  });
}
