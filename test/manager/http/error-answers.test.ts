// Protects: API errors have the right status, kind and hint, and reveal nothing internal.
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect } from 'chai';
import type { ErrorKind } from '../../../src/errors.ts';
import { STATUSES } from '../../../src/manager/http/error-answers.ts';
import type { VerbResponse } from '../../../src/verbs/verb-runner.ts';
import { forSuite } from '../../support/fixture.ts';
import { ApiServer } from '../../support/manager/api-server.ts';

describe("the API's errors", () => {
  const server = forSuite(() =>
    ApiServer.open({ runVerb: async (call, real) => (failVerb === null ? real.call(call) : failVerb()) }),
  );
  /** Runs the next verbs; null: the real ones. */
  let failVerb: (() => VerbResponse) | null = null;
  afterEach(() => {
    failVerb = null;
  });
  const failWith = (error: VerbResponse['error']): void => {
    failVerb = () => ({ answer: undefined, exitCode: 1, error });
  };

  const refused = async (method: string, path: string, body?: unknown, init: RequestInit = {}) => {
    const { status, error, headers } = await server.call(method, path, body, init);
    expect(headers.get('content-type'), path).to.match(/^application\/json/);
    return { status, headers, ...error };
  };

  it('have the status of their kind, for every kind', async () => {
    for (const kind of Object.keys(STATUSES) as ErrorKind[]) {
      failWith({ kind, message: `so ${kind}`, hint: 'do that' });
      const error = await refused('GET', '/jobs');
      expect(error.status, kind).to.equal(STATUSES[kind]);
      expect(error.kind).to.equal(kind);
      if (kind !== 'unexpected') expect(error).to.include({ message: `so ${kind}`, hint: 'do that' });
    }
  });

  it('reveal nothing about an unexpected failure except its id in the log', async () => {
    server.hidden.length = 0;
    failWith({ kind: 'unexpected', message: 'at /srv/secret.ts:12', hint: null });
    const error = await refused('GET', '/jobs');
    expect(error.status).to.equal(500);
    expect(JSON.stringify(error)).not.to.contain('secret');
    expect(error.message).to.contain(error.headers.get('x-request-id') ?? 'none');
    failVerb = () => {
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
    const frames = async (name: string, input: object, fields: object = {}) =>
      (await server.command(name, input, {}, fields)).text();
    expect(await frames('cancel', { job: ['x'] }))
      .to.contain('"kind":"usage"')
      .and.to.contain('job: expected text');
    expect(await frames('cancel', {})).to.contain('job: expected, found nothing');
    expect(await frames('jobs', {}, { tz: 'Nowhere/At_All' }))
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
    expect((await refused('GET', '/jobs?__proto__=1')).status).to.equal(400);
    for (const [method, path, body, expected] of [
      ['GET', '/jobs?colour=red', undefined, '"colour"'],
      ['GET', '/jobs?state=red', undefined, 'one of'],
      ['GET', '/jobs?state=failed&state=paused', undefined, 'once'],
      ['GET', '/jobs/x/logs?failed=yes', undefined, 'true or false'],
      ['GET', '/jobs?tz=Nowhere/At_All', undefined, 'time zone'],
      ['POST', '/jobs?runKey=a', { spec: {} }, 'query'],
      ['POST', '/jobs/x/pauses', { job: 'y' }, 'already in the path'],
      ['POST', '/jobs/x/pauses', { now: 'yes' }, 'true or false'],
      ['POST', '/jobs/x/retries', { task: [{ a: 1 }] }, 'text or a number'],
      ['POST', '/jobs', {}, 'spec'],
      ['POST', '/jobs', { spec: 7 }, 'spec'],
      ['POST', '/jobs', { spec: 'job.yaml' }, 'job.json:1:1'],
      ['POST', '/jobs', { spec: {}, code: '../x' }, 'code'],
      ['POST', '/jobs/x/retries', { code: 'a'.repeat(64) }, 'spec'],
    ] as const)
      expect((await refused(method, path, body)).message, path).to.contain(expected);
    expect(await refused('POST', '/jobs', { spec: { name: 'UPPER' } })).to.include({ status: 422, kind: 'jobFile' });
  });

  it('say what was expected of bodies', async () => {
    expect(await refused('POST', '/jobs', '{"spec":')).to.include({
      status: 400,
      message: 'the body is not valid JSON',
    });
    for (const field of ['"__proto__":{"a":1}', '"a":[{"\\u005f_proto__":1}]', '"a":{"constructor":{"prototype":1}}'])
      expect((await refused('POST', '/jobs', `{"spec":{},${field}}`)).message).to.contain('"__proto__"');
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
    const retry = { name: 'retry', input: { job: 'x', task } };
    expect((await refused('POST', '/verbs', retry)).message).to.equal(tooLong);
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
    expect(await sendRaw('GET /api/v1/%zz HTTP/1.1\r\nhost: x\r\n\r\n')).to.deep.include({
      status: 400,
      kind: 'usage',
    });
    expect(await sendRaw('nonsense\r\n\r\n')).to.deep.include({ status: 400, kind: 'usage' });
    const head = `GET / HTTP/1.1\r\nhost: x\r\nx-long: ${'a'.repeat(20_000)}\r\n\r\n`;
    expect(await sendRaw(head)).to.deep.include({ status: 431, kind: 'usage' });
  });

  it('never allow another origin', async () => {
    const headers = { origin: 'https://elsewhere.example', 'access-control-request-method': 'POST' };
    const preflight = await server.fetch('OPTIONS', '/api/v1/jobs', { headers });
    expect(preflight.status).to.equal(405);
    for (const answer of [preflight, await server.fetch('GET', '/api/v1/jobs', { headers })]) {
      expect([...answer.headers.keys()].filter((name) => name.startsWith('access-control'))).to.deep.equal([]);
      expect(answer.headers.get('content-security-policy')).to.contain("default-src 'none'");
      expect(answer.headers.get('x-content-type-options')).to.equal('nosniff');
    }
  });

  it('keep the kind and exit code of the verb that failed', async () => {
    const { status, exit, error } = await server.call('POST', '/jobs/nope/cancellations');
    expect([status, exit, error.kind]).to.deep.equal([404, '4', 'notFound']);
  });

  async function sendRaw(request: string): Promise<{ readonly status: number; readonly kind: string }> {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    let answer = '';
    socket.on('data', (bytes: Buffer) => {
      answer += bytes.toString();
      if (answer.includes('}}')) socket.destroy();
    });
    socket.on('error', () => {});
    socket.write(request);
    await once(socket, 'close');
    const [head = '', body = ''] = answer.split('\r\n\r\n');
    const { error } = JSON.parse(body) as { error: { kind: string } };
    server.document.validate('components/schemas/Error', JSON.parse(body));
    return { status: Number(head.split(' ')[1]), kind: error.kind };
  }
});
