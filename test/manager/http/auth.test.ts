// Protects: no one calls the manager without a valid token, or does more than the token's scope allows.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import Fastify from 'fastify';
import { FRESH_MS, findTokens, hashOf, revokeTokens, TokenReader } from '../../../src/jobs/tokens.ts';
import { addAuth } from '../../../src/manager/http/auth.ts';
import { builtPage } from '../../../src/manager/http/server.ts';
import { hasScope, SCOPES, type Scope } from '../../../src/model/api.ts';
import { tokenKey } from '../../../src/model/keys.ts';
import { describedVerbs } from '../../support/manager/described-verbs.ts';
import { GuardedServer, runUntilStopped } from '../../support/manager/guarded-server.ts';
import { until } from '../../support/until.ts';

interface Refused {
  readonly error: { readonly kind: string; readonly message: string; readonly hint: string | null };
}

const errorOf = async (answer: Response): Promise<Refused['error']> => ((await answer.json()) as Refused).error;

describe('access to the API', () => {
  let server: GuardedServer;
  beforeEach(async () => {
    server = await GuardedServer.open();
  });
  afterEach(() => server.close());

  it('is denied without a token, except for the health check', async () => {
    const answer = await server.call('/api/v1/jobs');
    expect(answer.status).to.equal(401);
    expect(answer.headers.get('www-authenticate')).to.equal('Bearer realm="batchctl"');
    expect(await errorOf(answer)).to.include({ kind: 'credentials' });
    const alive = await server.call('/healthz');
    expect(alive.status).to.equal(200);
    expect(await alive.json()).to.deep.equal({ status: 'ok' });
    expect(server.calls).to.deep.equal([]);
  });

  it('does not reveal which paths exist without a token', async () => {
    expect((await server.call('/api/v1/nothing')).status).to.equal(401);
    expect((await server.call('/api/v1/jobs', null, { method: 'PUT' })).status).to.equal(401);
    const token = await server.token('read');
    expect((await server.call('/api/v1/nothing', token)).status).to.equal(404);
    expect((await server.call('/api/v1/jobs', token, { method: 'PUT' })).status).to.equal(405);
  });

  it('is granted with a token, and the verb runs in its name', async () => {
    const answer = await server.call('/api/v1/jobs', await server.token('read', 'ann'));
    expect(answer.status).to.equal(200);
    expect(server.calls.map(({ who }) => who)).to.deep.equal(['token:ann']);
    await server.command('cancel', { job: 'last' }, await server.token('operate', 'bob'));
    expect(server.calls.at(-1)).to.include({ who: 'token:bob', name: 'cancel' });
  });

  it('is denied with a token that is wrong, short, huge, of another kind, revoked or expired', async () => {
    const token = await server.token('operate');
    const wrong = [
      `Bearer ${token.slice(0, -1)}`,
      `Bearer ${token}A`,
      `Bearer ${token} ${token}`,
      `Bearer ${token},${token}`,
      `Bearer bct_${'A'.repeat(43)}`,
      `Bearer ${'x'.repeat(12_000)}`,
      'Bearer',
      'Bearer null',
      `Basic ${Buffer.from(`ann:${token}`).toString('base64')}`,
      `Token ${token}`,
      token,
    ];
    for (const authorization of wrong) {
      const answer = await server.call('/api/v1/jobs', null, { headers: { authorization } });
      expect(answer.status, authorization.slice(0, 60)).to.equal(401);
      expect(answer.headers.get('www-authenticate')).to.equal('Bearer realm="batchctl", error="invalid_token"');
      expect((await answer.text()).includes(token.slice(4))).to.equal(false);
      server.clock.pass(61);
    }
    const short = await server.token('read', 'short', 60);
    expect((await server.call('/api/v1/jobs', short)).status).to.equal(200);
    server.clock.pass(60);
    expect((await server.call('/api/v1/jobs', short)).status).to.equal(401);
    server.clock.pass(61);
    expect((await server.call('/api/v1/jobs', token)).status).to.equal(200);
    await revokeTokens(server, await findTokens(server, 'operate'));
    server.clock.pass(FRESH_MS / 1_000);
    expect((await server.call('/api/v1/jobs', token)).status).to.equal(401);
  });

  it('is denied with a token from a newer version', async () => {
    const token = await server.token('operate');
    const key = tokenKey(hashOf(token));
    const stored = JSON.parse(new TextDecoder().decode((await server.store.read(key)) ?? undefined));
    await server.store.put(key, JSON.stringify({ ...stored, format: 2 }));
    const answer = await server.call('/api/v1/jobs', token);
    expect(answer.status).to.equal(401);
    expect((await errorOf(answer)).message).to.include('format 2');
  });

  it('accepts tokens only in the header, not in a URL, a cookie or a body', async () => {
    const token = await server.token('operate');
    for (const query of [`token=${token}`, `access_token=x`, `a=b&Access_Token=x`, `job=${token}`, `token=`]) {
      const answer = await server.call(`/api/v1/jobs?${query}`, token);
      expect(answer.status, query).to.equal(400);
      expect((await errorOf(answer)).message).to.include('no token in the URL');
    }
    expect((await server.call('/api/v1/jobs', null, { headers: { cookie: `token=${token}` } })).status).to.equal(401);
    expect(JSON.stringify(server.audit)).to.not.include(token.slice(0, 20));
  });

  it('reports an unavailable store as such, and does not call the token bad', async () => {
    const token = await server.token('read');
    const read = server.store.read;
    server.store.read = () =>
      Promise.reject(Object.assign(new Error('gone'), { name: 'BatchctlError', kind: 'unavailable' }));
    expect((await server.call('/api/v1/jobs', token)).status).to.equal(503);
    server.store.read = read;
    expect((await server.call('/api/v1/jobs', token)).status).to.equal(200);
  });

  it('ends while following a job when the token is revoked', async () => {
    await server.close();
    let ended = false;
    server = await GuardedServer.open({
      run: (call) =>
        runUntilStopped(call).finally(() => {
          ended = true;
        }),
    });
    const token = await server.token('read');
    const answer = await server.command('watch', { job: 'last' }, token);
    expect(answer.status).to.equal(200);
    // An unavailable store proves nothing.
    const read = server.store.read;
    let asked = 0;
    server.store.read = () => {
      asked += 1;
      return Promise.reject(Object.assign(new Error('gone'), { name: 'BatchctlError', kind: 'unavailable' }));
    };
    server.clock.pass(FRESH_MS / 1_000);
    await until('the store was asked', () => asked > 0);
    server.store.read = read;
    expect((await server.call('/api/v1/nothing', token)).status).to.equal(404);
    expect(ended).to.equal(false);
    const reading = answer.text().then(
      () => 'whole',
      () => 'cut',
    );
    await revokeTokens(server, await findTokens(server, 'read'));
    server.clock.pass(FRESH_MS / 1_000);
    await until('the verb was told', () => ended);
    expect(await reading).to.equal('cut');
  });

  describe('on each route', () => {
    it("must be declared: a route without a scope can't be created", async () => {
      const app = Fastify();
      addAuth(app, { tokens: new TokenReader(server), clock: server.clock });
      expect(() => app.get('/x', () => 'x')).to.throw('does not declare who may call it');
      await app.close();
      expect(server.app.scopes.size).to.be.above(50);
    });

    it('needs a token, except for the two health checks and the page', async () => {
      const open = [...server.app.scopes].filter(([, scope]) => scope === 'anyone').map(([route]) => route);
      const page = builtPage();
      const files = page === null ? [] : readdirSync(join(page, 'assets')).map((name) => `/assets/${name}`);
      const paths = ['/healthz', '/readyz', '/', ...files];
      const answered: string[] = [];
      for (const route of open) {
        const [method = '', path = ''] = route.split(' ');
        if ((await server.status(path, null, method)) !== 405) answered.push(route);
      }
      expect(answered).to.have.members(paths.flatMap((path) => [`GET ${path}`, `HEAD ${path}`]));
      expect(server.calls).to.deep.equal([]);
    });

    it('needs more than the scope read where a verb writes, and the scope operate except for submissions', async () => {
      const { verbs } = await describedVerbs();
      const writing = verbs.filter(({ writes }) => writes);
      expect(writing.length).to.be.above(20);
      const others = writing.filter(({ scope }) => scope !== 'operate').map(({ name, scope }) => `${name}: ${scope}`);
      expect(others).to.deep.equal(['run: submit', 'submit: submit']);
    });

    it('is granted to every sufficient scope, and to no other', async () => {
      const tokens = new Map<Scope, string>();
      for (const scope of SCOPES) tokens.set(scope, await server.token(scope));
      let refusals = 0;
      for (const [route, scope] of server.app.scopes) {
        const [method = '', url = ''] = route.split(' ');
        if (scope === 'anyone' || typeof scope === 'function') continue;
        const path = url.replaceAll(/:\w+/g, 'x').replaceAll('*', 'x');
        for (const [held, token] of tokens) {
          const status = await server.status(path, token, method);
          const isLetIn = hasScope(held, scope);
          if (!isLetIn) refusals += 1;
          expect(status === 403, `${route} with ${held}: ${status}`).to.equal(!isLetIn);
        }
        expect(await server.status(path, null, method), `${route} with no token`).to.equal(401);
      }
      expect(refusals).to.be.above(20);
    });

    it('depends on the named verb for a command line', async () => {
      const cases: [string, object, Scope][] = [
        ['status', { job: 'last' }, 'read'],
        ['watch', { job: 'last' }, 'read'],
        ['verify', { job: 'last' }, 'submit'],
        ['verify', { job: 'last', repair: true }, 'operate'],
        ['cancel', { job: 'last' }, 'operate'],
        ['prune', {}, 'operate'],
      ];
      const tokens = new Map<Scope, string>();
      for (const scope of SCOPES) tokens.set(scope, await server.token(scope));
      for (const [name, input, needed] of cases) {
        for (const held of SCOPES) {
          const answer = await server.command(name, input, tokens.get(held) ?? '');
          const isLetIn = hasScope(held, needed);
          expect(answer.status, `${name} ${JSON.stringify(input)} with ${held}`).to.equal(isLetIn ? 200 : 403);
          const challenge = answer.headers.get('www-authenticate');
          if (!isLetIn) expect(challenge).to.include(`error="insufficient_scope", scope="${needed}"`);
          await answer.body?.cancel();
        }
      }
    });

    it('never includes tokens, keys or certificates', () => {
      const offered = [...server.app.scopes.keys()].filter((route) =>
        /token|certificate|fingerprint|secret/i.test(route),
      );
      expect(offered).to.deep.equal([]);
    });
  });
});
