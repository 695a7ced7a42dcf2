// Protects: what one call can make a manager read and send is bounded, and following the pages misses nothing.
import { expect } from 'chai';
import { PAGE } from '../../../src/model/api.ts';
import { journalKey } from '../../../src/model/keys.ts';
import { forSuite } from '../../support/fixture.ts';
import { ApiServer } from '../../support/manager/api-server.ts';
import { rangeJob } from '../../support/range-job.ts';

type Row = Readonly<Record<string, unknown>>;

describe('lists of the API', () => {
  const server = forSuite(() => ApiServer.open());
  let job = '';

  const page = async (
    path: string,
    after: string | null,
    limit?: number,
  ): Promise<{ items: Row[]; next: string | null }> => {
    const query = new URLSearchParams();
    if (after !== null) query.set('after', after);
    if (limit !== undefined) query.set('limit', String(limit));
    const { status, json } = await server.call('GET', `${path}${path.includes('?') ? '&' : '?'}${query}`);
    expect(status, JSON.stringify(json)).to.equal(200);
    return json;
  };

  /** All rows, and the sizes of the pages. */
  const all = async (path: string, limit?: number): Promise<{ rows: Row[]; sizes: number[] }> => {
    const rows: Row[] = [];
    const sizes: number[] = [];
    for (let after: string | null = null; ; ) {
      const { items, next } = await page(path, after, limit);
      rows.push(...items);
      sizes.push(items.length);
      if (next === null) return { rows, sizes };
      after = next;
    }
  };

  before(async () => {
    const { store } = server.platform;
    for (let n = 0; n < 2_500; n += 1) await store.put(`data/in/${String(n).padStart(5, '0')}.csv`, 'x');
    const submitted = await server.call('POST', '/jobs', {
      spec: rangeJob('numbers', 2, { name: 'one', run: 'echo bad >&2; exit 9', attempts: 3 }),
    });
    job = submitted.json.job;
    expect((await server.workspace.work()).code).to.equal(0);
    const ledger = await server.platform.ledger();
    const known = await ledger.job(job);
    if (known === null) throw new Error('expected the job in the ledger');
    // Several share an instant, as those of a script that submits do.
    for (let n = 0; n < 2_100; n += 1) {
      const createdAt = known.createdAt - 1_000 - Math.floor(n / 7);
      await ledger.recordJob({
        ...known,
        job: `old-20260101-0000-${n.toString(36).padStart(5, '0')}`,
        name: 'old',
        createdAt,
      });
    }
    const entry = { format: 1, when: new Date().toISOString(), who: 'me' };
    const from = (await page(`/jobs/${job}/history`, null)).items.length - 1;
    for (let n = from; n < from + 2_300; n += 1) {
      const kind = n % 2 === 0 ? { what: 'pause', now: false, reason: 'asked' } : { what: 'resume' };
      await store.put(journalKey(job, n), JSON.stringify({ ...entry, id: `e${n}`, ...kind }));
    }
  });

  it('answer 1,000 rows unless asked for another number', async () => {
    for (const path of ['/data', '/jobs', `/jobs/${job}/history`]) {
      expect((await page(path, null)).items, path).to.have.length(PAGE.rows);
      expect((await page(path, null, 7)).items, path).to.have.length(7);
    }
  });

  it('give all rows once, in order, page by page', async () => {
    const data = await all('/data');
    expect(data.sizes).to.deep.equal([1_000, 1_000, 500]);
    expect(data.rows.map(({ key }) => key)).to.deep.equal(
      Array.from({ length: 2_500 }, (_, n) => `in/${String(n).padStart(5, '0')}.csv`),
    );
    const jobs = await all('/jobs', 999);
    expect(jobs.sizes).to.deep.equal([999, 999, 103]);
    expect(new Set(jobs.rows.map(({ job }) => job)).size).to.equal(2_101);
    expect((await all('/jobs', 2_000)).sizes).to.deep.equal([2_000, 101]);
    const times = jobs.rows.map(({ createdAt }) => String(createdAt));
    expect(times).to.deep.equal(times.toSorted().toReversed());
    const history = await all(`/jobs/${job}/history`);
    expect(history.rows.map(({ number }) => number)).to.deep.equal([
      null,
      ...Array.from({ length: history.rows.length - 1 }, (_, n) => n),
    ]);
    const small = await all(`/jobs/${job}/history`, 1_200);
    expect(small.rows).to.deep.equal(history.rows);
    const [first, second] = history.rows;
    expect(await page(`/jobs/${job}/history`, null, 1)).to.deep.equal({ items: [first], next: 'accepted' });
    expect((await page(`/jobs/${job}/history`, 'accepted', 1)).items).to.deep.equal([second]);
  });

  it('end without another page where the last row fills one', async () => {
    expect((await all('/data', 1_250)).sizes).to.deep.equal([1_250, 1_250]);
    expect(await page('/data', 'in/02499.csv', 5)).to.deep.equal({ items: [], next: null });
  });

  it('page the logs of a job, several of one task included, and its tasks', async () => {
    const logs = await all(`/jobs/${job}/logs`, 1);
    expect(logs.sizes).to.deep.equal([1, 1, 1, 1, 1, 1]);
    expect(logs.rows).to.deep.equal((await page(`/jobs/${job}/logs`, null)).items);
    const tasks = await all(`/jobs/${job}/tasks`, 1);
    expect(tasks.rows.map(({ task }) => task)).to.deep.equal([0, 1]);
  });

  it('continue the job that the first page found, though another is the last by then', async () => {
    const first = await page('/jobs/last/history', null, 2);
    expect(first.next).to.equal(`${job}:0`);
    const newer = await server.call('POST', '/jobs', { spec: rangeJob('newer', 1, { name: 'one', run: 'cat' }) });
    const second = await page('/jobs/last/history', first.next, 2);
    expect(second.items.map(({ number }) => number)).to.deep.equal([1, 2]);
    expect(second.next).to.equal(`${job}:2`);
    const wrong = await server.call('GET', `/jobs/${newer.json.job}/history?after=${first.next}`);
    expect([wrong.status, wrong.error.message]).to.deep.equal([
      400,
      `after: expected a page of job ${newer.json.job}, found one of job ${job}`,
    ]);
    await server.call('POST', `/jobs/${newer.json.job}/cancellations`, {});
  });

  it('refuse a place that is none, and a limit that is no number', async () => {
    const refused = async (path: string): Promise<readonly [number, string]> => {
      const { status, error } = await server.call('GET', path);
      return [status, error.message];
    };
    expect(await refused('/jobs?after=nothing')).to.deep.equal([404, 'there is no job nothing to continue after']);
    expect(await refused(`/jobs/${job}/history?after=x`)).to.deep.equal([
      400,
      'after: expected the number of an entry, found "x"',
    ]);
    expect(await refused(`/jobs/${job}/logs?after=one/0`)).to.deep.equal([
      400,
      'after: expected the next of a page of logs, found "one/0"',
    ]);
    expect(await refused('/data?limit=0')).to.deep.equal([400, 'limit: expected a whole number from 1, found "0"']);
  });
});
