// Protects: answers to a client of an unsupported version name the version it needs, and its calls are never misread.
import { expect } from 'chai';
import { VERSION } from '../../../src/lib/version.ts';
import { isVersionCompatible, releaseLineOf } from '../../../src/model/api.ts';
import { forSuite } from '../../support/fixture.ts';
import { errorOf, GuardedServer } from '../../support/manager/guarded-server.ts';

describe('the versions that a manager serves', () => {
  const table: [own: string, other: string, served: boolean][] = [
    ['0.1.0', '0.1.0', true],
    ['0.1.0', '0.1.9', true],
    ['0.1.0', '0.1.0-rc.1', true],
    ['0.1.0', '0.2.0', false],
    ['0.2.0', '0.1.0', false],
    ['0.9.0', '1.0.0', false],
    ['1.0.0', '1.9.3', true],
    ['1.4.0', '1.0.0', true],
    ['1.0.0', '2.0.0', false],
    ['10.0.0', '1.0.0', false],
    ['0.10.0', '0.1.0', false],
    ['0.1.0', '', false],
    ['0.1.0', '0.1', false],
    ['0.1.0', 'latest', false],
    ['0.1.0', '0.1.0\n', false],
    ['0.1.0', ' 0.1.0', false],
    ['0.1.0', `0.1.0-${'x'.repeat(65)}`, false],
    ['0.1.0', `0.1.${'9'.repeat(1_000)}`, false],
    ['rubbish', 'rubbish', false],
  ];
  for (const [own, other, served] of table) {
    it(`are those that understand it: ${own} and ${JSON.stringify(other.slice(0, 20))}`, () => {
      expect(isVersionCompatible(own, other)).to.equal(served);
    });
  }

  describe('are announced', () => {
    const server = forSuite(() => GuardedServer.open());

    it('with every answer, including errors', async () => {
      const token = await server.token('read');
      for (const path of ['/healthz', '/api/v1/jobs', '/api/v1/nothing', '/nothing'])
        for (const held of [null, token])
          expect((await server.call(path, held)).headers.get('x-batchctl-version'), path).to.equal(VERSION);
    });

    it('to a caller of another version, with the version it needs, before any token is checked', async () => {
      const answer = await server.call('/api/v1/jobs', null, { headers: { 'x-batchctl-version': '99.0.0' } });
      expect(answer.status).to.equal(426);
      expect(answer.headers.get('upgrade')).to.equal(`batchctl/${VERSION}`);
      const error = await errorOf(answer);
      expect(error.kind).to.equal('config');
      expect(error.message)
        .to.include(VERSION)
        .and.include(`${releaseLineOf(VERSION)}.x`)
        .and.include('99.0.0');
    });

    it('to a caller whose version is long, of which it repeats sixty characters', async () => {
      const answer = await server.call('/api/v1/jobs', null, {
        headers: { 'x-batchctl-version': `9${'0'.repeat(80)}` },
      });
      expect((await errorOf(answer)).message).to.match(/, not 90{59}$/);
    });

    it('while a caller of this version, or of none, is served', async () => {
      const token = await server.token('submit');
      expect((await server.call('/api/v1/jobs', token)).status).to.equal(200);
      const headers = { 'x-batchctl-version': VERSION };
      expect((await server.call('/api/v1/jobs', token, { headers })).status).to.equal(200);
    });
  });
});
