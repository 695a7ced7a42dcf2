// Protects: the dashboard on AWS shows first what needs a person, and works on any screen.

import type { ServerResponse } from 'node:http';
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import { expect } from 'chai';
import Fastify, { type FastifyReply } from 'fastify';
import type { Page } from 'playwright-core';
import type { Overview, Status } from '../../src/dashboard/api-routes.ts';
import { openBrowser, openPage } from '../support/browser.ts';
import { forSuite } from '../support/fixture.ts';
import { groupOf, overviewOf, queueOf, STEP, statusOf, workerOf } from '../support/manager/dashboard-facts.ts';
import { signIn } from '../support/manager/dashboard-server.ts';
import { heapOf, keepPicture, layoutFaults } from '../support/manager/page-checks.ts';

const BUILT = fileURLToPath(new URL('../../dist/dashboard/', import.meta.url));
const API = '/api/v1';
const ME = {
  name: 'anna',
  scope: 'operate',
  version: '0.1.0',
  profile: 'prod',
  location: 'aws 123456789012 eu-west-1',
};

/** Serves the built page with recorded answers: for grids that tests don't have, and for many events in a short time. */
class RecordedManager {
  address = '';
  readonly #app = Fastify({ forceCloseConnections: true });
  readonly #streams = new Map<string, Set<ServerResponse>>();
  /** The last event of each path. */
  readonly #events = new Map<string, string>();
  readonly #answers = new Map<string, unknown>([
    [`${API}/me`, ME],
    [`${API}/periods`, { bands: [], more: false, troubles: [] }],
  ]);

  static async start(): Promise<RecordedManager> {
    const manager = new RecordedManager();
    await manager.#app.register(fastifyStatic, { root: BUILT });
    manager.#app.get(`${API}/*`, ({ url }, reply) => manager.#respond(url.split('?')[0] ?? '', reply));
    manager.address = await manager.#app.listen({ host: '127.0.0.1', port: 0 });
    return manager;
  }

  close(): Promise<void> {
    return this.#app.close();
  }

  /** Sets the answer to a GET below the API. */
  answer(path: string, document: unknown): void {
    this.#answers.set(`${API}${path}`, document);
  }

  sendOverview(overview: Overview): void {
    this.#send(`${API}/events`, 'overview', overview);
  }

  sendStatus(status: Status): void {
    this.#send(`${API}/jobs/${status.job}/events`, 'status', status);
  }

  #send(path: string, event: string, document: object): void {
    const text = `event: ${event}\ndata: ${JSON.stringify(document)}\n\n`;
    this.#events.set(path, text);
    for (const stream of this.#streams.get(path) ?? []) stream.write(text);
  }

  #respond(path: string, reply: FastifyReply): unknown {
    const event = this.#events.get(path);
    if (event === undefined) {
      const notFound = { error: { kind: 'notFound', message: 'not recorded', hint: null } };
      return this.#answers.get(path) ?? reply.code(404).send(notFound);
    }
    const streams = this.#streams.get(path) ?? new Set();
    this.#streams.set(path, streams.add(reply.raw));
    reply.hijack().raw.once('close', () => streams.delete(reply.raw));
    return reply.raw.writeHead(200, { 'content-type': 'text/event-stream' }).write(event);
  }
}

const LATE = statusOf({
  finishBy: '2026-11-30T06:00:00Z',
  projected: '2026-11-30T06:20:00Z',
  projectedEarliest: '2026-11-30T06:05:00Z',
  projectedLatest: '2026-11-30T06:40:00Z',
  cost: 41.2,
  costProjected: 118.4,
  maxCost: 100,
  costUnknown: ['c9x.large'],
  workers: { running: 31, slots: 62 },
});
const PAUSED = statusOf({
  job: 'rates-1',
  name: 'rates',
  runKey: null,
  state: 'paused',
  reason: 'deployment',
  detail: '20 of 21 tasks on 9 workers failed since code 2e1c54431744',
});
const DONE = statusOf({
  job: 'sent-1',
  name: 'sent',
  runKey: null,
  state: 'succeeded',
  closedAt: new Date().toISOString(),
  rate: null,
  eta: null,
  steps: [{ ...STEP, waiting: 0, running: 0, failed: 0, skipped: 0, done: 100 }],
  counters: { price: { amount: '49472237.75', claims: '98950' } },
  delivery: {
    to: 's3://acme-reports/2026-11/',
    host: null,
    state: 'givenUp',
    delivered: null,
    failed: {
      tries: 5,
      when: '2026-11-30T03:59:00Z',
      who: 'manager-1',
      kind: 'denied',
      message: 'access denied',
      hint: null,
    },
  },
  untold: [{ event: 'succeeded', to: 'hooks.example.com', tries: 9, message: 'answered 500', next: null }],
});
const JOBS = [LATE, PAUSED, DONE];
const OVERVIEW = overviewOf({
  jobs: JOBS,
  workers: [
    workerOf(),
    workerOf({ worker: 'w-bbbbbbbbbb', host: 'i-1', zone: 'eu-west-1b', type: 'm7g.large', version: '0.0.9' }),
    workerOf({ worker: 'w-cccccccccc', host: 'i-2', state: 'draining', lifecycle: 'Terminating:Wait', busy: [] }),
    workerOf({ worker: null, host: 'i-3', pid: null, version: null, state: 'noWorker', slots: null, busy: [] }),
  ],
  groups: [
    groupOf({
      troubles: [{ code: 'capacity', message: 'no spot capacity for c7g.large', at: '2026-11-30T03:58:00Z' }],
    }),
    groupOf({
      group: 'gpu',
      running: 0,
      desired: 1,
      pending: 0,
      terminating: 0,
      protected: 0,
      mode: 'manual',
      until: '2026-11-30T09:00:00Z',
      held: { failed: 3, instance: 'i-9', at: '2026-11-30T03:40:00Z', line: 'nvidia-smi: not found' },
    }),
  ],
  queues: [queueOf({ visible: 5_120, leased: 62, dead: 2, oldest: 844 })],
});

describe('the dashboard of groups on AWS', () => {
  const browser = forSuite(() => openBrowser());
  const manager = forSuite(() => RecordedManager.start());

  before(async () => {
    manager.sendOverview(OVERVIEW);
    const from = '2026-11-30T03:00:00Z';
    const bins = [{ done: 30, retried: 1, failed: 2, interrupted: 3, running: 10, slots: 62 }];
    for (const status of JOBS) {
      const { job } = status;
      manager.sendStatus(status);
      manager.answer(`/jobs/${job}/report`, { throughput: { from, seconds: 60, bins }, slowest: [] });
      manager.answer(`/jobs/${job}/failures`, { items: [] });
      manager.answer(`/jobs/${job}/why`, { causes: [] });
    }
  });

  async function open(hash: string, width = 1280): Promise<Page> {
    const page = await openPage(browser, { timezoneId: 'Europe/London', viewport: { width, height: 900 } });
    await page.goto(`${manager.address}/${hash}`);
    await signIn(page, 'bct_recorded');
    return page;
  }
  const goTo = (page: Page, view: string): Promise<unknown> => page.goto(`${manager.address}/#/${view}`);
  const waitForTexts = (page: Page, ...texts: readonly (string | RegExp)[]): Promise<unknown> =>
    Promise.all(texts.map((text) => page.locator('main').getByText(text).first().waitFor()));

  it('lists what needs a person first: late, over its cost limit, held, undelivered, not notified', async () => {
    const page = await open('#/jobs');
    await waitForTexts(page, /^claims-1: 20m late \(projected .*deadline/, 'group gpu is held: 3 boots failed');
    await waitForTexts(page, 'sent-1: not delivered to s3://acme-reports/2026-11/');
    await waitForTexts(page, '$41.20', /of \$100\.00, \$118\.40 projected, no price for c9x\.large/);
    await page.getByText(/^and \d more$/).click();
    await waitForTexts(page, 'rates-1: paused: its program seems to be faulty', '2 dead letters in group default');
    await keepPicture(page, 'aws-jobs');
  });

  it("shows each instance's type, zone, lifecycle state and older version, and what keeps a group too small", async () => {
    const page = await open('#/workers');
    await waitForTexts(page, 'c7g.large, eu-west-1a', 'm7g.large, eu-west-1b', 'Terminating:Wait', 'batchctl 0.0.9');
    await page.locator('.mark', { hasText: 'no worker' }).waitFor();
    await waitForTexts(page, '6 starting', '2 terminating', '30 protected', /until .*2026-11-30 09:00 GMT/);
    await waitForTexts(page, /Group gpu is held: the last 3 instances could not be set up \(nvidia-smi: not found\)/);
    await waitForTexts(page, 'Group default: launches fail (capacity):', 'no spot capacity for c7g.large');
    await keepPicture(page, 'aws-workers');
    const rows = page.getByRole('table', { name: 'Workers', exact: true }).locator('tbody tr');
    expect(await rows.count()).to.equal(4);
    await page.getByLabel('State').selectOption('draining');
    expect(await rows.count()).to.equal(1);
    await page.reload();
    await rows.first().waitFor();
    expect(await rows.count(), 'the address keeps the filter').to.equal(1);
    await page.getByLabel('State').selectOption('');
    await page.getByRole('searchbox', { name: 'Worker' }).fill('eu-west-1b');
    expect(await rows.count()).to.equal(1);
  });

  it('says why a job was paused, its cost against its limit, and where delivery failed', async () => {
    const page = await open('#/jobs/claims-1');
    await waitForTexts(page, '20m late', /between 06:05 and 06:40 in 19 of 20 cases/, '$41.20');
    await goTo(page, 'jobs/rates-1');
    await waitForTexts(
      page,
      'Paused · its program seems to be faulty',
      /20 of 21 tasks on 9 workers failed since code/,
    );
    await goTo(page, 'jobs/sent-1');
    await waitForTexts(page, 'NOT delivered to s3://acme-reports/2026-11/: access denied.', 'batchctl watch sent-1');
    await waitForTexts(
      page,
      'hooks.example.com could not be notified of succeeded: answered 500. There will be no retry.',
    );
    await waitForTexts(page, '49,472,237.75', '98,950');
    await keepPicture(page, 'aws-job');
  });

  for (const width of [360, 768, 1280, 1920]) {
    it(`is accessible, and fits a screen ${width} wide`, async () => {
      const page = await open('#/jobs', width);
      const faults: string[] = [];
      for (const [view, text] of [
        ['jobs', '$41.20'],
        ['workers', 'Terminating:Wait'],
        ['queues', 'dead letters'],
        ['jobs/sent-1', 'Counters'],
      ] as const) {
        await goTo(page, view);
        await page.locator('main').getByText(text).first().waitFor({ state: 'attached' });
        faults.push(...(await layoutFaults(page)).map((line) => `${view}: ${line}`));
        await keepPicture(page, `aws-${view.replace('/', '-')}-${width}`);
      }
      expect(faults).to.deep.equal([]);
    });
  }

  it('needs no more memory after many events than after a few', async () => {
    const page = await open('#/jobs');
    await waitForTexts(page, '$41.20');
    const overviewAt = (turn: number) => {
      const step = { ...STEP, done: turn, waiting: 10_000 - turn };
      const jobs = Array.from({ length: 20 }, (_, n) => statusOf({ job: `claims-${n + turn}`, steps: [step] }));
      return overviewOf({ ...OVERVIEW, jobs, workers: [workerOf({ done: turn, busy: [`claims-1/price/${turn}`] })] });
    };
    const sendTurns = async (from: number, to: number): Promise<void> => {
      for (let turn = from; turn < to; turn += 1) {
        manager.sendOverview(overviewAt(turn));
        if (turn % 10 !== 9) continue;
        // Everything that arrived has been drawn.
        await page.locator(`[title="claims-${turn}"]`).waitFor();
      }
    };
    await sendTurns(0, 100);
    const before = await heapOf(page);
    await sendTurns(100, 700);
    const after = await heapOf(page);
    expect(after.nodes, JSON.stringify([before, after])).to.be.at.most(before.nodes * 1.1);
    expect(after.listeners, JSON.stringify([before, after])).to.be.at.most(before.listeners * 1.1);
    expect(after.bytes, JSON.stringify([before, after])).to.be.at.most(before.bytes + 2 * 2 ** 20);
  });
});
