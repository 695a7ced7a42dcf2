// Protects: each verb of the API does what its command does, and returns the same document.
import { expect } from 'chai';
import { openSqlite } from '../../../src/lib/sqlite.ts';
import { endpointsOf } from '../../../src/manager/http/verb-routes.ts';
import { ERROR_HEADER, WARNINGS_HEADER } from '../../../src/model/api.ts';
import { forSuite } from '../../support/fixture.ts';
import { ApiServer } from '../../support/manager/api-server.ts';
import { rangeJob } from '../../support/range-job.ts';

const DOUBLE = 'read n; test $n != 3 || { echo three is bad >&2; exit 9; }; echo $((n * 2))';
const NUMBERS = {
  ...rangeJob('numbers', 4, { name: 'double', run: DOUBLE, attempts: 1 }),
  labels: { team: 'a=b' },
};

/** Each answer is also checked against the document; these tests check what the document can't express. */
describe("the API's verbs", () => {
  const server = forSuite(() => ApiServer.open());
  let job: string;

  before(async () => {
    const { status, json, exit } = await server.call('POST', '/jobs', { spec: NUMBERS, runKey: 'first' });
    expect([status, exit], JSON.stringify(json)).to.deep.equal([200, '0']);
    expect(json).to.include({ runKey: 'first', created: true });
    job = json.job;
    const ended = await server.workspace.work();
    expect(ended.code, ended.stderr).to.equal(0);
  });

  it('refuse at each path that only shows every field that would make them change something', async () => {
    const showing = endpointsOf(server).filter(
      ({ method, verb }) => method === 'GET' && verb.declared.shownAt !== undefined,
    );
    expect(showing.map(({ path }) => path)).to.deep.equal(['/groups']);
    const sizes = async (): Promise<unknown> => (await server.call('GET', '/groups')).json;
    const before = await sizes();
    for (const { path, verb } of showing) {
      const fields = Object.keys(
        server.verbs.find(({ declared }) => declared.name === verb.declared.name)?.declared.scopeWith ?? {},
      );
      expect(fields).not.to.deep.equal([]);
      for (const field of [...fields, 'dryRun', 'yes'])
        for (const value of ['true', '3', ''])
          for (const scope of ['read', 'operate'] as const) {
            const { status, error } = await server.call('GET', `${path}?${field}=${value}`, undefined, { scope });
            expect([status, error.message], `${field}=${value}`).to.deep.equal([
              400,
              `the field "${field}" is unknown`,
            ]);
          }
    }
    expect(await sizes()).to.deep.equal(before);
  });

  it('change nothing by GET: each verb of a GET path has the scope read, whatever its fields', () => {
    for (const { method, path, verb } of endpointsOf(server)) {
      if (method !== 'GET') continue;
      const { scope, scopeWith = {}, changes } = verb.declared;
      expect([scope, scopeWith, changes], path).to.deep.equal(['read', {}, false]);
    }
  });

  it('return a document, with the exit code in a header', async () => {
    const { status, json, exit, headers } = await server.call('GET', `/jobs/${job}`);
    expect([status, exit]).to.deep.equal([200, '0']);
    expect(json).to.deep.include({ job, state: 'failed', reason: 'failures' });
    expect(headers.get('cache-control')).to.equal('no-store');
    expect((await server.call('GET', '/jobs/last')).json.job).to.equal(job);
    expect((await server.call('GET', `/jobs/${encodeURIComponent('key:first')}`)).json.job).to.equal(job);
  });

  it('accept the text of a job file, and name mistakes by line', async () => {
    const text = (run: string): string =>
      `name: text\ninput: { split: { by: range, from: 1, to: 2 } }\nsteps:\n  - { name: one, ${run}: cat }\n`;
    const { json } = await server.call('POST', '/plans', { spec: text('run') });
    expect(json).to.include({ name: 'text', parts: 2 });
    const refused = await server.call('POST', '/jobs', { spec: text('rum') });
    expect(refused.status).to.equal(422);
    expect(refused.json.error.message).to.match(/job\.json:4:\d+: steps\[0\]/);
    expect((await server.call('GET', '/jobs?name=text')).json.items).to.deep.equal([]);
    const long = await server.call('POST', '/plans', { spec: `${text('run')}${'#'.repeat(16 * 1024)}` });
    expect([long.status, long.json.error.message]).to.deep.equal([
      422,
      `job.json has ${text('run').length + 16 * 1024} bytes, allowed as text: 16384`,
    ]);
    const dense = await server.call('POST', '/plans', { spec: `a: [${'1,'.repeat(4_000)}]` });
    expect(dense.json.error.message).to.contain('found more than 5000 keys, values and signs');
    const wrong = await server.call('POST', '/jobs', { spec: 7 });
    expect([wrong.status, wrong.json.error.message]).to.deep.equal([
      400,
      'spec: expected the job: an object like a job file in JSON, or the text of a job file, found 7',
    ]);
  });

  it('record who called', async () => {
    const { json } = await server.call('GET', `/jobs/${job}/history`);
    expect(json.items.map(({ who }: { who: string }) => who)).to.include('token:operate');
    expect((await server.call('GET', '/jobs')).json.items[0].createdBy).to.equal('token:operate');
  });

  it('accept numbers, booleans and lists in the query', async () => {
    const items = async (path: string): Promise<readonly unknown[]> => (await server.call('GET', path)).json.items;
    expect(await items(`/jobs/${job}/tasks?state=failed&limit=5`)).to.have.length(1);
    expect(await items(`/jobs/${job}/tasks?limit=2`)).to.have.length(2);
    expect(await items(`/jobs/${job}/logs?failed=true`)).to.have.length(1);
    expect(await items(`/jobs/${job}/logs?failed=false`)).to.have.length(1);
    expect(await items('/jobs?label=team=a=b')).to.have.length(1);
    expect(await items('/jobs?label=team=a=b&label=x=y')).to.have.length(0);
  });

  it('return complete lists, including empty ones', async () => {
    expect((await server.call('GET', '/jobs?name=nothing')).text).to.equal('{"items":[],"next":null}');
    const failures = (await server.call('GET', `/jobs/${job}/failures`)).json.items;
    expect(failures).to.have.length(1);
    expect(failures[0]).to.include({ count: 1, exitCode: 9 });
  });

  it('answer every request that only reads', async () => {
    const paths = Object.entries(server.document.paths).flatMap(([path, { get }]) => (get === undefined ? [] : [path]));
    const fixed = paths.filter(
      (path) => !/\{(worker|name)\}|events|objects|openapi/.test(path) && path.startsWith('/api/v1/'),
    );
    expect(fixed.length).to.be.greaterThan(14);
    for (const path of fixed) {
      const { status, json } = await server.call('GET', path.slice('/api/v1'.length).replace('{job}', job));
      expect(status, `${path} ${JSON.stringify(json)}`).to.equal(200);
    }
    const [worker] = (await server.call('GET', '/workers?all=true')).json.items;
    expect((await server.call('GET', `/workers/${worker.worker}/logs`)).status).to.equal(200);
  });

  it('answer 200 for a proof that failed, with its exit code and error in the headers', async () => {
    const { status, json, exit, headers } = await server.call('POST', `/jobs/${job}/proofs`, {});
    expect([status, exit]).to.deep.equal([200, '9']);
    expect(json.verdict).to.equal('failed');
    expect(JSON.parse(headers.get(ERROR_HEADER) ?? '')).to.include({ kind: 'proof' });
    const why = await server.call('GET', `/jobs/${job}/why`);
    expect([why.status, why.exit]).to.deep.equal([200, '11']);
  });

  it('answer 200 with a warning for changes that took effect while the ledger was locked', async () => {
    const { json } = await server.call('POST', '/jobs', { spec: NUMBERS });
    const locked = openSqlite(server.workspace.path('.batchctl/ledger.db'), { busyMs: 5_000 });
    locked.exec('begin immediate');
    const { status, exit, headers, json: paused } = await server.call('POST', `/jobs/${json.job}/pauses`, {});
    locked.close();
    expect([status, exit, paused.state]).to.deep.equal([200, '0', 'paused']);
    expect(headers.get(WARNINGS_HEADER)).to.contain('is paused; the next worker, tick or batchctl wait');
  });

  it('only report what they would do with dryRun', async () => {
    const retry = { task: ['double/2'], dryRun: true };
    expect((await server.call('POST', `/jobs/${job}/retries`, retry)).status).to.equal(200);
    expect((await server.call('GET', `/jobs/${job}`)).json.round).to.equal(0);
  });

  it('make the requested changes without asking for confirmation', async () => {
    const skipped = await server.call('POST', `/jobs/${job}/skips`, { task: ['double/2'], reason: 'no three' });
    expect(skipped.status, skipped.text).to.equal(200);
    const { json } = await server.call('POST', '/jobs', { spec: NUMBERS });
    const paused = await server.call('POST', `/jobs/${json.job}/pauses`);
    expect(paused.status, paused.text).to.equal(200);
    const adjusted = await server.call('PATCH', `/jobs/${json.job}`, { tolerate: '1' });
    expect(adjusted.status, adjusted.text).to.equal(200);
    expect((await server.call('POST', `/jobs/${json.job}/cancellations`, {})).status).to.equal(200);
    expect((await server.call('GET', `/jobs/${json.job}`)).json.state).to.equal('cancelled');
    const purged = await server.call('POST', '/purges', { confirm: 'default' });
    expect(purged.status, purged.text).to.equal(200);
    const unconfirmed = await server.call('POST', '/purges', {});
    expect([unconfirmed.status, unconfirmed.error.kind]).to.deep.equal([409, 'refused']);
  });

  it('plan and schedule a job from the body', async () => {
    const plan = await server.call('POST', '/plans', { spec: NUMBERS }, { scope: 'submit' });
    expect([plan.status, plan.json.tasks ?? plan.json.parts], plan.text).to.deep.equal([200, 4]);
    const nightly = { name: 'nightly', spec: NUMBERS, cron: '0 3 * * *', tz: 'Europe/London' };
    const added = await server.call('POST', '/schedules', nightly);
    expect(added.status, added.text).to.equal(200);
    const [listed] = (await server.call('GET', '/schedules')).json.items;
    expect(listed).to.include({ schedule: 'nightly', zone: 'Europe/London' });
    expect((await server.call('GET', '/schedules/nightly')).status).to.equal(200);
    const closing = { name: 'closing', spec: NUMBERS, calendar: 'last-business-day' };
    const dated = { ...closing, holidays: ['# London', '2026-12-31', '2026-12-25 Christmas Day'] };
    expect((await server.call('POST', '/schedules', dated)).status).to.equal(200);
    expect((await server.call('GET', '/schedules/closing')).json.holidays).to.deep.equal(['2026-12-25', '2026-12-31']);
    expect((await server.call('DELETE', '/schedules/closing')).status).to.equal(200);
    for (const holidays of ['/etc/passwd', { a: 1 }, [5], ['2026-12-25\n2026-12-26'], ['tomorrow']]) {
      const wrong = await server.call('POST', '/schedules', { ...closing, holidays });
      expect([wrong.status, wrong.error.kind], JSON.stringify(holidays)).to.deep.equal([400, 'usage']);
      expect(wrong.error.message).to.include('holidays');
    }
    expect((await server.call('GET', '/firings')).json.items).to.have.length(10);
    expect((await server.call('POST', '/schedules/nightly/pauses')).status).to.equal(200);
    expect((await server.call('POST', '/schedules/nightly/resumptions')).status).to.equal(200);
    expect((await server.call('DELETE', '/schedules/nightly?dryRun=true')).json).to.include({ removed: false });
    expect((await server.call('DELETE', '/schedules/nightly')).status).to.equal(200);
    expect((await server.call('GET', '/schedules/nightly')).status).to.equal(404);
  });

  it('show the sizes of groups to readers, and change them for operators', async () => {
    const groups = await server.call('GET', '/groups', undefined, { scope: 'read' });
    expect(groups.json.items[0]).to.include({ group: 'default' });
    expect((await server.call('POST', '/groups', {}, { scope: 'read' })).status).to.equal(200);
    const refused = await server.call('POST', '/groups', { max: 3 }, { scope: 'submit' });
    expect([refused.status, refused.error.kind]).to.deep.equal([403, 'refused']);
    expect((await server.call('POST', '/groups', { max: 3 })).json.items[0]).to.include({ max: 3 });
    const repair = await server.call('POST', `/jobs/${job}/proofs`, { repair: true }, { scope: 'submit' });
    expect(repair.status).to.equal(403);
    const whole = await server.call('POST', `/jobs/${job}/proofs`, { repair: false }, { scope: 'submit' });
    expect(whole.status).to.equal(200);
  });

  it('return their warnings', async () => {
    const spec = { ...NUMBERS, name: 'warned', steps: [{ name: 'one', run: ['true'] }] };
    const { status, headers } = await server.call('POST', '/jobs', { spec, finishBy: 'in 6h' });
    expect(status).to.equal(200);
    const warnings = headers.get(WARNINGS_HEADER);
    if (warnings !== null) expect(JSON.parse(warnings)).to.be.an('array');
  });

  it('answer 200 for a report that compares worse, with its exit code and error in the headers', async () => {
    const spec = { ...NUMBERS, name: 'sound', steps: [{ name: 'double', run: 'read n; echo $n' }] };
    const { json: sound } = await server.call('POST', '/jobs', { spec });
    const { json: worse } = await server.call('POST', '/jobs', { spec: NUMBERS });
    await server.workspace.work();
    const query = new URLSearchParams({ compare: sound.job, regress: '9000%' });
    const { status, json, exit, headers } = await server.call('GET', `/jobs/${worse.job}/report?${query}`);
    expect([status, exit], JSON.stringify(json)).to.deep.equal([200, '11']);
    expect(json.compared.regressions.join()).to.include('failed: 0 before, 1 now');
    const error = JSON.parse(headers.get(ERROR_HEADER) ?? '');
    expect(error).to.include({ kind: 'finding', hint: `batchctl report ${worse.job} --compare ${sound.job}` });
  });

  it('run concurrently', async () => {
    const answers = await Promise.all(Array.from({ length: 60 }, () => server.call('GET', `/jobs/${job}`)));
    expect(new Set(answers.map(({ status, json }) => `${status} ${json.state}`)).size).to.equal(1);
  });
});
