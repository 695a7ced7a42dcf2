// Protects: callers who disconnect early do not use up the manager's places.
import { expect } from 'chai';
import { LIMITS } from '../../../src/manager/http/limits.ts';
import { forEachTest } from '../../support/fixture.ts';
import { GuardedServer } from '../../support/manager/guarded-server.ts';
import { until } from '../../support/until.ts';

describe('callers who leave while their token is looked up', () => {
  const server = forEachTest(() => GuardedServer.open());

  it('free their connections, and stop the verbs that run for them', async () => {
    const token = await server.token('read');
    const release = holdReads(server);
    const head = `GET /api/v1/jobs HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n\r\n`;
    const sockets = await Promise.all(Array.from({ length: LIMITS.callsPerToken.value }, () => server.connect()));
    const heard = new Promise<void>((resolve) => {
      let left = sockets.length;
      server.app.server.on('request', () => {
        left -= 1;
        if (left === 0) resolve();
      });
    });
    for (const socket of sockets) socket.write(head);
    await heard;
    for (const socket of sockets) socket.destroy();
    await until('no connection is left', async () => (await connectionsOf(server)) === 0);
    release();
    expect((await server.call('/api/v1/jobs', token)).status).to.equal(200);
    const unheard = server.calls.slice(0, -1).filter(({ signal }) => !signal.aborted);
    expect(unheard).to.deep.equal([]);
  });
});

/** From now on the store answers no read until it is released. */
function holdReads(server: GuardedServer): () => void {
  const read = server.store.read.bind(server.store);
  let release = (): void => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  server.store.read = async (...asked) => {
    await released;
    return read(...asked);
  };
  return release;
}

const connectionsOf = (server: GuardedServer): Promise<number> =>
  new Promise((resolve, reject) => {
    server.app.server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
  });
