// Protects: no caller can block the manager for others by floods, slow requests or large bodies.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { createConnection, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { expect } from 'chai';
import { wait } from '../../../src/lib/wait.ts';
import { LIMITS } from '../../../src/manager/http/limits.ts';
import { ensureCertificate } from '../../../src/manager/tls/open-tls.ts';
import { forEachTest } from '../../support/fixture.ts';
import { errorOf, GuardedServer, readUntilClosed, runUntilStopped } from '../../support/manager/guarded-server.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { until } from '../../support/until.ts';

const BAD = `bct_${'A'.repeat(43)}`;

describe('how much of the manager one caller can use', () => {
  const server = forEachTest(() => GuardedServer.open());
  const statusOf = async (token: string | null) => (await server.call('/api/v1/jobs', token)).status;
  const healthStatus = async (): Promise<number> => (await server.call('/healthz')).status;
  /** Makes verbs run until they are released. */
  const holdVerbs = (): (() => void)[] => {
    const release: (() => void)[] = [];
    server.run = () => new Promise((resolve) => release.push(() => resolve({ answer: {}, exitCode: 0, error: null })));
    return release;
  };

  it('is five tries with bad tokens, then a wait that doubles; valid tokens are still accepted', async () => {
    const good = await server.token('read');
    expect(await statusOf(good)).to.equal(200);
    for (let n = 0; n < LIMITS.tries.value; n += 1) expect(await statusOf(BAD)).to.equal(401);
    const reads = countCalls(server, 'read');
    const refused = await server.call('/api/v1/jobs', BAD);
    expect(refused.status).to.equal(429);
    expect(refused.headers.get('retry-after')).to.equal('1');
    expect((await errorOf(refused)).kind).to.equal('unavailable');
    expect(reads()).to.equal(0);
    expect(await statusOf(good)).to.equal(200);
    server.clock.pass(1);
    expect(await statusOf(BAD)).to.equal(401);
    expect((await server.call('/api/v1/jobs', BAD)).headers.get('retry-after')).to.equal('2');
    server.clock.pass(1.5);
    const soon = await server.call('/api/v1/jobs', BAD);
    expect([soon.status, soon.headers.get('retry-after')], 'half a second before').to.deep.equal([429, '1']);
    for (let n = 0; n < 20; n += 1) {
      server.clock.pass(60);
      expect(await statusOf(BAD)).to.equal(401);
    }
    expect((await server.call('/api/v1/jobs', BAD)).headers.get('retry-after')).to.equal('60');
    expect(await healthStatus()).to.equal(200);
    server.clock.pass(601);
    expect(await statusOf(await server.token('submit'))).to.equal(200);
  });

  it('is one listing of tokens a second while it guesses; valid tokens from its address, even new ones, are accepted', async () => {
    const before = await server.token('read', 'before');
    for (let n = 0; n < LIMITS.tries.value; n += 1) await server.call('/api/v1/jobs', BAD);
    expect(await statusOf(BAD)).to.equal(429);
    expect(await statusOf(before)).to.equal(200);
    const [reads, listings] = [countCalls(server, 'read'), countCalls(server, 'keys')];
    const guesses = Array.from({ length: 100 }, (_, n) => `bct_${String(n).padStart(43, 'B')}`);
    const statuses = await Promise.all([...guesses, ...guesses].map((guess) => server.status('/api/v1/jobs', guess)));
    expect(new Set(statuses)).to.deep.equal(new Set([429]));
    expect(reads()).to.equal(0);
    // Calls that came during a listing share the next one.
    expect(listings()).to.be.within(1, 3);
    const after = await server.token('read', 'after');
    expect(await statusOf(after)).to.equal(200);
    for (const text of [`${after}A`, after.slice(0, -1), '']) {
      expect(await statusOf(text), text).to.equal(429);
    }
  });

  it('is a JSON body of 1 MiB, and headers of 16 KiB', async () => {
    const token = await server.token('operate');
    const post = (text: string): Promise<Response> => server.post('/api/v1/prunings', token, text);
    expect((await post(`{"olderThan":"1d"${' '.repeat(2 ** 20 - 100)}}`)).status).to.equal(200);
    const large = await post(`{"olderThan":"1d"${' '.repeat(2 ** 20)}}`);
    expect(large.status).to.equal(413);
    expect((await errorOf(large)).kind).to.equal('usage');
    const socket = await server.connect();
    socket.write(`GET /healthz HTTP/1.1\r\nhost: x\r\nx-long: ${'x'.repeat(LIMITS.head.value)}\r\n\r\n`);
    const answer = await readUntilClosed(socket);
    expect(answer).to.match(/^HTTP\/1.1 431 /);
    expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))).to.have.nested.property('error.kind', 'usage');
    const url = await server.connect();
    url.write(`GET /healthz?${'x'.repeat(LIMITS.head.value)} HTTP/1.1\r\nhost: x\r\n\r\n`);
    expect(await readUntilClosed(url)).to.match(/^HTTP\/1.1 431 /);
    expect((await server.call(`/api/v1/jobs/${'x'.repeat(LIMITS.parameter.value + 1)}`, token)).status).to.equal(414);
    expect(await healthStatus()).to.equal(200);
  });

  it('is ten seconds for headers: then a silent connection, a slow one and a kept one are closed, with TLS too', async () => {
    const place = { store: new MemoryStore(() => 0), clock: server.clock, who: 'manager@one' };
    const encrypted = await GuardedServer.open({ identity: await ensureCertificate(place, []) });
    try {
      const ends: string[] = [];
      const watch = (name: string, socket: Socket): Socket => {
        void readUntilClosed(socket).then((answer) => ends.push(`${name}: ${answer.slice(0, 13)}`));
        return socket;
      };
      const head = 'GET /healthz HTTP/1.1\r\nhost: x\r\n';
      const kept = await server.connect();
      kept.write(`${head}\r\n`);
      await once(kept, 'data');
      const tls = connectTls({ port: encrypted.port, rejectUnauthorized: false });
      await once(tls, 'secureConnect');
      watch('silent', await server.connect());
      const slow = [watch('slow', await server.connect()), watch('kept', kept), watch('encrypted', tls)];
      for (const socket of slow) socket.write(head);
      const late = wait(LIMITS.headTime.value);
      const early = wait(LIMITS.headTime.value * 0.8).then(() => [...ends]);
      const sending = setInterval(() => {
        for (const socket of slow) if (socket.writable) socket.write('x: y\r\n');
      }, 200);
      await late.finally(() => clearInterval(sending));
      // What the server has sent is still on its way.
      await wait(500);
      const answered = ['encrypted', 'kept', 'silent', 'slow'].map((name) => `${name}: HTTP/1.1 408 `);
      expect(ends.sort()).to.deep.equal(answered);
      expect(await early).to.deep.equal([]);
    } finally {
      await encrypted.close();
    }
  });

  it('is no time limit for a call that is answered late, or an upload that lasts', () => {
    expect(server.app.server).to.include({ requestTimeout: 0, timeout: 0 });
  });

  it('is a time limit for a body that comes byte by byte; without a token the connection ends at once', async () => {
    const limited = await GuardedServer.open({ bodyMs: 300 });
    try {
      const token = await limited.token('operate');
      const auth = `authorization: Bearer ${token}\r\n`;
      for (const [header, length] of [
        [auth, 'content-length: 1000\r\n'],
        [auth, 'transfer-encoding: chunked\r\n'],
        ['', 'content-length: 1000\r\n'],
      ]) {
        const socket = await limited.connect();
        const head = `POST /api/v1/prunings HTTP/1.1\r\nhost: x\r\n${header}content-type: application/json\r\n${length}`;
        const began = performance.now();
        const [first, more] = length?.startsWith('transfer') ? ['1\r\n{\r\n', '1\r\n \r\n'] : ['{', ' '];
        socket.write(`${head}\r\n${first}`);
        const sending = setInterval(() => socket.write(more), 20);
        const answer = await readUntilClosed(socket).finally(() => clearInterval(sending));
        if (header !== '') expect(performance.now() - began, answer).to.be.above(250);
        // With a token it is closed without an answer.
        expect(answer.slice(0, 13)).to.equal(header === '' ? 'HTTP/1.1 401 ' : '');
      }
      expect(limited.calls).to.deep.equal([]);
      expect((await limited.call('/healthz')).status).to.equal(200);
    } finally {
      await limited.close();
    }
  });

  it('is no time limit for an upload that progresses, and the same one for an upload that does not', async () => {
    const limited = await GuardedServer.open({ bodyMs: 300 });
    try {
      const token = await limited.token('operate');
      const bytes = 40;
      const sha256 = createHash('sha256').update('x'.repeat(bytes)).digest('hex');
      const query = `key=data/x&size=${bytes}&sha256=${sha256}&ifAbsent=false`;
      const head = `PUT /api/v1/objects?${query} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer ${token}\r\n`;
      const upload = async (sent: number): Promise<{ readonly answer: string; readonly ms: number }> => {
        const socket = await limited.connect();
        const began = performance.now();
        socket.write(`${head}content-type: application/octet-stream\r\ncontent-length: ${bytes}\r\n\r\n`);
        let left = sent;
        const sending = setInterval(() => {
          if (left > 0) socket.write('x');
          left -= 1;
        }, 25);
        const answer = await readUntilClosed(socket).finally(() => clearInterval(sending));
        return { answer, ms: performance.now() - began };
      };
      const whole = await upload(bytes);
      expect([whole.answer.slice(0, 13), whole.ms > 900], whole.answer).to.deep.equal(['HTTP/1.1 200 ', true]);
      expect((await upload(3)).answer).to.equal('');
    } finally {
      await limited.close();
    }
  });

  it('is a number of connections per address: further ones are closed, and the others continue', async () => {
    // Opening all of them may take longer than headers may.
    server.app.server.headersTimeout = 0;
    const sockets: Socket[] = [];
    for (let n = 0; n < LIMITS.connectionsPerAddress.value; n += 1) sockets.push(await server.connect());
    const extra = createConnection({ host: '127.0.0.1', port: server.port }).on('error', () => {});
    // If it was accepted, it is answered and closed.
    extra.write('GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
    expect(await readUntilClosed(extra)).to.equal('');
    sockets[0]?.write('GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
    expect(await readUntilClosed(sockets[0] as Socket)).to.match(/^HTTP\/1.1 200 /);
    await until('there is room again', async () => (await server.call('/healthz').catch(() => null))?.status === 200);
  });

  it('is a number of connections in total, and half a minute for an idle connection', async () => {
    // Only an idle connection is to be closed.
    server.app.server.headersTimeout = 0;
    const { port } = server;
    const from = (n: number): Promise<Socket> =>
      new Promise((resolve) => {
        const socket = createConnection({ host: '127.0.0.1', port, localAddress: `127.0.2.${n}` });
        socket.on('error', () => {}).once('connect', () => resolve(socket));
      });
    const sockets: Socket[] = [];
    const addresses = LIMITS.connections.value / LIMITS.connectionsPerAddress.value;
    for (let n = 1; n <= addresses; n += 1)
      for (let count = 0; count < LIMITS.connectionsPerAddress.value; count += 1) sockets.push(await from(n));
    const [first] = sockets as [Socket];
    const extra = await from(addresses + 1);
    extra.write('GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
    expect(await readUntilClosed(extra)).to.equal('');
    const idle = LIMITS.idle.value;
    expect(server.app.server).to.include({ keepAliveTimeout: idle });
    // The limit is shortened, so that the test need not wait.
    server.app.server.keepAliveTimeout = idle / 100;
    const began = performance.now();
    first.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n');
    expect(await readUntilClosed(first)).to.match(/^HTTP\/1.1 200 /);
    expect(performance.now() - began).to.be.at.least(idle / 100 - 5);
    for (const socket of sockets) socket.destroy();
  });

  it('is 4 MiB for a command line and the parts of an upload; the error for larger ones says how to reduce them', async () => {
    const token = await server.token('submit');
    const answerOf = async (path: string, body: object, bytes: number): Promise<[number, string]> => {
      const answer = await server.post(path, token, JSON.stringify(body).padEnd(bytes));
      return [answer.status, await answer.text()];
    };
    const command = { name: 'status', input: { job: 'last' } };
    const parts = [{ number: 1, etag: 'x', sha256: '0'.repeat(64) }];
    const whole = { key: 'data/a.csv', upload: 'u', size: 1, parts };
    for (const [path, body, { value }] of [
      ['/api/v1/verbs', command, LIMITS.command],
      ['/api/v1/uploads/completions', whole, LIMITS.completion],
    ] as const) {
      expect((await answerOf(path, body, value))[0], path).to.not.equal(413);
      const [status, text] = await answerOf(path, body, value + 1);
      expect(status, path).to.equal(413);
      expect(text).to.include(path.endsWith('/verbs') ? 'batchctl upload DIR --to PREFIX' : 'move long lists');
    }
    const many = { ...command, input: { job: Array.from({ length: LIMITS.valuesInLargeBody.value }, () => 1) } };
    const [status, text] = await answerOf('/api/v1/verbs', many, LIMITS.command.value);
    expect([status, text.includes('batchctl upload DIR --to PREFIX')]).to.deep.equal([413, true]);
  });

  it('is a number of streams per token: one that ended makes room', async () => {
    server.run = runUntilStopped;
    const [token, other] = [await server.token('read'), await server.token('operate')];
    const watch = (held: string): Promise<Response> => server.command('watch', { job: 'last' }, held);
    const streams = await Promise.all(Array.from({ length: LIMITS.streamsPerToken.value }, () => watch(token)));
    expect(new Set(streams.map(({ status }) => status))).to.deep.equal(new Set([200]));
    const refused = await watch(token);
    expect(refused.status).to.equal(429);
    expect(refused.headers.get('retry-after')).to.equal('10');
    expect((await server.call('/api/v1/me', token)).status, 'a call that is no stream').to.equal(200);
    const another = await watch(other);
    expect(another.status).to.equal(200);
    for (const { body } of [...streams, another]) await body?.cancel();
    await until('there is room', async () => {
      const answer = await watch(token);
      await answer.body?.cancel();
      return answer.status === 200;
    });
  });

  it('is a number of open streams: those that ended beside an open one are not counted', async () => {
    server.run = runUntilStopped;
    const token = await server.token('read');
    const watch = (): Promise<Response> => server.command('watch', { job: 'last' }, token);
    const open = await watch();
    for (let n = 0; n < LIMITS.streamsPerToken.value + 10; n += 1) {
      const { status, body } = await watch();
      expect(status, `stream ${n}`).to.equal(200);
      await body?.cancel();
      await until('the verb has stopped', () => server.calls.at(-1)?.signal.aborted);
    }
    await open.body?.cancel();
  });

  for (const [what, header] of [
    ['a bad token', `authorization: Bearer ${BAD}\r\n`],
    ['no token', ''],
  ] as const)
    it(`is one call for a connection with ${what}: it is closed after the answer, and others sent ahead are not looked up`, async () => {
      const [reads, calls] = [countCalls(server, 'read'), 500];
      const socket = await server.connect();
      const before = reads();
      socket.write(`GET /api/v1/jobs HTTP/1.1\r\nhost: x\r\n${header}\r\n`.repeat(calls));
      const answers = (await readUntilClosed(socket)).split('HTTP/1.1 ').slice(1);
      expect(answers.length).to.be.at.most(1);
      expect(reads() - before).to.be.at.most(2);
      // One that waits for its answer learns why, and has to connect again.
      const polite = await server.connect();
      polite.write(`GET /api/v1/jobs HTTP/1.1\r\nhost: x\r\n${header}\r\n`);
      expect((await readUntilClosed(polite)).toLowerCase())
        .to.match(/^http\/1.1 401 /)
        .and.include('connection: close');
    });

  it('is not one call for a connection with a valid token, which stays open', async () => {
    const token = await server.token('read');
    const socket = await server.connect();
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    const asked = `GET /api/v1/jobs HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n\r\n`;
    for (let n = 1; n <= 3; n += 1) {
      socket.write(asked);
      await until(`answer ${n}`, () => text.split('HTTP/1.1 200 ').length === n + 1);
    }
    expect(text.toLowerCase()).not.to.include('connection: close');
  });

  it('is a number of calls in progress per token: the answer to the next says when to retry', async () => {
    const release = holdVerbs();
    const token = await server.token('read', 'one');
    const held = Array.from({ length: LIMITS.callsPerToken.value }, () => server.call('/api/v1/jobs', token));
    await until('all run', () => release.length === LIMITS.callsPerToken.value);
    const refused = await server.call('/api/v1/jobs', token);
    expect(refused.status).to.equal(429);
    expect(refused.headers.get('retry-after')).to.equal('2');
    for (const each of release.splice(0)) each();
    expect((await Promise.all(held)).every(({ status }) => status === 200)).to.equal(true);
  });

  it('is a number of plans and submissions in progress per token, by path and from command lines', async () => {
    const release = holdVerbs();
    const token = await server.token('operate', 'one');
    const plan = { spec: { name: 'a', steps: [{ name: 's', run: 'true' }] } };
    const held = Array.from({ length: LIMITS.cutsPerToken.value }, (_, n) => {
      const [way, name] = [n % 4, ['plan', 'submit', 'schedule run'][n % 3] ?? ''];
      if (way === 0) return server.post('/api/v1/plans', token, plan);
      if (way === 1) return server.post('/api/v1/jobs', token, plan);
      if (way === 2) return server.post('/api/v1/schedules/close/runs', token);
      return server.command(name, {}, token);
    });
    await until('all run', () => release.length === LIMITS.cutsPerToken.value);
    for (const refuse of [
      () => server.post('/api/v1/plans', token, plan),
      () => server.post('/api/v1/jobs', token, plan),
      () => server.command('submit', {}, token),
      () => server.command('schedule run', {}, token),
    ]) {
      const refused = await refuse();
      expect(refused.status).to.equal(429);
      expect(refused.headers.get('retry-after')).to.equal('5');
      expect((await errorOf(refused)).message).to.include('8 plans and submissions');
    }
    // Everything else goes on, and so do other callers.
    const others = [
      server.call('/api/v1/jobs', token),
      server.post('/api/v1/plans', await server.token('submit'), plan),
    ];
    await until('the others run', () => release.length === LIMITS.cutsPerToken.value + others.length);
    for (const each of release.splice(0)) each();
    for (const { status, body } of await Promise.all([...held, ...others])) {
      expect(status).to.equal(200);
      await body?.cancel();
    }
    const after = server.post('/api/v1/plans', token, plan);
    await until('it runs', () => release.length === 1);
    for (const each of release) each();
    expect((await after).status).to.equal(200);
  });

  it('is a number of plans in progress: those that ended beside an open stream are not counted', async () => {
    const token = await server.token('operate');
    server.run = runUntilStopped;
    const open = await server.command('watch', { job: 'last' }, token);
    server.run = async () => ({ answer: {}, exitCode: 0, error: null });
    const plan = { spec: { name: 'a', steps: [{ name: 's', run: 'true' }] } };
    for (let n = 0; n <= LIMITS.cutsPerToken.value; n += 1) {
      const { status, body } = await server.post('/api/v1/plans', token, plan);
      expect(status, `plan ${n}`).to.equal(200);
      await body?.cancel();
    }
    await open.body?.cancel();
  });

  it('is a number of calls in progress in total: then the manager says that it is busy', async () => {
    const release = holdVerbs();
    const { port } = server;
    /** Uses its own address, because one address may not hold that many connections. */
    const callFrom = (n: number, token: string): Promise<IncomingMessage> =>
      new Promise((resolve, reject) => {
        const headers = { authorization: `Bearer ${token}` };
        const options = { host: '127.0.0.1', port, localAddress: `127.0.1.${n}`, headers, agent: false };
        get({ ...options, path: '/api/v1/jobs' }, resolve).on('error', reject);
      });
    const held: Promise<IncomingMessage>[] = [];
    for (let n = 1; n <= LIMITS.calls.value / LIMITS.callsPerToken.value; n += 1) {
      const token = await server.token('read', `t${n}`);
      for (let call = 0; call < LIMITS.callsPerToken.value; call += 1) held.push(callFrom(n, token));
    }
    await until('all run', () => release.length === LIMITS.calls.value);
    const refused = await server.call('/api/v1/jobs', await server.token('read', 'last'));
    expect(refused.status).to.equal(503);
    expect(refused.headers.get('retry-after')).to.equal('2');
    for (const each of release) each();
    for (const answer of await Promise.all(held)) expect(answer.resume().statusCode).to.equal(200);
  });
});

/** Counts the calls of a function of the store from now on. */
function countCalls({ store }: GuardedServer, name: 'keys' | 'read'): () => number {
  let count = 0;
  const real: (...given: never[]) => unknown = store[name].bind(store);
  const counted = (...given: never[]): unknown => {
    count += 1;
    return real(...given);
  };
  Object.assign(store, { [name]: counted });
  return () => count;
}
