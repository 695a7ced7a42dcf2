// Protects: one caller's loop without a pause does not keep others from the manager, nor lock that caller out for long.
import { mock } from 'node:test';
import { expect } from 'chai';
import { LIMITS, RATE_WINDOW } from '../../../src/manager/http/limits.ts';
import { forEachTest } from '../../support/fixture.ts';
import { GuardedServer } from '../../support/manager/guarded-server.ts';

describe('how many calls a caller can make in ten seconds', () => {
  const server = forEachTest(() => GuardedServer.open());
  afterEach(async () => {
    mock.restoreAll();
  });

  const statuses = async (count: number, call: () => Promise<number>): Promise<Map<number, number>> => {
    const found = new Map<number, number>();
    for (let left = count; left > 0; left -= 50) {
      const answers = await Promise.all(Array.from({ length: Math.min(50, left) }, call));
      for (const status of answers) found.set(status, (found.get(status) ?? 0) + 1);
    }
    return found;
  };

  it('is limited per token, whatever other tokens do', async () => {
    const [busy, other] = [await server.token('read', 'busy'), await server.token('read', 'other')];
    const pass = holdWallTime();
    const found = await statuses(LIMITS.rate.value + 100, () => server.status('/api/v1/jobs', busy));
    expect(Object.fromEntries(found)).to.deep.equal({ 200: LIMITS.rate.value, 429: 100 });
    const refused = await server.call('/api/v1/jobs', busy);
    expect(refused.status).to.equal(429);
    expect(refused.headers.get('retry-after')).to.equal('10');
    expect((await server.call('/api/v1/jobs', other)).status).to.equal(200);
    expect((await server.call('/healthz')).status).to.equal(200);
    pass(RATE_WINDOW - 1);
    expect((await server.call('/api/v1/jobs', busy)).status).to.equal(429);
    pass(1);
    expect((await server.call('/api/v1/jobs', busy)).status).to.equal(200);
  });

  it('is limited per address without a token; a caller with a token is still accepted, and the page is shown', async () => {
    const token = await server.token('read');
    const pass = holdWallTime();
    const found = await statuses(LIMITS.rateWithoutToken.value + 100, () => server.status('/api/v1/jobs'));
    expect(Object.fromEntries(found)).to.deep.equal({ 401: LIMITS.rateWithoutToken.value, 429: 100 });
    const refused = await server.call('/api/v1/jobs');
    expect(refused.status).to.equal(429);
    expect(refused.headers.get('retry-after')).to.equal('10');
    expect((await server.call('/api/v1/jobs', token)).status).to.equal(200);
    for (const path of ['/healthz', '/readyz']) expect((await server.call(path)).status, path).to.equal(200);
    pass(RATE_WINDOW);
    expect((await server.call('/api/v1/jobs')).status).to.equal(401);
  });
});

/**
 * Stops the clock of the limits, because a slow machine can't make that many calls in ten seconds. Returns how to
 * advance it.
 */
function holdWallTime(): (ms: number) => void {
  let now = Date.now();
  mock.method(Date, 'now', () => now);
  return (ms) => {
    now += ms;
  };
}
