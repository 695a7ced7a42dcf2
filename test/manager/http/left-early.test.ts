// Protects: callers who disconnect early do not use up the manager's limits.
import { expect } from 'chai';
import { Gate } from '../../../src/lib/wait.ts';
import { LIMITS } from '../../../src/manager/http/limits.ts';
import { forEachTest } from '../../support/fixture.ts';
import { GuardedServer, readUntilClosed, runUntilStopped } from '../../support/manager/guarded-server.ts';
import { until } from '../../support/until.ts';

describe('callers who leave while their token is looked up', () => {
  const server = forEachTest(() => GuardedServer.open());

  it('free their connections, and stop the verbs that run for them', async () => {
    const token = await server.token('read');
    const release = holdReads(server);
    const head = `GET /api/v1/jobs HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n\r\n`;
    const sockets = await Promise.all(Array.from({ length: LIMITS.callsPerToken.value }, () => server.connect()));
    let requests = 0;
    server.app.server.on('request', () => {
      requests += 1;
    });
    for (const socket of sockets) socket.write(head);
    await until('all requests have arrived', () => requests === sockets.length);
    for (const socket of sockets) socket.destroy();
    await until('no connection is left', async () => (await connectionsOf(server)) === 0);
    release();
    expect((await server.call('/api/v1/jobs', token)).status).to.equal(200);
    const running = server.calls.slice(0, -1).filter(({ signal }) => !signal.aborted);
    expect(running).to.deep.equal([]);
  });

  it('are not counted as submissions in progress, while another call of their token goes on', async () => {
    const token = await server.token('operate');
    server.run = runUntilStopped;
    const open = await server.command('watch', { job: 'last' }, token);
    server.run = async () => ({ answer: {}, exitCode: 0, error: null });
    const release = holdReads(server);
    // The token is looked up again.
    server.clock.pass(60);
    const head = `POST /api/v1/schedules/close/runs HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\ncontent-length: 0\r\n\r\n`;
    const sockets = await Promise.all(Array.from({ length: LIMITS.cutsPerToken.value }, () => server.connect()));
    let requests = 0;
    server.app.server.on('request', () => {
      requests += 1;
    });
    for (const socket of sockets) socket.write(head);
    await until('all requests have arrived', () => requests === sockets.length);
    for (const socket of sockets) socket.destroy();
    await until('only the open call is left', async () => (await connectionsOf(server)) === 1);
    release();
    const runs = () => server.calls.filter(({ name }) => name === 'schedule run');
    await until('their verbs were called', () => runs().length === sockets.length);
    const { status, body } = await server.post('/api/v1/schedules/close/runs', token);
    expect(status).to.equal(200);
    await body?.cancel();
    await open.body?.cancel();
  });
});

describe('an upload while its token is looked up', () => {
  it('has the same time as any other body, although it progresses: its caller is not known', async () => {
    const server = await GuardedServer.open({ bodyMs: 300 });
    try {
      const token = await server.token('operate');
      const release = holdReads(server);
      const socket = await server.connect();
      const query = `key=data/x&size=1000&sha256=${'0'.repeat(64)}&ifAbsent=false`;
      const head = `PUT /api/v1/objects?${query} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n`;
      socket.write(`${head}content-type: application/octet-stream\r\ncontent-length: 1000\r\n\r\n`);
      const sending = setInterval(() => socket.write('x'), 20);
      expect(await readUntilClosed(socket).finally(() => clearInterval(sending))).to.equal('');
      release();
    } finally {
      await server.close();
    }
  });
});

/** From now on the store answers no read until the returned function is called. */
function holdReads({ store }: GuardedServer): () => void {
  const read = store.read.bind(store);
  const gate = new Gate();
  const released = gate.next();
  store.read = async (...input) => {
    await released;
    return read(...input);
  };
  return () => gate.open();
}

const connectionsOf = (server: GuardedServer): Promise<number> =>
  new Promise((resolve, reject) => {
    server.app.server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
  });
