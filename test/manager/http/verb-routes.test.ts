// Protects: an answer of the API is one JSON document, also of a verb that has nothing to answer.
import { expect } from 'chai';
import { forEachTest } from '../../support/fixture.ts';
import { GuardedServer } from '../../support/manager/guarded-server.ts';

describe("the body of the API's answer", () => {
  const server = forEachTest(() => GuardedServer.open());
  const plan = { spec: { name: 'a', steps: [{ name: 's', run: 'true' }] } };

  for (const [what, answer, body] of [
    ['null if there is none', undefined, 'null'],
    ['the answer itself', { a: 1 }, '{"a":1}'],
  ] as const) {
    it(`is ${what}`, async () => {
      server.run = async () => ({ answer, exitCode: 0, error: null });
      const answered = await server.post('/api/v1/plans', await server.token('operate'), plan);
      expect([answered.status, await answered.text()]).to.deep.equal([200, body]);
    });
  }

  it('is a page of a list, also of an empty one', async () => {
    server.run = async () => ({ answer: undefined, exitCode: 0, error: null, next: 'b' });
    const answered = await server.call('/api/v1/jobs', await server.token('read'));
    expect([answered.status, await answered.text()]).to.deep.equal([200, '{"items":[],"next":"b"}']);
  });
});
