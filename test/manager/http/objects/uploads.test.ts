// Protects: uploads through the manager never fill its disk, and a broken upload frees its space.
import type { Socket } from 'node:net';
import { expect } from 'chai';
import * as fc from 'fast-check';
import { LIMITS } from '../../../../src/manager/http/limits.ts';
import { StagingSpace } from '../../../../src/manager/http/objects/uploads.ts';
import { GuardedServer } from '../../../support/manager/guarded-server.ts';
import { until } from '../../../support/until.ts';

const SHA = 'a'.repeat(64);
const LARGEST = 256 * 2 ** 20;

describe('the space for uploads that pass through a manager', () => {
  it('never exceeds its limits per caller and in total, and is freed after use', () => {
    const token = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
    void fc.assert(
      fc.property(fc.array(fc.tuple(token, fc.integer({ min: 0, max: LARGEST }), fc.boolean())), (steps) => {
        const room = new StagingSpace();
        const held: { token: string; bytes: number; leave: () => void }[] = [];
        const sum = (of?: string): number =>
          held.reduce((all, each) => (of === undefined || each.token === of ? all + each.bytes : all), 0);
        for (const [of, bytes, leaves] of steps) {
          if (leaves) {
            const [first] = held.splice(0, 1);
            // Freeing twice is the same as once.
            first?.leave();
            first?.leave();
          }
          const isRoom = sum(of) + bytes <= LIMITS.stagedPerToken.value && sum() + bytes <= LIMITS.staged.value;
          if (isRoom) held.push({ token: of, bytes, leave: room.take(of, bytes) });
          else expect(() => room.take(of, bytes)).to.throw('too many requests');
        }
      }),
    );
  });

  it('is freed when a caller breaks off, and the rejection says when to come again', async () => {
    const server = await GuardedServer.open();
    try {
      const [token, other] = [await server.token('submit', 'one'), await server.token('submit', 'other')];
      const path = `/api/v1/objects?key=code/${SHA}.tar.gz&size=${LARGEST}&sha256=${SHA}`;
      const hold = async (held: string): Promise<Socket> => {
        const socket = await server.connect();
        const head = ['Host: x', `Authorization: Bearer ${held}`, 'Content-Type: application/octet-stream'];
        socket.write(`PUT ${path} HTTP/1.1\r\n${head.join('\r\n')}\r\nContent-Length: ${LARGEST}\r\n\r\nx`);
        return socket;
      };
      const ask = (held: string): Promise<Response> =>
        server.call(path, held, { method: 'PUT', body: 'x', headers: { 'content-type': 'application/octet-stream' } });
      const [first] = [await hold(token), await hold(token)];
      await until('its share is taken', async () => (await ask(token)).status === 429);
      const refused = await ask(token);
      expect([refused.status, refused.headers.get('retry-after')]).to.deep.equal([429, '10']);
      // One byte of many declared: it was accepted, and is not an archive.
      expect((await ask(other)).status).to.equal(422);
      first?.destroy();
      await until('there is room again', async () => (await ask(token)).status === 422);
    } finally {
      await server.close();
    }
  });
});
