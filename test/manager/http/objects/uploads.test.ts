// Protects: uploads through the manager never fill its disk, and a broken upload frees its space.
import type { Socket } from 'node:net';
import { expect } from 'chai';
import * as fc from 'fast-check';
import { Refusal } from '../../../../src/manager/http/error-answers.ts';
import { LIMITS } from '../../../../src/manager/http/limits.ts';
import { StagingSpace } from '../../../../src/manager/http/objects/uploads.ts';
import { forEachTest } from '../../../support/fixture.ts';
import { GuardedServer } from '../../../support/manager/guarded-server.ts';
import { until } from '../../../support/until.ts';

const SHA = 'a'.repeat(64);
const LARGEST = 256 * 2 ** 20;

describe('the space for uploads that pass through a manager', () => {
  const server = forEachTest(() => GuardedServer.open());

  it('never exceeds its limits per caller and in total, and is freed after use', () => {
    const token = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
    void fc.assert(
      fc.property(fc.array(fc.tuple(token, fc.integer({ min: 0, max: LARGEST }), fc.boolean())), (steps) => {
        const space = new StagingSpace();
        const held: { token: string; bytes: number; leave: () => void }[] = [];
        const sum = (uploads: typeof held): number => uploads.reduce((total, { bytes }) => total + bytes, 0);
        for (const [caller, bytes, isLeaving] of steps) {
          if (isLeaving) {
            const first = held.shift();
            // The second call changes nothing.
            first?.leave();
            first?.leave();
          }
          const own = sum(held.filter((each) => each.token === caller));
          const isRoom = own + bytes <= LIMITS.stagedPerToken.value && sum(held) + bytes <= LIMITS.staged.value;
          if (isRoom) held.push({ token: caller, bytes, leave: space.take(caller, bytes) });
          else expect(() => space.take(caller, bytes)).to.throw('too many requests');
        }
      }),
    );
  });

  it('is full for all callers at its limit, to the byte, until one leaves', () => {
    const space = new StagingSpace();
    const each = LIMITS.stagedPerToken.value;
    const callers = Array.from({ length: LIMITS.staged.value / each }, (_, n) => `caller-${n}`);
    const [leave] = callers.map((caller) => space.take(caller, each));
    const refusal = (caller: string): unknown => {
      try {
        space.take(caller, 1)();
        return null;
      } catch (error) {
        return error instanceof Refusal ? error.statusCode : error;
      }
    };
    expect([refusal('another'), refusal('caller-0')]).to.deep.equal([503, 429]);
    leave?.();
    expect([refusal('another'), refusal('caller-1')]).to.deep.equal([null, 429]);
  });

  it('is freed when a caller breaks off, and the rejection says when to retry', async () => {
    const [token, other] = [await server.token('submit', 'one'), await server.token('submit', 'other')];
    const path = `/api/v1/objects?key=code/${SHA}.tar.gz&size=${LARGEST}&sha256=${SHA}`;
    const beginUpload = async (held: string): Promise<Socket> => {
      const socket = await server.connect();
      const head = ['Host: x', `Authorization: Bearer ${held}`, 'Content-Type: application/octet-stream'];
      socket.write(`PUT ${path} HTTP/1.1\r\n${head.join('\r\n')}\r\nContent-Length: ${LARGEST}\r\n\r\nx`);
      return socket;
    };
    const upload = (held: string): Promise<Response> =>
      server.call(path, held, { method: 'PUT', body: 'x', headers: { 'content-type': 'application/octet-stream' } });
    const [first] = [await beginUpload(token), await beginUpload(token)];
    await until('the space of the token is taken', async () => (await upload(token)).status === 429);
    const refused = await upload(token);
    expect([refused.status, refused.headers.get('retry-after')]).to.deep.equal([429, '10']);
    // It was accepted, but its byte is not an archive.
    expect((await upload(other)).status).to.equal(422);
    first?.destroy();
    await until('there is space again', async () => (await upload(token)).status === 422);
  });
});
