// Protects: callers who disconnect early do not use up the manager's places.
import { expect } from 'chai';
import { BOUNDS } from '../../src/manager/http/limits.ts';
import { GuardDesk } from '../support/manager/guard-desk.ts';
import { until } from '../support/until.ts';

describe('callers who leave while their token is looked up', () => {
  let desk: GuardDesk;
  afterEach(() => desk.close());

  it('free their places, and the verbs that run for them are stopped', async () => {
    desk = await GuardDesk.open();
    const token = await desk.token('read');
    const release = holdReads(desk);
    const head = `GET /api/v1/jobs HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n\r\n`;
    const sockets = await Promise.all(Array.from({ length: BOUNDS.callsOfOne.value }, () => desk.connect()));
    const heard = new Promise<void>((resolve) => {
      let left = sockets.length;
      desk.app.server.on('request', () => {
        left -= 1;
        if (left === 0) resolve();
      });
    });
    for (const socket of sockets) socket.write(head);
    await heard;
    for (const socket of sockets) socket.destroy();
    await until('no connection is left', async () => (await connectionsOf(desk)) === 0);
    release();
    expect((await desk.call('/api/v1/jobs', token)).status).to.equal(200);
    const unheard = desk.calls.slice(0, -1).filter(({ signal }) => !signal.aborted);
    expect(unheard).to.deep.equal([]);
  });
});

/** From now on the store answers no read before it is released. */
function holdReads(desk: GuardDesk): () => void {
  const read = desk.store.read.bind(desk.store);
  let release = (): void => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  desk.store.read = async (...asked) => {
    await released;
    return read(...asked);
  };
  return release;
}

const connectionsOf = (desk: GuardDesk): Promise<number> =>
  new Promise((resolve, reject) => {
    desk.app.server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
  });
