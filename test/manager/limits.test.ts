import { readFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { createConnection, type Socket } from 'node:net';
import { expect } from 'chai';
import * as fc from 'fast-check';
import { BOUNDS } from '../../src/manager/http/bounds.ts';
import { FailedTries, networkOf } from '../../src/manager/http/failed-tries.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { GuardDesk, saidBy } from '../support/manager/guard-desk.ts';
import { until } from '../support/until.ts';

const BAD = `bct_${'A'.repeat(43)}`;

describe('what a caller can hold of the manager', function () {
  this.timeout(60_000);
  let desk: GuardDesk;
  const open = async (...options: Parameters<typeof GuardDesk.open>): Promise<void> => {
    desk = await GuardDesk.open(...options);
  };
  afterEach(() => desk.close());

  const statuses = async (count: number, call: () => Promise<Response>): Promise<Map<number, number>> => {
    const found = new Map<number, number>();
    for (let left = count; left > 0; left -= 50) {
      const answers = await Promise.all(Array.from({ length: Math.min(50, left) }, call));
      for (const answer of answers) {
        found.set(answer.status, (found.get(answer.status) ?? 0) + 1);
        await answer.body?.cancel();
      }
    }
    return found;
  };

  it('is five tries with bad tokens, then a wait that doubles; who has a token already is not kept out', async () => {
    await open();
    const good = await desk.token('read');
    expect((await desk.call('/api/v1/jobs', good)).status).to.equal(200);
    for (let n = 0; n < BOUNDS.tries.value; n += 1) expect((await desk.call('/api/v1/jobs', BAD)).status).to.equal(401);
    const reads = countReads(desk);
    const refused = await desk.call('/api/v1/jobs', BAD);
    expect(refused.status).to.equal(429);
    expect(refused.headers.get('retry-after')).to.equal('1');
    expect(((await refused.json()) as { error: { kind: string } }).error.kind).to.equal('unavailable');
    expect(reads()).to.equal(0);
    expect((await desk.call('/api/v1/jobs', good)).status).to.equal(200);
    desk.clock.pass(1);
    expect((await desk.call('/api/v1/jobs', BAD)).status).to.equal(401);
    expect((await desk.call('/api/v1/jobs', BAD)).headers.get('retry-after')).to.equal('2');
    for (let n = 0; n < 20; n += 1) {
      desk.clock.pass(60);
      expect((await desk.call('/api/v1/jobs', BAD)).status).to.equal(401);
    }
    expect((await desk.call('/api/v1/jobs', BAD)).headers.get('retry-after')).to.equal('60');
    expect((await desk.call('/healthz')).status).to.equal(200);
    desk.clock.pass(601);
    expect((await desk.call('/api/v1/jobs', await desk.token('submit'))).status).to.equal(200);
  });

  it('is a body of 1 MiB of JSON, and a head of 16 KiB', async () => {
    await open();
    const token = await desk.token('operate');
    const post = (text: string): Promise<Response> =>
      desk.call('/api/v1/prunings', token, {
        method: 'POST',
        body: text,
        headers: { 'content-type': 'application/json' },
      });
    expect((await post(`{"olderThan":"1d"${' '.repeat(2 ** 20 - 100)}}`)).status).to.equal(200);
    const large = await post(`{"olderThan":"1d"${' '.repeat(2 ** 20)}}`);
    expect(large.status).to.equal(413);
    expect(((await large.json()) as { error: { kind: string } }).error.kind).to.equal('usage');
    const socket = await desk.connect();
    socket.write(`GET /healthz HTTP/1.1\r\nhost: x\r\nx-long: ${'x'.repeat(BOUNDS.head.value)}\r\n\r\n`);
    const said = await saidBy(socket);
    expect(said).to.match(/^HTTP\/1.1 431 /);
    expect(JSON.parse(said.slice(said.indexOf('\r\n\r\n')))).to.have.nested.property('error.kind', 'usage');
    const url = await desk.connect();
    url.write(`GET /healthz?${'x'.repeat(BOUNDS.head.value)} HTTP/1.1\r\nhost: x\r\n\r\n`);
    expect(await saidBy(url)).to.match(/^HTTP\/1.1 431 /);
    expect((await desk.call(`/api/v1/jobs/${'x'.repeat(BOUNDS.parameter.value + 1)}`, token)).status).to.equal(414);
    expect((await desk.call('/healthz')).status).to.equal(200);
  });

  it('is ten seconds for a head that comes byte by byte', async () => {
    await open();
    const socket = await desk.connect();
    socket.write('GET /healthz HTTP/1.1\r\nhost: x\r\n');
    const began = performance.now();
    const dribble = setInterval(() => socket.write('x: y\r\n'), 200);
    try {
      expect(await saidBy(socket)).to.match(/^HTTP\/1.1 408 /);
    } finally {
      clearInterval(dribble);
    }
    expect(performance.now() - began).to.be.within(BOUNDS.headTime.value - 1_000, BOUNDS.headTime.value + 10_000);
  });

  it('is as long for a body that comes byte by byte, of who is known and of who is not', async () => {
    await open({ bodyMs: 300 });
    const token = await desk.token('operate');
    for (const who of [`authorization: Bearer ${token}\r\n`, '']) {
      const socket = await desk.connect();
      const head = `POST /api/v1/prunings HTTP/1.1\r\nhost: x\r\n${who}content-type: application/json\r\n`;
      const began = performance.now();
      socket.write(`${head}content-length: 1000\r\n\r\n{`);
      const dribble = setInterval(() => socket.write(' '), 20);
      const said = await saidBy(socket);
      clearInterval(dribble);
      expect(performance.now() - began, said).to.be.above(250);
      expect(said.includes('401'), said).to.equal(who === '');
    }
    expect(desk.calls).to.deep.equal([]);
    expect((await desk.call('/healthz')).status).to.equal(200);
  });

  it('is so many connections of an address: more are closed, and the others go on', async () => {
    await open();
    const sockets: Socket[] = [];
    for (let n = 0; n < BOUNDS.connectionsOfOne.value; n += 1) sockets.push(await desk.connect());
    const extra = createConnection({ host: '127.0.0.1', port: desk.port }).on('error', () => {});
    expect(await saidBy(extra)).to.equal('');
    sockets[0]?.write('GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
    expect(await saidBy(sockets[0] as Socket)).to.match(/^HTTP\/1.1 200 /);
    await until('there is room again', async () => (await desk.call('/healthz').catch(() => null))?.status === 200);
  });

  it('is so many calls of a token in ten seconds, whatever other tokens ask', async () => {
    await open();
    const [busy, other] = [await desk.token('read', 'busy'), await desk.token('read', 'other')];
    const found = await statuses(BOUNDS.rate.value + 100, () => desk.call('/api/v1/jobs', busy));
    expect(found.get(200)).to.be.at.least(BOUNDS.rate.value);
    expect(found.get(429)).to.be.above(0);
    const refused = await desk.call('/api/v1/jobs', busy);
    expect(refused.status).to.equal(429);
    expect(Number(refused.headers.get('retry-after'))).to.be.within(1, 10);
    expect((await desk.call('/api/v1/jobs', other)).status).to.equal(200);
    expect((await desk.call('/healthz')).status).to.equal(200);
  });

  it('is so many streams of a token; those that end make room', async () => {
    await open({
      run: ({ signal, out }) =>
        new Promise((resolve) => {
          out.write('as it goes\n');
          signal.addEventListener('abort', () => resolve({ exitCode: 130, error: null }));
        }),
    });
    const [token, other] = [await desk.token('read'), await desk.token('operate')];
    const watch = (held: string): Promise<Response> => desk.command('watch', { job: 'last' }, held);
    const streams = await Promise.all(Array.from({ length: BOUNDS.streamsOfOne.value }, () => watch(token)));
    expect(new Set(streams.map(({ status }) => status))).to.deep.equal(new Set([200]));
    const refused = await watch(token);
    expect(refused.status).to.equal(429);
    expect(refused.headers.get('retry-after')).to.equal('10');
    const another = await watch(other);
    expect(another.status).to.equal(200);
    for (const { body } of [...streams, another]) await body?.cancel();
    await until('there is room', async () => {
      const answer = await watch(token);
      await answer.body?.cancel();
      return answer.status === 200;
    });
  });

  it('is so many calls in progress of a token: the next is told to come again', async () => {
    let release: (() => void)[] = [];
    await open({
      run: ({ out }) =>
        new Promise((resolve) => {
          release.push(() => {
            out.write('{}\n');
            resolve({ exitCode: 0, error: null });
          });
        }),
    });
    const token = await desk.token('read', 'one');
    const held = Array.from({ length: BOUNDS.callsOfOne.value }, () => desk.call('/api/v1/jobs', token));
    await until('all run', () => release.length === BOUNDS.callsOfOne.value);
    const refused = await desk.call('/api/v1/jobs', token);
    expect(refused.status).to.equal(429);
    expect(refused.headers.get('retry-after')).to.equal('2');
    const last = release;
    release = [];
    for (const each of last) each();
    expect((await Promise.all(held)).every(({ status }) => status === 200)).to.equal(true);
  });

  it('is so many calls in progress of all together: then the manager says that it is busy', async () => {
    const release: (() => void)[] = [];
    await open({
      run: ({ out }) =>
        new Promise((resolve) => {
          release.push(() => {
            out.write('{}\n');
            resolve({ exitCode: 0, error: null });
          });
        }),
    });
    const { port } = desk;
    /** From an address of its own: one may not hold so many connections. */
    const callFrom = (n: number, token: string): Promise<IncomingMessage> =>
      new Promise((resolve, reject) => {
        const headers = { authorization: `Bearer ${token}` };
        get(
          { host: '127.0.0.1', port, path: '/api/v1/jobs', localAddress: `127.0.1.${n}`, headers, agent: false },
          resolve,
        ).on('error', reject);
      });
    const held: Promise<IncomingMessage>[] = [];
    for (let n = 1; n <= BOUNDS.calls.value / BOUNDS.callsOfOne.value; n += 1) {
      const token = await desk.token('read', `t${n}`);
      for (let call = 0; call < BOUNDS.callsOfOne.value; call += 1) held.push(callFrom(n, token));
    }
    await until('all run', () => release.length === BOUNDS.calls.value);
    const refused = await desk.call('/api/v1/jobs', await desk.token('read', 'last'));
    expect(refused.status).to.equal(503);
    expect(refused.headers.get('retry-after')).to.equal('2');
    for (const each of release) each();
    for (const answer of await Promise.all(held)) expect(answer.resume().statusCode).to.equal(200);
  });
});

describe('failed tries', () => {
  it('are counted for ten thousand addresses at most, the latest', () => {
    const clock = new FakeClock();
    const tries = new FailedTries(clock);
    for (let n = 0; n < BOUNDS.tries.value; n += 1) tries.failed('192.0.2.1');
    expect(tries.waitOf('192.0.2.1')).to.equal(1_000);
    for (let n = 0; n < BOUNDS.addresses.value; n += 1) tries.failed(`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`);
    expect(tries.waitOf('192.0.2.1')).to.equal(0);
  });

  it('are those of a network, where whoever has an address has it all', () => {
    expect(networkOf('2001:db8::1')).to.equal('2001:db8:0:0::/64');
    expect(networkOf('2001:db8:0:0:ffff:1:2:3')).to.equal('2001:db8:0:0::/64');
    expect(networkOf('2001:DB8:0000:0000:1::')).to.equal('2001:db8:0:0::/64');
    expect(networkOf('2001:db8:0:1::1')).to.equal('2001:db8:0:1::/64');
    expect(networkOf('::1')).to.equal('0:0:0:0::/64');
    expect(networkOf('fe80::1%eth0')).to.equal('fe80:0:0:0::/64');
    expect(networkOf('::ffff:192.0.2.1')).to.equal('192.0.2.1');
    expect(networkOf('192.0.2.1')).to.equal('192.0.2.1');
    for (const address of fc.sample(fc.ipV6(), 200)) expect(networkOf(address)).to.match(/^[0-9a-f:.]+(::\/64)?$/);
  });
});

describe('the bounds in docs/security.md', () => {
  const doc = readFileSync(new URL('../../docs/security.md', import.meta.url), 'utf8');
  const shown = (value: number, unit: string): string => {
    if (unit === 'ms') return `${value / 1_000} s`;
    if (unit === 'bytes')
      return value >= 2 ** 20 ? `${(value / 2 ** 20).toLocaleString('en')} MiB` : `${value / 1_024} KiB`;
    return value.toLocaleString('en');
  };

  for (const { what, value, unit, answer, why } of Object.values(BOUNDS)) {
    it(`are those that are kept: ${what}`, () => {
      expect(doc).to.include(`| ${what} | ${shown(value, unit)} | ${answer} | ${why} |`);
    });
  }
});

/** How often the store was read since. */
function countReads({ store }: GuardDesk): () => number {
  let count = 0;
  const { read } = store;
  store.read = (...given) => {
    count += 1;
    return read.apply(store, given);
  };
  return () => count;
}
