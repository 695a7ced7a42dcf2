// Protects: health checks and metrics say truthfully whether the manager works, even when the store is unavailable.
import { expect } from 'chai';
import type { Rounds } from '../../src/manager/manager.ts';
import { expiryWarning } from '../../src/manager/tls/open-tls.ts';
import { scheduleKey } from '../../src/model/keys.ts';
import { HANGS_MS, healthMetrics, isTroubled, type ManagerHealth } from '../../src/model/manager-health.ts';
import { worker } from '../contracts/ledger-events.ts';
import { HeldTime } from '../support/held-time.ts';
import { ApiServer } from '../support/manager/api-server.ts';
import { until } from '../support/until.ts';
import { wrapStore } from '../support/wrap-store.ts';
import { addTestSchedule, failUnavailable, testRounds } from './rounds-lab.ts';

const RESTING = { done: '2026-11-26T12:00:00.000Z', running: null, failing: null, troubles: [] };

describe("a manager's health", () => {
  let server: ApiServer;
  let rounds: Rounds | null = null;
  /** Milliseconds by which the monotonic clock is ahead: answers are reused for five seconds. */
  let ahead = 0;
  const clock = { now: () => Date.now(), monotonic: () => performance.now() + ahead };
  afterEach(async () => {
    await rounds?.stop(10_000);
    rounds = null;
    await server.close();
  });

  /** A manager whose store fails, or never answers, while `isBroken`. */
  const open = async (
    isBroken: () => boolean,
    answer: () => Promise<never> | never = failUnavailable,
  ): Promise<void> => {
    server = await ApiServer.open({
      replace: ({ store }) => ({
        clock,
        store: wrapStore(store, {
          head: (key) => (isBroken() ? answer() : store.head(key)),
          keys: (prefix, options) => (isBroken() ? failUnavailable() : store.keys(prefix, options)),
        }),
      }),
      health: () => ({ duties: rounds?.health() ?? [], certificateExpires: null }),
    });
  };
  const health = async (): Promise<ManagerHealth> =>
    (await server.call('GET', '/health', undefined, { scope: 'read' })).json as ManagerHealth;
  const get = async (path: string): Promise<readonly [number, string]> => {
    const answer = await server.checked('GET', path, await fetch(`${server.url}${path}`));
    return [answer.status, answer.text];
  };

  it('is alive but not ready without the store, and callers with a token see the reason', async () => {
    let isBroken = false;
    await open(() => isBroken);
    expect(await get('/readyz')).to.deep.equal([200, '{"status":"ready"}']);
    await server.token('read');
    isBroken = true;
    expect((await get('/readyz'))[0]).to.equal(200);
    ahead += 5_000;
    const { headers } = await fetch(`${server.url}/readyz`);
    expect(headers.get('retry-after')).to.equal('5');
    const [status, text] = await get('/readyz');
    expect(status).to.equal(503);
    expect(text).to.include("can't accept callers").and.not.include('the store is away');
    expect((await get('/healthz'))[0]).to.equal(200);
    expect(await health()).to.include({ status: 'failing', store: 'the store is away' });
    isBroken = false;
    ahead += 5_000;
    expect((await get('/readyz'))[0]).to.equal(200);
  });

  it('reports within seconds that the store does not answer, and does not ask it again meanwhile', async () => {
    let requests = 0;
    await open(
      () => true,
      () => {
        requests += 1;
        return new Promise<never>(() => {});
      },
    );
    const time = new HeldTime();
    try {
      for (let n = 0; n < 2; n += 1) {
        const began = time.now();
        const [status] = await time.passUntil(get('/readyz'));
        expect(status).to.equal(503);
        expect(time.now() - began).to.be.within(5_000, 20_000);
        ahead += 5_000;
      }
    } finally {
      time.release();
    }
    expect(requests).to.equal(1);
  });

  it("names a schedule that can't be read, and forgets one that was removed", async () => {
    await open(() => false);
    const { platform } = server;
    await addTestSchedule(platform, 'claims');
    await platform.store.put(scheduleKey('broken', 0), 'rubbish');
    const own = testRounds(platform, []);
    rounds = own;
    own.start();
    const schedules = () => own.health().find(({ duty }) => duty === 'schedules');
    await until('the schedule is reported', () => (schedules()?.troubles ?? []).length > 0);
    const { status, duties } = await health();
    expect(status).to.equal('failing');
    expect(duties.find(({ duty }) => duty === 'schedules')?.troubles.join()).to.include('schedule broken');
    await platform.store.delete([scheduleKey('broken', 0)]);
    own.nudge();
    await until('the schedule is forgotten', () => schedules()?.troubles.length === 0);
    expect((await health()).status).to.equal('ok');
  });

  it("is in the metrics even if those of the stack can't be read", async () => {
    let isBroken = false;
    server = await ApiServer.open({
      replace: (real) => ({ clock, ledger: async () => (isBroken ? failUnavailable() : real.ledger()) }),
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
    isBroken = true;
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

  describe('with metrics of the stack', () => {
    let readings: number;
    /** Called at each reading of the ledger's workers. */
    let onReading: () => unknown;
    beforeEach(async () => {
      readings = 0;
      onReading = () => undefined;
      server = await ApiServer.open({
        replace: (real) => ({
          clock: { now: () => Date.now() + ahead, monotonic: () => ahead },
          ledger: async () => {
            readings += 1;
            await onReading();
            return real.ledger();
          },
        }),
        health: () => ({ duties: [], certificateExpires: null }),
      });
    });
    const figures = async (): Promise<string> => (await server.fetch('GET', '/metrics', { scope: 'read' })).text();
    const READ = 'batchctl_manager_stack_read 1\n';

    it('reads them once in five seconds, and at once after a failure', async () => {
      await figures();
      ahead += 4_000;
      expect(await figures()).to.include(READ);
      expect(readings).to.equal(1);
      ahead += 1_000;
      await figures();
      expect(readings).to.equal(2);
      await figures();
      expect(readings).to.equal(2);
      ahead += 5_000;
      onReading = failUnavailable;
      expect(await figures()).not.to.include(READ);
      onReading = () => undefined;
      expect(await figures()).to.include(READ);
      expect(server.hidden).to.deep.equal([]);
    });

    it('waits six seconds for them, and then sends its own', async () => {
      await server.token('read');
      onReading = () => new Promise<never>(() => {});
      const time = new HeldTime();
      try {
        const began = time.now();
        expect(await time.passUntil(figures())).to.include('batchctl_manager_stack_read 0\n');
        expect(time.now() - began).to.be.within(6_000, 20_000);
      } finally {
        time.release();
      }
    });

    it('keeps an unexpected error of theirs from callers, and logs it', async () => {
      onReading = () => {
        throw new TypeError('a bug');
      };
      const text = await figures();
      expect(text).to.include('batchctl_manager_stack_read 0\n').and.not.include('a bug');
      expect(server.hidden.map(String)).to.deep.equal(['TypeError: a bug']);
    });

    it('counts the tasks a minute since it read them before', async () => {
      const ledger = await server.platform.ledger();
      const seen = (done: number) => worker({ done, seenAt: Date.now() + ahead, startedAt: Date.now() - 600_000 });
      await ledger.heartbeat(seen(5));
      expect(await figures()).to.not.match(/^batchctl_tasks_done_per_minute\{/m);
      ahead += 60_000;
      await ledger.heartbeat(seen(35));
      expect(await figures()).to.match(/^batchctl_tasks_done_per_minute\{group="default"\} (30|29\.\d+)$/m);
    });
  });
});

describe('a duty', () => {
  const now = Date.parse('2026-11-26T12:10:00Z');
  const duty = { duty: 'jobs', ...RESTING };

  it('is reported when it fails, hangs, or leaves something undone', () => {
    expect(isTroubled(duty, now)).to.equal(false);
    expect(isTroubled({ ...duty, failing: { since: RESTING.done, message: 'x' } }, now)).to.equal(true);
    expect(isTroubled({ ...duty, troubles: ['x'] }, now)).to.equal(true);
    const runningFor = (ms: number) => ({ ...duty, running: new Date(now - ms).toISOString() });
    expect(isTroubled(runningFor(HANGS_MS - 1), now)).to.equal(false);
    expect(isTroubled(runningFor(HANGS_MS), now)).to.equal(true);
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
