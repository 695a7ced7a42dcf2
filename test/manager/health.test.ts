// Protects: health checks and metrics say truthfully whether the manager works, even when the store is unavailable.
import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import { addSchedule } from '../../src/jobs/schedules/schedules.ts';
import { Rounds } from '../../src/manager/manager.ts';
import { expiryWarning } from '../../src/manager/tls/open-tls.ts';
import { scheduleKey } from '../../src/model/keys.ts';
import { HANGS_MS, healthMetrics, isTroubled, type ManagerHealth } from '../../src/model/manager-health.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { ApiServer } from '../support/manager/api-server.ts';
import { scheduleSpec } from '../support/schedules.ts';
import { until } from '../support/until.ts';
import { wrapStore } from '../support/wrap-store.ts';

const away = (): never => {
  throw new BatchctlError('unavailable', 'the store is away');
};
const RESTING = { done: '2026-11-26T12:00:00.000Z', running: null, failing: null, troubles: [] };

describe("a manager's health", () => {
  let server: ApiServer;
  let rounds: Rounds | null = null;
  /** Milliseconds for which answers are reused. */
  let ahead = 0;
  afterEach(async () => {
    await rounds?.stop(10_000);
    rounds = null;
    await server.close();
  });

  /** A manager whose store fails, or never answers, while `broken` says so. */
  const open = async (broken: () => boolean, answer: () => Promise<never> | never = away): Promise<void> => {
    server = await ApiServer.open({
      over: ({ store }) => ({
        clock: { now: () => Date.now(), monotonic: () => performance.now() + ahead },
        store: wrapStore(store, {
          head: (key) => (broken() ? answer() : store.head(key)),
          keys: (prefix, options) => (broken() ? away() : store.keys(prefix, options)),
        }),
      }),
      health: () => ({ duties: rounds?.health() ?? [], certificateExpires: null }),
    });
  };
  const begin = (platform: Platform): Rounds => {
    rounds = new Rounds({
      ...{ platform, id: 'manager-here-1', log: () => {}, loopMs: 300_000, onHung: () => {} },
    });
    rounds.start();
    return rounds;
  };
  const health = async (): Promise<ManagerHealth> =>
    (await server.call('GET', '/health', undefined, { scope: 'read' })).json as ManagerHealth;
  const asked = async (path: string): Promise<readonly [number, string]> => {
    const answer = await server.checked('GET', path, await fetch(`${server.url}${path}`));
    return [answer.status, answer.text];
  };

  it('is alive but not ready without the store, and callers with a token are told why', async () => {
    let broken = false;
    await open(() => broken);
    expect(await asked('/readyz')).to.deep.equal([200, '{"status":"ready"}']);
    await server.token('read');
    broken = true;
    expect((await asked('/readyz'))[0]).to.equal(200);
    ahead += 5_000;
    const [status, text] = await asked('/readyz');
    expect(status).to.equal(503);
    expect(text).to.include("can't accept callers").and.not.include('the store is away');
    expect((await asked('/healthz'))[0]).to.equal(200);
    expect(await health()).to.include({ status: 'failing', store: 'the store is away' });
    broken = false;
    ahead += 5_000;
    expect((await asked('/readyz'))[0]).to.equal(200);
  });

  it('reports in time that the store does not answer, and does not ask it again meanwhile', async () => {
    let requests = 0;
    await open(
      () => true,
      () => {
        requests += 1;
        return new Promise<never>(() => {});
      },
    );
    const began = performance.now();
    expect((await asked('/readyz'))[0]).to.equal(503);
    ahead += 5_000;
    expect((await asked('/readyz'))[0]).to.equal(503);
    // Each answer has five seconds: without them, none would come.
    expect(performance.now() - began).to.be.below(60_000);
    expect(requests).to.equal(1);
  });

  it("names a schedule that can't be read, and forgets one that was removed", async () => {
    await open(() => false);
    const { store } = server.platform;
    await addSchedule(server.platform, 'claims', { spec: scheduleSpec(), code: null, replace: false });
    await store.put(scheduleKey('broken', 0), 'rubbish');
    const own = begin(server.platform);
    const schedules = () => own.health().find(({ duty }) => duty === 'schedules');
    await until('it is told', () => (schedules()?.troubles ?? []).length > 0);
    const found = await health();
    expect(found.status).to.equal('failing');
    expect(found.duties.find(({ duty }) => duty === 'schedules')?.troubles.join()).to.include('schedule broken');
    await store.delete([scheduleKey('broken', 0)]);
    own.nudge();
    await until('it is forgotten', () => schedules()?.troubles.length === 0);
    expect((await health()).status).to.equal('ok');
  });

  it("is in the metrics even if those of the stack can't be read", async () => {
    let ledger = true;
    server = await ApiServer.open({
      over: (real) => ({
        clock: { now: () => Date.now(), monotonic: () => performance.now() + ahead },
        ledger: () => (ledger ? real.ledger() : Promise.reject(new BatchctlError('unavailable', 'gone'))),
      }),
      health: () => ({ duties: [{ duty: 'jobs', ...RESTING }], certificateExpires: '2027-01-01T00:00:00.000Z' }),
    });
    const figures = async (): Promise<string> => {
      const answer = await server.fetch('GET', '/metrics', { scope: 'read' });
      expect(answer.status).to.equal(200);
      return answer.text();
    };
    expect(await figures())
      .to.include('batchctl_manager_stack_read 1\n')
      .and.include('batchctl_jobs_open');
    ledger = false;
    ahead += 5_000;
    const text = await figures();
    expect(text).to.include('batchctl_manager_stack_read 0\n').and.not.include('batchctl_jobs_open');
    for (const line of [
      'batchctl_manager_store_up 1',
      'batchctl_manager_duty_done_timestamp_seconds{duty="jobs"} 1795694400',
      'batchctl_manager_duty_failing{duty="jobs"} 0',
      'batchctl_manager_duty_troubles{duty="jobs"} 0',
      'batchctl_manager_certificate_expires_timestamp_seconds 1798761600',
    ])
      expect(text).to.include(`${line}\n`);
  });
});

describe('a duty', () => {
  const now = Date.parse('2026-11-26T12:10:00Z');
  const duty = { duty: 'jobs', ...RESTING };

  it('is reported when it fails, hangs, or leaves something undone', () => {
    expect(isTroubled(duty, now)).to.equal(false);
    expect(isTroubled({ ...duty, failing: { since: RESTING.done, message: 'x' } }, now)).to.equal(true);
    expect(isTroubled({ ...duty, troubles: ['x'] }, now)).to.equal(true);
    const began = (ms: number) => ({ ...duty, running: new Date(now - ms).toISOString() });
    expect(isTroubled(began(HANGS_MS - 1), now)).to.equal(false);
    expect(isTroubled(began(HANGS_MS), now)).to.equal(true);
  });

  it('has no time in the metrics before its first run', () => {
    const health: ManagerHealth = {
      status: 'ok',
      store: 'gone',
      certificateExpires: null,
      duties: [{ ...duty, done: null }],
    };
    const text = healthMetrics(health, { now, stackRead: false });
    expect(text).to.include('batchctl_manager_store_up 0\n').and.include('batchctl_manager_stack_read 0\n');
    expect(text).to.not.match(/done_timestamp|certificate/);
  });
});

describe('a certificate that is not renewed', () => {
  it('is reported from two weeks before it expires', () => {
    const expires = '2026-12-24T00:00:00.000Z';
    const at = (text: string) => expiryWarning({ expires }, Date.parse(text));
    expect(at('2026-12-09T00:00:00Z')).to.equal(null);
    expect(at('2026-12-14T12:00:00Z')).to.include(`expires ${expires}, in 9 days`);
    expect(at('2026-12-25T00:00:00Z')).to.include(`expired ${expires}`);
  });
});
