// Protects: the audit log says who changed what and from where, and contains no secrets.
import { expect } from 'chai';
import { loggedInput } from '../../../src/manager/http/audit.ts';
import { forEachTest } from '../../support/fixture.ts';
import { GuardedServer, runUntilStopped } from '../../support/manager/guarded-server.ts';
import { until } from '../../support/until.ts';

describe('the audit log', () => {
  const server = forEachTest(() => GuardedServer.open());
  beforeEach(() => {
    server.run = async ({ name }) => {
      const error = { kind: 'refused', message: 'no', hint: null };
      if (name === 'retry') return { answer: undefined, exitCode: 7, error };
      return { answer: {}, exitCode: name === 'verify' ? 9 : 0, error: null };
    };
  });

  const lines = async (count: number) => {
    await until('the lines are logged', () => server.audit.length >= count);
    expect(server.audit).to.have.length(count);
    return server.audit;
  };

  it('records each change: who, from where, what, which job, and how it ended', async () => {
    const token = await server.token('operate', 'ann');
    const [began, beganAt] = [performance.now(), Date.now()];
    const answer = await server.post('/api/v1/jobs/claims-1/pauses', token, { now: true });
    const [line] = await lines(1);
    expect(line).to.deep.include({
      audit: 1,
      caller: 'ann',
      address: '127.0.0.1',
      verb: 'pause',
      job: 'claims-1',
      input: { now: true },
      status: 200,
      exitCode: 0,
      outcome: 'done',
      untold: 0,
    });
    expect(line?.request).to.equal(answer.headers.get('x-request-id'));
    expect(line?.token).to.match(/^[0-9a-f]{12}$/);
    expect(line?.ms).to.be.within(0, Math.ceil(performance.now() - began));
    expect(Date.parse(line?.at ?? '')).to.be.within(beganAt, Date.now());
  });

  it('records the verb that a command line ran, and its exit code', async () => {
    const token = await server.token('operate');
    for (const name of ['cancel', 'verify', 'status'])
      await (await server.command(name, { job: 'last' }, token)).text();
    const [cancel, verify] = await lines(2);
    expect(cancel).to.include({ verb: 'cancel', job: 'last', status: 200, exitCode: 0, outcome: 'done' });
    expect(verify).to.include({ verb: 'verify', exitCode: 9, outcome: 'failed' });
  });

  it('records who follows a job, even with a read-only token, because following moves the job on', async () => {
    const token = await server.token('read', 'ann');
    for (const name of ['watch', 'status', 'wait', 'logs'])
      await (await server.command(name, { job: 'last' }, token)).text();
    const [watch, wait] = await lines(2);
    expect(watch).to.include({ caller: 'ann', verb: 'watch', job: 'last', exitCode: 0, outcome: 'done' });
    expect(wait).to.include({ verb: 'wait' });
  });

  it('records the job even if it is named in an unexpected form', () => {
    expect(loggedInput({ job: ['claims-1'], now: true })).to.deep.equal({ job: ['claims-1'], now: true });
    expect(loggedInput({ job: 'claims-1', now: true })).to.deep.equal({ now: true });
  });

  it('records rejected calls, whether a guard or the verb rejected them, but not reads', async () => {
    const [reader, operator] = [await server.token('read'), await server.token('operate')];
    await server.call('/api/v1/jobs', reader);
    await server.call('/healthz');
    await server.post('/api/v1/prunings', reader);
    await server.call('/api/v1/jobs');
    await server.call(`/api/v1/jobs?token=${operator}`, operator);
    await server.post('/api/v1/jobs/last/retries', operator);
    const [wrongScope, noToken, tokenInUrl, refused] = await lines(4);
    expect(wrongScope).to.include({ caller: 'read', verb: 'prune', status: 403, outcome: 'refused', exitCode: null });
    expect(noToken).to.include({ caller: null, token: null, verb: 'jobs', status: 401, outcome: 'refused' });
    expect(tokenInUrl).to.include({ status: 400, caller: null });
    expect(refused).to.include({ caller: 'operate', verb: 'retry', outcome: 'refused', exitCode: 7 });
    expect(JSON.stringify(server.audit)).to.not.include(operator.slice(4, 20)).and.not.include(reader.slice(4, 20));
  });

  it('records calls of another version, and those that are refused because others from there failed', async () => {
    const other = { headers: { 'x-batchctl-version': '99.0.0' } };
    expect((await server.call('/api/v1/jobs', await server.token('read'), other)).status).to.equal(426);
    const statuses = new Set<number>();
    for (let n = 0; n < 6; n += 1)
      statuses.add((await server.call('/api/v1/jobs', `bct_${String(n).repeat(43)}`)).status);
    expect([...statuses]).to.deep.equal([401, 429]);
    const logged = (await lines(7)).map(({ status, caller, outcome }) => ({ status, caller, outcome }));
    const refused = (status: number) => ({ status, caller: null, outcome: 'refused' });
    expect(logged).to.deep.equal([426, ...Array(5).fill(401), 429].map(refused));
  });

  it('records callers who left before the answer was complete', async () => {
    server.run = runUntilStopped;
    const answer = await server.command('cancel', { job: 'last' }, await server.token('operate'));
    await answer.body?.cancel();
    const [line] = await lines(1);
    expect(line).to.include({ verb: 'cancel', outcome: 'cut' });
  });

  it('is not flooded by rejected callers: after sixty in a minute, they are only counted', async () => {
    for (let n = 0; n < 100; n += 1) await (await server.call('/api/v1/jobs')).text();
    await until('sixty are logged', () => server.audit.length === 60);
    await server.post('/api/v1/jobs/x/pauses', await server.token('operate'));
    expect((await lines(61)).at(-1)).to.include({ verb: 'pause', untold: 40 });
  });

  it('contains no values that may be secrets, no tokens, and no more than fits a line', () => {
    const token = `bct_${'A'.repeat(43)}`;
    const shown = loggedInput({
      set: ['PASSWORD=hunter2', 'REGION'],
      reason: `see ${token}`,
      limit: 5,
      now: true,
      nothing: null,
      spec: { secrets: { A: 'hunter2' } },
      long: 'x'.repeat(5_000),
      job: 'last',
      '*': 'path',
      many: Array.from({ length: 1_000 }, (_, n) => n),
      nested: [['hunter2'], { a: 'hunter2' }],
    });
    expect(shown).to.deep.include({
      set: ['PASSWORD=...', 'REGION'],
      reason: 'see bct_...',
      limit: 5,
      now: true,
      nothing: null,
      spec: 'object',
      nested: ['array', 'object'],
    });
    expect(shown).to.not.have.any.keys('job', '*');
    const text = JSON.stringify(shown);
    expect(text).to.not.include('hunter2').and.not.include('AAAA');
    expect(text.length).to.be.below(1_000);
    const wide = Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`k${n}`, 'x'.repeat(5_000)]));
    expect(JSON.stringify(loggedInput(wide)).length).to.be.below(10_000);
    expect(JSON.stringify(loggedInput({ reason: 'a\n{"audit":1}' }))).to.not.include('\n');
  });
});
