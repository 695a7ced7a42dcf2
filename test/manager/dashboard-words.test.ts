// Protects: the dashboard calls the API correctly, and turns its answers into true texts and safe commands.
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import { API_ROUTES, requestOf, type Status } from '../../src/dashboard/api-routes.ts';
import { columnsOf } from '../../src/dashboard/chart/bins.ts';
import { EventParser } from '../../src/dashboard/feed/event-parser.ts';
import { hashOf, parseRoute } from '../../src/dashboard/hash.ts';
import { attentionOf } from '../../src/dashboard/words/attention.ts';
import {
  costText,
  marginOf,
  percentText,
  progressOf,
  shareDecided,
  stateSentence,
} from '../../src/dashboard/words/job.ts';
import { cleanText, parseClean, shellLine } from '../../src/dashboard/words/text.ts';
import { endpointsOf } from '../../src/manager/http/verb-routes.ts';
import { VERB_CALLS, verbCalls } from '../docs/verb-calls.ts';
import { anyCharacter } from '../support/any-character.ts';
import { CALM_STEP, overviewOf, queueOf, STEP, statusOf } from '../support/manager/dashboard-facts.ts';
import { describedVerbs } from '../support/manager/described-verbs.ts';

const NOW = Date.parse('2026-11-30T04:00:00Z');
const STATUS = statusOf();

describe('how the dashboard uses the API', () => {
  it('calls only routes and methods that the API has', async () => {
    const known = endpointsOf(await describedVerbs()).map(({ method, path }) => `${method} /api/v1${path}`);
    expect(Object.values(API_ROUTES).filter((route) => !known.includes(route))).to.deep.equal([
      'GET /api/v1/me',
      'GET /api/v1/periods',
      'GET /api/v1/objects/list',
      'GET /api/v1/objects',
      'GET /api/v1/objects',
      'GET /api/v1/objects',
    ]);
  });

  it('has the fields, answers and routes of the verbs as they are declared: else npm run api', async () => {
    expect(readFileSync(VERB_CALLS, 'utf8')).to.equal(await verbCalls());
  });

  it('sends fields in the path, the query or the body, as the method requires', () => {
    expect(requestOf('GET /api/v1/jobs/{job}/tasks', { job: 'a/b', limit: 50, step: undefined })).to.deep.equal({
      method: 'GET',
      url: '/api/v1/jobs/a%2Fb/tasks?limit=50',
      body: null,
    });
    expect(requestOf('POST /api/v1/jobs/{job}/retries', { job: 'a', cause: ['x'] })).to.deep.equal({
      method: 'POST',
      url: '/api/v1/jobs/a/retries',
      body: '{"cause":["x"]}',
    });
  });

  it('reads server-sent events, however the stream is split', () => {
    const text =
      ':\n\nevent: overview\ndata: {"a":1}\n\nevent: trouble\ndata: {}\n\n: x\n\nevent: overview\ndata: {"a":2}\n\n';
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 40 }), (lengths) => {
        const parser = new EventParser();
        let at = 0;
        const events = [...lengths, text.length].flatMap((length) => {
          const piece = text.slice(at, at + length);
          at += length;
          return parser.add(piece);
        });
        const lines = events.map(({ event, data }) => `${event} ${data}`);
        expect(lines).to.deep.equal(['overview {"a":1}', 'trouble {}', 'overview {"a":2}']);
      }),
    );
  });

  it('names characters that would hide or reverse text, and leaves other text as it is', () => {
    expect(cleanText('a\u202eb\u0000\u001b[31mc\u001b[0m\r\nd\te')).to.equal('a⟨U+202E⟩b␀c\nd\te');
    fc.assert(
      fc.property(fc.string({ unit: anyCharacter }), (text) => {
        // biome-ignore lint/suspicious/noControlCharactersInRegex: it searches for control characters
        expect(cleanText(text)).not.to.match(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
      }),
    );
    expect(cleanText('Ünïcode ✓ 表')).to.equal('Ünïcode ✓ 表');
    expect(parseClean('{"a":["x\\u202e"],"b":1}')).to.deep.equal({ a: ['x⟨U+202E⟩'], b: 1 });
  });

  it('parses the hash of any view back into its parts', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ minLength: 1 }), { minLength: 1 }), fc.string(), (names, value) => {
        const { view, names: rest, query } = parseRoute(hashOf(names, { value }));
        expect([view, ...rest]).to.deep.equal(names);
        expect(query.get('value') ?? '').to.equal(value);
      }),
    );
    expect(parseRoute('')).to.deep.include({ view: 'jobs', names: [] });
    expect(parseRoute('#/jobs/%E0%A4%A').names).to.deep.equal(['%E0%A4%A']);
  });

  it('quotes commands for a shell', () => {
    expect(shellLine(['batchctl', 'skip', 'a-1', '--reason', "it's $HOME; `x`"])).to.equal(
      `batchctl skip a-1 --reason 'it'\\''s $HOME; \`x\`'`,
    );
    expect(shellLine(['batchctl', ''])).to.equal("batchctl ''");
  });

  it('shows the share of a job that is done, and never 100 % too early', () => {
    expect(shareDecided(progressOf(STATUS))).to.equal(0.4);
    expect(shareDecided(progressOf(statusOf({ steps: [{ ...STEP, total: null }] })))).to.equal(null);
    expect(percentText(0.9999)).to.equal('99 %');
    expect(percentText(1)).to.equal('100 %');
    expect(stateSentence(STATUS, '40 %')).to.equal('Running · 40 % done');
    expect(stateSentence({ state: 'paused', reason: 'halt' }, '40 %')).to.equal('Paused · too many tasks failed');
    expect(stateSentence({ state: 'paused', reason: 'rates are late' }, null)).to.equal('Paused · rates are late');
    expect(stateSentence({ state: 'paused', reason: 'denied' }, null)).to.equal(
      'Paused · a service refuses workers an input or an output',
    );
    expect(stateSentence({ state: 'paused', reason: 'constructor' }, null)).to.equal('Paused · constructor');
  });

  it('compares a job with its deadline', () => {
    const finishBy = '2026-11-30T06:00:00Z';
    const margin = (changed: Partial<Status>) => marginOf(statusOf({ finishBy, ...changed }), 'UTC', NOW);
    expect(margin({ projected: '2026-11-30T05:40:00Z' })).to.deep.equal({
      margin: '20m early',
      detail: 'projected 05:40, deadline 06:00',
      tone: 'good',
    });
    expect(margin({ projected: '2026-11-30T05:55:00Z' })?.tone).to.equal('doubtful');
    expect(margin({ projected: '2026-11-30T06:40:00Z' })).to.include({ margin: '40m late', tone: 'bad' });
    expect(margin({}), 'the distance is shown once').to.deep.equal({
      margin: 'in 2h',
      detail: 'deadline 06:00',
      tone: 'open',
    });
    expect(margin({ state: 'succeeded', closedAt: '2026-11-30T05:59:59Z' })).to.include({
      margin: '1s early',
      tone: 'good',
    });
    expect(marginOf(STATUS, 'UTC', NOW)).to.equal(null);
  });

  it('compares the cost of a job with its limit', () => {
    expect(costText(STATUS)).to.equal(null);
    expect(costText(statusOf({ cost: 12.3, costProjected: 40, maxCost: 100 }))).to.deep.equal({
      main: '$12.30',
      note: 'of $100.00, $40.00 projected',
      tone: null,
    });
    expect(costText(statusOf({ cost: 12.3, costProjected: 140, maxCost: 100 }))?.tone).to.equal('doubtful');
    expect(costText(statusOf({ costUnknown: ['c9x.large'] }))).to.include({
      main: 'unknown',
      note: 'no price for c9x.large',
    });
  });

  it('lists what needs a person, most severe first', () => {
    const overview = overviewOf({
      jobs: [
        statusOf({
          job: 'late-1',
          finishBy: '2026-11-30T05:00:00Z',
          projected: '2026-11-30T05:30:00Z',
          steps: [CALM_STEP],
        }),
        statusOf({ job: 'stuck-1', steps: [{ ...CALM_STEP, running: 0 }] }),
        statusOf({ job: 'held-1', state: 'paused', reason: 'budget', steps: [CALM_STEP] }),
        statusOf({ job: 'old-1', state: 'failed', closedAt: '2026-11-29T04:00:00Z' }),
      ],
      queues: [queueOf({ dead: 3 })],
    });
    expect(attentionOf(overview, 'UTC', NOW).map(({ tone, text }) => `${tone}: ${text}`)).to.deep.equal([
      'bad: late-1: 30m late (projected 05:30, deadline 05:00)',
      'doubtful: stuck-1: tasks are waiting, but no worker serves their group',
      'doubtful: held-1: paused: it has reached its cost limit',
    ]);
  });

  it('does not list failed rehearsals, or dead letters of closed jobs', () => {
    const closed = { state: 'failed', closedAt: '2026-11-30T03:59:00Z' } as const;
    const rehearsal = { parts: 20, of: 2_000 };
    const textsOf = (...jobs: readonly Status[]): readonly string[] =>
      attentionOf(overviewOf({ jobs, queues: [queueOf({ dead: 3 })] }), 'UTC', NOW).map(({ text }) => text);
    const steps = [{ ...STEP, failed: 2 }];
    expect(textsOf(statusOf({ job: 'tried-1', ...closed, steps, rehearsal }))).to.deep.equal([]);
    expect(textsOf(statusOf({ job: 'old-1', ...closed, steps }))).to.deep.equal(['old-1: failed']);
    expect(textsOf(statusOf({ job: 'open-1', steps }))).to.deep.equal([
      'open-1: 2 tasks failed for good',
      '3 dead letters in group default',
    ]);
  });

  it('shows rates in a unit in which they are at least 1', () => {
    const bin = { done: 1, retried: 0, failed: 1, interrupted: 1, running: 2, slots: 2 };
    const columns = columnsOf({
      from: '2026-11-30T04:00:00Z',
      seconds: 30,
      bins: [bin, { ...bin, done: 0, failed: 0 }],
    });
    expect(columns).to.deep.include({
      unit: 'minute',
      rate: [2, 0],
      trouble: [2, 1],
      at: [NOW / 1_000, NOW / 1_000 + 30],
    });
    expect(columnsOf({ from: null, seconds: 30, bins: [] })).to.equal(null);
  });
});
