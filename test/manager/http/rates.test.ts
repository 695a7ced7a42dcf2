// Protects: a caller that calls without a pause does not block others, and is not locked out for long.
import { mock } from 'node:test';
import { expect } from 'chai';
import { LIMITS, RATE_WINDOW } from '../../../src/manager/http/limits.ts';
import { forEachTest } from '../../support/fixture.ts';
import { GuardedServer } from '../../support/manager/guarded-server.ts';

describe('how many calls a caller can make in ten seconds', () => {
  const server = forEachTest(() => GuardedServer.open());
  afterEach(() => mock.restoreAll());

  const statuses = async (count: number, call: () => Promise<number>): Promise<Map<number, number>> => {
    const found = new Map<number, number>();
    for (let left = count; left > 0; left -= 50) {
      const answers = await Promise.all(Array.from({ length: Math.min(50, left) }, call));
      for (const status of answers) found.set(status, (found.get(status) ?? 0) + 1);
    }
    return found;
  };

  const expectRefused = async (token: string | null): Promise<void> => {
    const refused = await server.call('/api/v1/jobs', token);
    expect([refused.status, refused.headers.get('retry-after')]).to.deep.equal([429, '10']);
  };

  it('is limited per token, whatever other tokens do', async () => {
    const [busy, other] = [await server.token('read', 'busy'), await server.token('read', 'other')];
    const pass = holdWallTime();
    const found = await statuses(LIMITS.rate.value + 100, () => server.status('/api/v1/jobs', busy));
    expect(Object.fromEntries(found)).to.deep.equal({ 200: LIMITS.rate.value, 429: 100 });
    await expectRefused(busy);
    expect(await server.status('/api/v1/jobs', other)).to.equal(200);
    expect(await server.status('/healthz')).to.equal(200);
    pass(RATE_WINDOW - 1);
    expect(await server.status('/api/v1/jobs', busy)).to.equal(429);
    pass(1);
    expect(await server.status('/api/v1/jobs', busy)).to.equal(200);
  });

  it('is limited per address without a token; a caller with a token is still accepted, and the page is shown', async () => {
    const token = await server.token('read');
    const pass = holdWallTime();
    const found = await statuses(LIMITS.rateWithoutToken.value + 100, () => server.status('/api/v1/jobs'));
    expect(Object.fromEntries(found)).to.deep.equal({ 401: LIMITS.rateWithoutToken.value, 429: 100 });
    await expectRefused(null);
    expect(await server.status('/api/v1/jobs', token)).to.equal(200);
    for (const path of ['/healthz', '/readyz']) expect(await server.status(path), path).to.equal(200);
    pass(RATE_WINDOW);
    expect(await server.status('/api/v1/jobs')).to.equal(401);
  });

  it('is limited per network for IPv6 without a token, as one caller may own all its addresses', async () => {
    holdWallTime();
    let n = 0;
    const call = async (remoteAddress: string): Promise<number> =>
      (await server.app.inject({ url: '/api/v1/jobs', remoteAddress })).statusCode;
    const found = await statuses(LIMITS.rateWithoutToken.value + 10, () => call(`2001:db8::${(++n).toString(16)}`));
    expect(Object.fromEntries(found)).to.deep.equal({ 401: LIMITS.rateWithoutToken.value, 429: 10 });
    expect(await call('2001:db8:0:1::1'), 'another network').to.equal(401);
  });
});

/** Stops the limits' clock: a slow machine can't make that many calls in ten seconds. Returns how to advance it. */
function holdWallTime(): (ms: number) => void {
  let now = Date.now();
  mock.method(Date, 'now', () => now);
  return (ms) => {
    now += ms;
  };
}
