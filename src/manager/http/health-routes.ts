import type { FastifyInstance } from 'fastify';
import { API } from '../../model/api.ts';
import { isTroubled, type ManagerHealth } from '../../model/manager-health.ts';
import type { Platform } from '../../ports/platform.ts';
import { Refusal } from './refusal.ts';
import { StoreProbe } from './store-probe.ts';

/** What a manager knows of itself. */
export type OwnHealth = Pick<ManagerHealth, 'duties' | 'certificateExpires'>;

/** How the manager goes now. */
export type Health = () => Promise<ManagerHealth>;

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
 * Three questions. `/healthz`: is the process there? What says no should be started again, and a store that is away is no
 * reason. `/readyz`: would a call be let in? What says no should be sent none. Both are for anyone, and hold no data.
 * `/api/v1/health`: does it do its duties? That is for people.
 */
export function addHealth(app: FastifyInstance, health: Health): void {
  app.get('/healthz', { config: { scope: 'anyone' } }, () => ({ status: 'ok' }));
  app.get('/readyz', { config: { scope: 'anyone' } }, async () => {
    const { store } = await health();
    if (store === null) return { status: 'ready' };
    throw new Refusal(503, 'unavailable', 'the manager can let nobody in now: its store does not answer', {
      hint: `GET ${API}/health, or the manager's log, tells more`,
      headers: { 'retry-after': '5' },
    });
  });
  app.get(`${API}/health`, { config: { scope: 'read' } }, health);
}
