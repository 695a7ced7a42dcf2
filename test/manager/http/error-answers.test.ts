// Protects: API errors have the right status, kind and hint, and reveal nothing internal.
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect } from 'chai';
import { BatchctlError, type ErrorKind } from '../../../src/errors.ts';
import { STATUSES } from '../../../src/manager/http/error-answers.ts';
import type { VerbOutcome } from '../../../src/ports/verbs.ts';
import { forSuite } from '../../support/fixture.ts';
import { ApiServer } from '../../support/manager/api-server.ts';

describe("the API's errors", () => {
  const server = forSuite(() =>
    ApiServer.open({
      dashboard: null,
      verbs: (real) => ({
        ...real,
        call: async (call) => {
          if (ending === null) return real.call(call);
          return { answer: undefined, ...(await (typeof ending === 'function' ? ending() : ending)) };
        },
      }),
    }),
  );
  /** The error of the next verb; null: its real result. */
  let ending: VerbOutcome | (() => never) | null = null;
  afterEach(() => {
    ending = null;
  });

  const refused = async (method: string, path: string, body?: unknown, init: RequestInit = {}) => {
    const { status, error, headers } = await server.call(method, path, body, init);
    expect(headers.get('content-type'), path).to.match(/^application\/json/);
    return { status, headers, ...error };
  };

  it('have the status of their kind, for every kind', async () => {
    for (const kind of Object.keys(STATUSES) as ErrorKind[]) {
      ending = { exitCode: 1, error: { kind, message: `so ${kind}`, hint: 'do that' } };
      const told = await refused('GET', '/jobs');
      expect(told.status, kind).to.equal(STATUSES[kind]);
      expect(told.kind).to.equal(kind);
      if (kind !== 'unexpected') expect(told).to.include({ message: `so ${kind}`, hint: 'do that' });
    }
  });

  it('reveal nothing about an unexpected failure except its id in the log', async () => {
    server.hidden.length = 0;
    ending = { exitCode: 1, error: { kind: 'unexpected', message: 'at /srv/secret.ts:12', hint: null } };
    const told = await refused('GET', '/jobs');
    expect([told.status, JSON.stringify(told)]).to.satisfy(
      ([status, text]: [number, string]) => status === 500 && !text.includes('secret'),
    );
    expect(told.message).to.contain(told.headers.get('x-request-id') ?? 'none');
    ending = () => {
      throw new TypeError('no such thing in /srv/secret.ts');
    };
    expect(JSON.stringify(await refused('GET', '/jobs'))).not.to.contain('secret');
    expect(server.hidden).to.have.length(2);
  });

  it('leave the thrown error and its location in the log', async () => {
    server.hidden.length = 0;
    const { ledger } = server.platform;
    Object.assign(server.platform, { ledger: () => Promise.reject(new TypeError('a ledger of another world')) });
    try {
      expect((await refused('GET', '/jobs')).status).to.equal(500);
      await (await server.command('jobs', {})).text();
    } finally {
      Object.assign(server.platform, { ledger });
    }
    expect(server.hidden).to.have.length(2);
    for (const thrown of server.hidden)
      expect(thrown).to.be.instanceOf(TypeError).and.to.have.property('message', 'a ledger of another world');
  });

  it('say where a single value is expected, and which argument needs another value', async () => {
    expect((await refused('POST', '/jobs/x/retries', { canary: [1, 2] })).message).to.contain('canary: expected text');
    const told = async (name: string, input: object) => (await server.command(name, input)).text();
    expect(await told('cancel', { job: ['x'] }))
      .to.contain('"kind":"usage"')
      .and.to.contain('job: expected text');
    expect(await told('cancel', {})).to.contain('job: expected, found nothing');
    const zone = await server.fetch('POST', '/api/v1/verbs', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'jobs', input: {}, tz: 'Nowhere/At_All' }),
    });
    expect(await zone.text())
      .to.contain('"kind":"usage"')
      .and.to.contain('expected the name of a time zone');
  });

  it('say what was expected of paths, methods and fields', async () => {
    expect(await refused('GET', '/nothing')).to.include({ status: 404, kind: 'notFound' });
    expect(await refused('GET', '/jobs/nope')).to.include({ status: 404, kind: 'notFound', hint: 'batchctl jobs' });
    const wrong = await refused('PUT', '/jobs');
    expect(wrong).to.include({ status: 405, kind: 'usage' });
    expect(wrong.headers.get('allow')).to.equal('GET, POST');
    expect(await refused('PUT', '/jobs', 'x', { headers: { 'content-type': 'text/plain' } })).to.include({
      status: 405,
    });
    expect((await refused('GET', '/jobs?colour=red')).message).to.contain('"colour"');
    expect((await refused('GET', '/jobs?state=red')).message).to.contain('one of');
    expect((await refused('GET', '/jobs?state=failed&state=paused')).message).to.contain('once');
    expect((await refused('GET', '/jobs/x/logs?failed=yes')).message).to.contain('true or false');
    expect((await refused('GET', '/jobs?tz=Nowhere/At_All')).message).to.contain('time zone');
    expect((await refused('GET', '/jobs?__proto__=1')).status).to.equal(400);
    expect((await refused('POST', '/jobs?runKey=a', { spec: {} })).message).to.contain('query');
    expect((await refused('POST', '/jobs/x/pauses', { job: 'y' })).message).to.contain('already in the path');
    expect((await refused('POST', '/jobs/x/pauses', { now: 'yes' })).message).to.contain('true or false');
    expect((await refused('POST', '/jobs/x/retries', { task: [{ a: 1 }] })).message).to.contain('text or a number');
    expect((await refused('POST', '/jobs', {})).message).to.contain('spec');
    expect((await refused('POST', '/jobs', { spec: 'job.yaml' })).message).to.contain('spec');
    expect((await refused('POST', '/jobs', { spec: {}, code: '../x' })).message).to.contain('code');
    expect((await refused('POST', '/jobs/x/retries', { code: 'a'.repeat(64) })).message).to.contain('spec');
    expect(await refused('POST', '/jobs', { spec: { name: 'UPPER' } })).to.include({ status: 422, kind: 'jobFile' });
  });

  it('say what was expected of bodies', async () => {
    expect(await refused('POST', '/jobs', '{"spec":')).to.include({
      status: 400,
      message: 'the body is not valid JSON',
    });
    for (const poisoned of [
      '"__proto__":{"a":1}',
      '"a":[{"\\u005f_proto__":1}]',
      '"a":{"constructor":{"prototype":1}}',
    ])
      expect((await refused('POST', '/jobs', `{"spec":{},${poisoned}}`)).message).to.contain('"__proto__"');
    expect((await refused('POST', '/jobs', '{"constructor":{"a":1}}')).message).to.contain('"constructor" is unknown');
    expect(await refused('POST', '/jobs', '[]')).to.include({
      status: 400,
      message: 'expected a JSON object as the body',
    });
    expect(await refused('POST', '/jobs', '')).to.include({ status: 400, kind: 'usage' });
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/octet-stream',
    ]) {
      expect(await refused('POST', '/jobs', 'spec=1', { headers: { 'content-type': type } }), type).to.include({
        status: 415,
        kind: 'usage',
      });
    }
    const large = JSON.stringify({ spec: { name: 'x'.repeat(2 ** 20) } });
    expect(await refused('POST', '/jobs', large)).to.include({ status: 413, kind: 'usage' });
    const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
    expect((await refused('POST', '/jobs', `{"spec":${deep}}`)).status).to.equal(413);
    const keys = Object.fromEntries(Array.from({ length: 60_000 }, (_, n) => [`k${n}`, 1]));
    for (const body of [{ spec: keys }, keys, { task: Object.keys(keys) }])
      expect(await refused('POST', '/plans', body)).to.include({ status: 413, kind: 'usage' });
    const few = Object.fromEntries(Object.entries(keys).slice(0, 101));
    const task = Object.keys(keys).slice(0, 10_001);
    expect((await refused('POST', '/plans', few)).message).to.equal('expected at most 100 fields, found 101');
    const tooLong = 'task: expected at most 10000 values, found 10001';
    expect((await refused('POST', '/jobs/x/retries', { task })).message).to.equal(tooLong);
    const asCommand = { name: 'retry', input: { job: 'x', task } };
    expect((await refused('POST', '/verbs', asCommand)).message).to.equal(tooLong);
    // Brackets within a text are not nesting, and quotes within it don't end it.
    const text = `"\\\\${'[{,'.repeat(30_000)}`;
    expect((await refused('POST', '/plans', { spec: { name: text } })).status).to.equal(422);
    // A command line sends its job along; its limit is higher, but exists too.
    const call = { name: 'jobs', input: { name: 'x'.repeat(2 ** 20) } };
    expect((await server.call('POST', '/verbs', call)).status).to.equal(200);
    const huge = { ...call, input: { name: 'x'.repeat(8 * 2 ** 20) } };
    expect(await refused('POST', '/verbs', huge)).to.include({ status: 413, kind: 'usage' });
    expect(await refused('POST', '/verbs', { name: 'jobs' })).to.include({ status: 400, kind: 'usage' });
    expect(await refused('POST', '/verbs', { name: 'infra down', input: {} })).to.include({
      status: 400,
    });
    expect((await refused('POST', '/verbs', { name: 'jobs', input: {}, dryRun: 'yes' })).message).to.contain('boolean');
  });

  it('keep their form if the HTTP request itself is malformed', async () => {
    expect(await raw('GET /api/v1/%zz HTTP/1.1\r\nhost: x\r\n\r\n')).to.deep.include({ status: 400, kind: 'usage' });
    expect(await raw('nonsense\r\n\r\n')).to.deep.include({ status: 400, kind: 'usage' });
    const head = `GET / HTTP/1.1\r\nhost: x\r\nx-long: ${'a'.repeat(20_000)}\r\n\r\n`;
    expect(await raw(head)).to.deep.include({ status: 431, kind: 'usage' });
  });

  it('never allow another origin', async () => {
    const headers = { origin: 'https://elsewhere.example', 'access-control-request-method': 'POST' };
    const asked = await server.fetch('OPTIONS', '/api/v1/jobs', { headers });
    expect(asked.status).to.equal(405);
    const got = await server.fetch('GET', '/api/v1/jobs', { headers });
    for (const { headers: said } of [asked, got]) {
      expect([...said.keys()].filter((name) => name.startsWith('access-control'))).to.deep.equal([]);
      expect(said.get('content-security-policy')).to.contain("default-src 'none'");
      expect(said.get('x-content-type-options')).to.equal('nosniff');
    }
  });

  it('keep the kind and exit code of the verb that failed', async () => {
    const { status, exit, error } = await server.call('POST', '/jobs/nope/cancellations');
    expect([status, exit, error.kind]).to.deep.equal([404, '4', 'notFound']);
    const thrown = new BatchctlError('notFound', 'x');
    expect(STATUSES[thrown.kind]).to.equal(404);
  });

  async function raw(text: string): Promise<{ readonly status: number; readonly kind: string }> {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    let said = '';
    socket.on('data', (bytes: Buffer) => {
      said += bytes.toString();
      if (said.includes('}}')) socket.destroy();
    });
    socket.on('error', () => {});
    socket.write(text);
    await once(socket, 'close');
    const [head = '', body = ''] = said.split('\r\n\r\n');
    const { error } = JSON.parse(body) as { error: { kind: string } };
    server.document.validate('components/schemas/Error', JSON.parse(body));
    return { status: Number(head.split(' ')[1]), kind: error.kind };
  }
});
