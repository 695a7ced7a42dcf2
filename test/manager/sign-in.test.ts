// Protects: the code of a sign-in link admits one browser of this machine, once, for minutes, and is never logged.
import { expect } from 'chai';
import { listTokens } from '../../src/jobs/tokens.ts';
import { CODE_SECONDS, SESSION_SECONDS } from '../../src/manager/http/sign-in.ts';
import { forEachTest } from '../support/fixture.ts';
import { GuardedServer } from '../support/manager/guarded-server.ts';

describe('the code of a sign-in link', () => {
  const server = forEachTest(() => GuardedServer.open({ hasLink: true }));

  const signIn = (code: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
    server.call('/sign-in', null, { method: 'POST', headers: { authorization: `Code ${code}`, ...headers } });
  const names = async (): Promise<readonly (string | undefined)[]> =>
    (await listTokens(server.store, () => {})).map(({ token }) => token?.name);

  it('is exchanged once for a token that may operate, for half a day', async () => {
    const code = server.signIn.createCode();
    expect(code).to.match(/^[A-Za-z0-9_-]{43}$/);
    const answer = await signIn(code);
    expect([answer.status, answer.headers.get('cache-control')]).to.deep.equal([200, 'no-store']);
    const { token } = (await answer.json()) as { readonly token: string };
    const me = await server.call('/api/v1/me', token);
    expect(await me.json()).to.deep.include({ scope: 'operate' });
    expect((await signIn(code)).status).to.equal(401);
    expect(await names()).to.have.length(1);
    server.clock.pass(SESSION_SECONDS + 1);
    expect((await server.call('/api/v1/me', token)).status).to.equal(401);
    expect((await signIn(server.signIn.createCode())).status).to.equal(200);
    expect(await names(), 'the expired token is removed').to.have.length(1);
  });

  it('is valid for five minutes, and its token for twelve hours, which end no other session and remove no other token', async () => {
    expect([CODE_SECONDS, SESSION_SECONDS]).to.deep.equal([300, 43_200]);
    const session = async (): Promise<string> => {
      const answer = (await (await signIn(server.signIn.createCode())).json()) as { readonly token: string };
      return answer.token;
    };
    const statusOf = async (token: string) => (await server.call('/api/v1/me', token)).status;
    await server.token('read', 'ended', 60);
    const first = await session();
    server.clock.pass(SESSION_SECONDS / 2);
    const second = await session();
    expect([await statusOf(first), await statusOf(second)]).to.deep.equal([200, 200]);
    expect(await names(), 'an expired token with a name is still listed').to.include('ended');
  });

  it('admits one of two browsers that open the link at once', async () => {
    const code = server.signIn.createCode();
    const answers = await Promise.all([1, 2, 3].map(() => signIn(code)));
    expect(answers.map(({ status }) => status).sort()).to.deep.equal([200, 401, 401]);
    expect(await names()).to.have.length(1);
  });

  it('is refused when it is wrong, late, replaced or in the URL, and a wrong code does not use up the right one', async () => {
    expect((await signIn('x'.repeat(43))).status).to.equal(401);
    const first = server.signIn.createCode();
    const code = server.signIn.createCode();
    for (const wrong of [first, `${code}x`, code.slice(1), '', 'é', 'x'.repeat(5_000)]) {
      expect((await signIn(encodeURIComponent(wrong))).status, wrong).to.equal(401);
    }
    const inUrl = await server.call(`/sign-in?code=${code}`, null, { method: 'POST' });
    expect(inUrl.status).to.equal(401);
    expect((await signIn(code)).status).to.equal(200);
    const late = server.signIn.createCode();
    server.clock.pass(CODE_SECONDS + 1);
    expect((await signIn(late)).status).to.equal(401);
    expect(await names()).to.have.length(1);
  });

  it('works on this machine only, and not through a proxy', async () => {
    const code = server.signIn.createCode();
    for (const headers of [{ 'x-forwarded-for': '203.0.113.9' }, { forwarded: 'for=203.0.113.9' }]) {
      const answer = await signIn(code, headers);
      expect(answer.status).to.equal(401);
      expect(await answer.text()).to.include("works on the manager's machine only");
    }
    for (const remoteAddress of ['203.0.113.9', '::ffff:203.0.113.9', '10.0.0.7', '2001:db8::1']) {
      const headers = { authorization: `Code ${code}` };
      const answer = await server.app.inject({ method: 'POST', url: '/sign-in', remoteAddress, headers });
      expect(answer.statusCode, remoteAddress).to.equal(401);
    }
    expect((await signIn(code)).status).to.equal(200);
  });

  it('is never in the audit log, which records each use', async () => {
    const code = server.signIn.createCode();
    await signIn(code);
    await signIn(code);
    expect(server.audit.map(({ verb, status }) => [verb, status])).to.deep.equal([
      ['POST /sign-in', 200],
      ['POST /sign-in', 401],
    ]);
    expect(JSON.stringify(server.audit)).to.not.include(code);
    expect(JSON.stringify(server.audit)).to.not.include('bct_');
  });

  it('stays usable when no token could be created', async () => {
    const code = server.signIn.createCode();
    const put = (): Promise<never> => Promise.reject(new Error('no room'));
    Object.assign(server.store, { put });
    expect((await signIn(code)).status).to.equal(500);
    Reflect.deleteProperty(server.store, 'put');
    expect((await signIn(code)).status).to.equal(200);
  });

  it('has no route where there is no terminal', async () => {
    const without = await GuardedServer.open();
    try {
      expect((await without.call('/sign-in', null, { method: 'POST' })).status).to.equal(404);
    } finally {
      await without.close();
    }
  });
});
