// Protects: no one calls the manager without a valid token, or does more than the token's scope allows.
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { Agent, type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { expect } from 'chai';
import Fastify from 'fastify';
import { BatchctlError } from '../../../src/errors.ts';
import { FRESH_MS, findTokens, hashOf, revokeTokens, TokenReader } from '../../../src/jobs/tokens.ts';
import { addAuth } from '../../../src/manager/http/auth.ts';
import { builtPage } from '../../../src/manager/http/server.ts';
import { hasScope, SCOPES, type Scope } from '../../../src/model/api.ts';
import { TOKEN_USES_PREFIX, tokenKey } from '../../../src/model/keys.ts';
import { forEachTest } from '../../support/fixture.ts';
import { describedVerbs } from '../../support/manager/described-verbs.ts';
import { errorOf, GuardedServer, runUntilStopped } from '../../support/manager/guarded-server.ts';
import { until } from '../../support/until.ts';

describe('access to the API', () => {
  const server = forEachTest(() => GuardedServer.open());
  const statusOf = async (token: string | null, path = '/api/v1/jobs'): Promise<number> =>
    (await server.call(path, token)).status;
  const tokensOfScopes = async (): Promise<ReadonlyMap<Scope, string>> => {
    const tokens = new Map<Scope, string>();
    for (const scope of SCOPES) tokens.set(scope, await server.token(scope));
    return tokens;
  };
  /** Makes the store fail, and calls `onRead` for each read, until the returned function is called. */
  const breakStore = (onRead: () => void = () => {}): (() => void) => {
    const { read } = server.store;
    server.store.read = () => {
      onRead();
      return Promise.reject(new BatchctlError('unavailable', 'gone'));
    };
    return () => {
      server.store.read = read;
    };
  };

  /** Follows a job, and tells whether the verb has ended. */
  const followAs = async (token: string): Promise<{ readonly ended: boolean }> => {
    const stream = { ended: false };
    server.run = (call) =>
      runUntilStopped(call).finally(() => {
        stream.ended = true;
      });
    expect((await server.command('watch', { job: 'last' }, token)).status).to.equal(200);
    return stream;
  };

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
    expect(await statusOf(null, '/api/v1/nothing')).to.equal(401);
    expect((await server.call('/api/v1/jobs', null, { method: 'PUT' })).status).to.equal(401);
    const token = await server.token('read');
    expect(await statusOf(token, '/api/v1/nothing')).to.equal(404);
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
    for (const authorization of [
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
    ]) {
      const answer = await server.call('/api/v1/jobs', null, { headers: { authorization } });
      expect(answer.status, authorization.slice(0, 60)).to.equal(401);
      expect(answer.headers.get('www-authenticate')).to.equal('Bearer realm="batchctl", error="invalid_token"');
      expect((await answer.text()).includes(token.slice(4))).to.equal(false);
      server.clock.pass(61);
    }
    const short = await server.token('read', 'short', 60);
    expect(await statusOf(short)).to.equal(200);
    server.clock.pass(60);
    expect(await statusOf(short)).to.equal(401);
    server.clock.pass(61);
    expect(await statusOf(token)).to.equal(200);
    await revokeTokens(server, await findTokens(server, 'operate'));
    server.clock.pass(FRESH_MS / 1_000);
    expect(await statusOf(token)).to.equal(401);
  });

  it('says whether its connection is closed after the answer, or how long it is kept', async () => {
    const token = await server.token('read');
    const kept = ['keep-alive', 'timeout=30'];
    for (const [held, path, asked, said] of [
      [token, '/api/v1/jobs', 'keep-alive', kept],
      [token, '/api/v1/jobs', 'close', ['close', undefined]],
      [token, '/api/v1/nothing', 'keep-alive', kept],
      [null, '/api/v1/jobs', 'keep-alive', ['close', undefined]],
      ['bct_wrong', '/api/v1/jobs', 'keep-alive', ['close', undefined]],
      [null, '/healthz', 'keep-alive', kept],
    ] as const) {
      const { headers } = await server.answerOn(asked, path, held);
      expect([headers.connection, headers['keep-alive']], `${held} ${path} ${asked}`).to.deep.equal(said);
    }
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
    const restore = breakStore();
    expect(await statusOf(token)).to.equal(503);
    restore();
    expect(await statusOf(token)).to.equal(200);
  });

  it('ends while following a job within 5 s after the token is revoked', async () => {
    let ended = false;
    server.run = (call) =>
      runUntilStopped(call).finally(() => {
        ended = true;
      });
    const token = await server.token('read');
    const answer = await server.command('watch', { job: 'last' }, token);
    expect(answer.status).to.equal(200);
    // An unavailable store does not end the call.
    let reads = 0;
    const restore = breakStore(() => {
      reads += 1;
    });
    server.clock.pass(FRESH_MS / 1_000);
    await until('the store was read', () => reads > 0);
    restore();
    expect(await statusOf(token, '/api/v1/nothing')).to.equal(404);
    expect(ended).to.equal(false);
    const reading = answer.text().then(
      () => 'whole',
      () => 'cut',
    );
    await revokeTokens(server, await findTokens(server, 'read'));
    // A look a second, at an answer of the store that is at most 4 s old.
    server.clock.pass(FRESH_MS / 1_000 - 1);
    await until('the verb ended', () => ended);
    expect(await reading).to.equal('cut');
  });

  it('ends while following a job within a second after the token expired, although the store is unavailable', async () => {
    const stream = await followAs(await server.token('read', 'short', 60));
    const lasting = await followAs(await server.token('read', 'lasting', 3_600));
    let reads = 0;
    breakStore(() => {
      reads += 1;
    });
    server.clock.pass(59);
    await until('the store was read', () => reads > 1);
    expect([stream.ended, lasting.ended]).to.deep.equal([false, false]);
    server.clock.pass(1);
    await until('the verb ended', () => stream.ended);
    expect(lasting.ended).to.equal(false);
  });

  it('ends while following a job after the token is revoked, although the store does not answer for another one', async () => {
    const slow = await server.token('read', 'slow');
    const other = await server.token('read', 'other');
    await followAs(slow);
    const stream = await followAs(other);
    await revokeTokens(server, await findTokens(server, 'other'));
    const read = server.store.read.bind(server.store);
    server.store.read = (key, options) => (key === tokenKey(hashOf(slow)) ? new Promise(() => {}) : read(key, options));
    server.clock.pass(FRESH_MS / 1_000 - 1);
    await until('the verb ended', () => stream.ended);
  });

  it('goes on for a caller whose connection a revoked token used before, as through a reverse proxy', async () => {
    let ended = false;
    server.run = (call) =>
      runUntilStopped(call).finally(() => {
        ended = true;
      });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    /** A call on the agent's only connection. */
    const callBy = async (token: string, method: string, path: string, body = ''): Promise<IncomingMessage> => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      const { port } = server;
      const sent = request({ host: '127.0.0.1', port, path, method, headers, agent }).end(body);
      const [answer] = (await once(sent, 'response')) as [IncomingMessage];
      return answer;
    };
    const [revoked, other] = [await server.token('read', 'revoked'), await server.token('read', 'other')];
    const first = await callBy(revoked, 'GET', '/api/v1/me');
    const port = first.socket.localPort;
    first.resume();
    await once(first, 'end');
    const stream = await callBy(
      other,
      'POST',
      '/api/v1/verbs',
      JSON.stringify({ name: 'watch', input: { job: 'last' } }),
    );
    expect([stream.statusCode, stream.socket.localPort]).to.deep.equal([200, port]);
    await revokeTokens(server, await findTokens(server, 'revoked'));
    const read = server.store.read.bind(server.store);
    let looks = 0;
    server.store.read = (key, options) => {
      if (key === tokenKey(hashOf(other))) looks += 1;
      return read(key, options);
    };
    server.clock.pass(FRESH_MS / 1_000);
    await until('the open calls were looked at', () => looks > 0);
    expect([await statusOf(revoked), ended]).to.deep.equal([401, false]);
    agent.destroy();
  });

  it('is recorded with its time for each token that was used, and for no other', async () => {
    const used = await GuardedServer.open();
    try {
      const token = await used.token('read', 'used');
      await used.token('read', 'unused');
      expect((await used.call('/api/v1/me', token)).status).to.equal(200);
    } finally {
      await used.close();
    }
    const keys: string[] = [];
    for await (const key of used.store.keys(TOKEN_USES_PREFIX)) keys.push(key);
    expect(keys).to.have.lengthOf(1);
  });

  describe('on each route', () => {
    it("is declared: a route without a scope can't be created", async () => {
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
      const writing = verbs.map(({ declared }) => declared).filter(({ changes }) => changes);
      expect(writing.length).to.be.above(20);
      const others = writing.filter(({ scope }) => scope !== 'operate').map(({ name, scope }) => `${name}: ${scope}`);
      expect(others).to.deep.equal(['run: submit', 'submit: submit']);
    });

    it('is granted to every sufficient scope, and to no other', async () => {
      const tokens = await tokensOfScopes();
      let refusals = 0;
      for (const [route, scope] of server.app.scopes) {
        const [method = '', url = ''] = route.split(' ');
        if (scope === 'anyone' || typeof scope === 'function') continue;
        const path = url.replaceAll(/:\w+/g, 'x').replaceAll('*', 'x');
        for (const [held, token] of tokens) {
          const status = await server.status(path, token, method);
          const isAllowed = hasScope(held, scope);
          if (!isAllowed) refusals += 1;
          expect(status === 403, `${route} with ${held}: ${status}`).to.equal(!isAllowed);
        }
        expect(await server.status(path, null, method), `${route} with no token`).to.equal(401);
      }
      expect(refusals).to.be.above(20);
    });

    it('depends on the named verb for a command line', async () => {
      const tokens = await tokensOfScopes();
      for (const [name, input, needed] of [
        ['status', { job: 'last' }, 'read'],
        ['watch', { job: 'last' }, 'read'],
        ['verify', { job: 'last' }, 'submit'],
        ['verify', { job: 'last', repair: true }, 'operate'],
        ['cancel', { job: 'last' }, 'operate'],
        ['prune', {}, 'operate'],
      ] as const) {
        for (const [held, token] of tokens) {
          const answer = await server.command(name, input, token);
          const isAllowed = hasScope(held, needed);
          expect(answer.status, `${name} ${JSON.stringify(input)} with ${held}`).to.equal(isAllowed ? 200 : 403);
          const challenge = answer.headers.get('www-authenticate');
          if (!isAllowed) expect(challenge).to.include(`error="insufficient_scope", scope="${needed}"`);
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
