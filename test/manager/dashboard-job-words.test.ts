// Protects: the dashboard describes a job truthfully, and puts what is urgent first.
import { expect } from 'chai';
import type { Status } from '../../src/dashboard/api-routes.ts';
import { attentionOf, tabOf } from '../../src/dashboard/words/attention.ts';
import { countersOf, JOB_ORDERS, notesOf, sortJobs } from '../../src/dashboard/words/job.ts';
import { CALM_STEP, overviewOf, STEP, statusOf } from '../support/manager/dashboard-facts.ts';

const NOW = Date.parse('2026-11-30T04:00:00Z');
type Delivery = NonNullable<Status['delivery']>;

const deliveryOf = (state: Delivery['state']): Delivery => ({
  to: '/srv/reports',
  host: 'alpha',
  state,
  delivered:
    state === 'delivered'
      ? { to: '/srv/reports', when: '2026-11-30T03:50:00Z', who: 'manager-1', outputs: 3, bytes: 9 }
      : null,
  failed:
    state === 'failing' || state === 'givenUp'
      ? { tries: 2, when: '2026-11-30T03:50:00Z', who: 'manager-1', kind: 'unavailable', message: 'full', hint: null }
      : null,
});

describe('the words of the dashboard about a job', () => {
  it('say where its outputs went, in every state of a delivery', () => {
    const notes = (['waiting', 'none', 'due', 'failing', 'givenUp', 'delivered'] as const).flatMap((state) =>
      notesOf(statusOf({ delivery: deliveryOf(state) }), 'UTC').map(({ tone, text, command }) => [tone, text, command]),
    );
    expect(notes).to.deep.equal([
      [null, 'Outputs will be delivered to /srv/reports on alpha.', null],
      [null, 'Nothing was delivered to /srv/reports on alpha: only jobs that succeed deliver.', null],
      ['open', 'Not yet delivered to /srv/reports on alpha.', null],
      ['bad', 'NOT delivered to /srv/reports on alpha: full. It will be retried.', 'batchctl watch claims-1'],
      ['bad', 'NOT delivered to /srv/reports on alpha: full.', 'batchctl watch claims-1'],
      ['good', 'Delivered to /srv/reports on alpha, 2026-11-30 03:50 UTC.', null],
    ]);
  });

  it('name failed notifications, a rehearsal, and that it was pruned', () => {
    const status = statusOf({
      untold: [{ event: 'late', to: 'hooks.example.com', tries: 1, message: null, next: '2026-11-30T04:01:00Z' }],
      rehearsal: { parts: 20, of: 2_000 },
      prunedAt: '2026-11-30T03:50:00Z',
    });
    expect(notesOf(status, 'UTC').map(({ text }) => text)).to.deep.equal([
      'Not a real run, but a rehearsal: 20 of 2,000 parts.',
      'hooks.example.com could not be notified of late: the process died during the attempt. It will be retried.',
      'Outputs, parts and logs were removed at 2026-11-30 03:50 UTC.',
    ]);
    expect(notesOf(statusOf(), 'UTC')).to.deep.equal([]);
  });

  it('say which outputs a closed job lacks, as every command does, or that its counts are incomplete', () => {
    const texts = (changed: Partial<Status>) => notesOf(statusOf(changed), 'UTC').map(({ text, tone }) => [text, tone]);
    const steps = [{ ...STEP, waiting: 0, running: 0, done: 97 }];
    expect(texts({ state: 'succeeded', steps })).to.deep.equal([
      ['97 of 100 outputs; 1 skipped, 2 failed (tolerated).', null],
    ]);
    expect(texts({ state: 'running', steps })).to.deep.equal([]);
    expect(texts({ state: 'succeeded', steps, incomplete: true })).to.deep.equal([
      ['Counts are incomplete: run batchctl ledger rebuild.', 'bad'],
    ]);
  });

  it('ask for attention if a job that succeeded was not delivered, or its notification failed', () => {
    const job = statusOf({
      state: 'succeeded',
      closedAt: '2026-11-30T03:50:00Z',
      delivery: deliveryOf('givenUp'),
      untold: [{ event: 'succeeded', to: 'x', tries: 1, message: 'no', next: null }],
    });
    expect(attentionOf(overviewOf({ jobs: [job] }), 'UTC', NOW).map(({ text }) => text)).to.deep.equal([
      'claims-1: not delivered to /srv/reports',
      'claims-1: 1 notification could not be sent',
    ]);
  });

  it('ask for attention if a journal entry is missing, even of a closed job', () => {
    const closed = { state: 'succeeded', delivery: null, untold: [], journalHole: { missing: 2, last: 4 } } as const;
    const jobs = [
      statusOf({ ...closed, steps: [CALM_STEP] }),
      statusOf({ ...closed, steps: [CALM_STEP], journalHole: null }),
    ];
    const texts = attentionOf(overviewOf({ jobs }), 'UTC', NOW).map(({ tone, text }) => `${tone} ${text}`);
    expect(texts).to.deep.equal(['bad claims-1: journal entry 2 is missing']);
  });

  it('keep every digit of a counter', () => {
    const counters = { price: { amount: '-1234567.8910', rows: '98950' }, total: { n: '7' } };
    expect(countersOf(counters)).to.deep.equal([
      { step: 'price', name: 'amount', value: '-1,234,567.8910' },
      { step: 'price', name: 'rows', value: '98,950' },
      { step: 'total', name: 'n', value: '7' },
    ]);
  });

  it('list the most urgent jobs first', () => {
    const jobs = [
      statusOf({ job: 'calm', name: 'b' }),
      statusOf({
        job: 'early',
        name: 'c',
        createdAt: '2026-11-30T02:00:00Z',
        finishBy: '2026-11-30T06:00:00Z',
        projected: '2026-11-30T05:00:00Z',
      }),
      statusOf({ job: 'late', name: 'a', finishBy: '2026-11-30T08:00:00Z', projected: '2026-11-30T09:00:00Z' }),
      statusOf({ job: 'bad', name: 'd', steps: [{ ...STEP, failed: 9 }] }),
    ];
    const by = (order: string): string =>
      sortJobs(jobs, order)
        .map(({ job }) => job)
        .join(' ');
    expect(JOB_ORDERS.map(([order]) => `${order}: ${by(order)}`)).to.deep.equal([
      ': calm early late bad',
      'newest: calm late bad early',
      'deadline: late early calm bad',
      'end: early late calm bad',
      'failed: bad calm early late',
      'name: late calm early bad',
    ]);
    expect(by('no such order')).to.equal('calm early late bad');
  });

  it('put the most important part first in the title of a tab', () => {
    const calm = statusOf({ steps: [CALM_STEP] });
    const bad = statusOf({ job: 'bad-1', runKey: null });
    const tab = (view: string, status: Status | null, live = true) =>
      tabOf({ view, job: status?.job ?? null, status, live, overview: overviewOf({ jobs: [calm, bad] }) }, 'UTC', NOW);
    expect(tab('Jobs', null)).to.deep.equal({ title: '(1) Jobs · batchctl', tone: 'bad' });
    expect(tab('Jobs', null, false)).to.deep.equal({ title: 'not live · Jobs · batchctl', tone: 'doubtful' });
    expect(tab('Jobs', calm)).to.deep.equal({ title: '38 % · claims claims-2026-11 · batchctl', tone: 'open' });
    expect(tab('Jobs', bad)).to.deep.equal({ title: '40 % · claims bad-1 · batchctl', tone: 'bad' });
    const done = statusOf({ state: 'succeeded', steps: [CALM_STEP] });
    expect(tab('Jobs', done)).to.deep.equal({ title: 'succeeded · claims claims-2026-11 · batchctl', tone: 'good' });
    const unknown = { view: 'Jobs', job: 'claims-9', status: null, live: true, overview: null };
    expect(tabOf(unknown, 'UTC', NOW)).to.deep.equal({ title: 'claims-9 · batchctl', tone: 'open' });
  });
});
