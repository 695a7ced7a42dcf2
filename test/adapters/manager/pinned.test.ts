// Protects: a client sends its token only to the manager whose certificate it expects.

import { X509Certificate } from 'node:crypto';
import { createServer } from 'node:net';
import { expect } from 'chai';
import { generate } from 'selfsigned';
import { openManagerClient } from '../../../src/adapters/manager/open-manager-client.ts';
import { fingerprintOf } from '../../../src/lib/certificate.ts';
import type { ValueFrame } from '../../../src/model/api.ts';
import type { Manager } from '../../../src/ports/manager.ts';
import type { VerbRequest } from '../../../src/ports/verbs.ts';
import { Cleanup } from '../../support/cleanup.ts';
import { collect } from '../../support/collect.ts';
import { forEachTest, forSuite } from '../../support/fixture.ts';
import { FakeManager, frames } from '../../support/manager/fake-manager.ts';
import { failsWith, rejection } from '../../support/rejection.ts';
import { listen } from '../../support/servers/listen.ts';
import { startConnectProxy } from '../../support/servers/proxies.ts';
import { until } from '../../support/until.ts';

const REQUEST: VerbRequest = { name: 'jobs', input: {}, dryRun: false, yes: false, tz: null, attachments: null };

async function createCertificate() {
  const subject = [{ name: 'commonName', value: 'manager' }];
  const { cert, private: key } = await generate(subject, { keyType: 'ec', curve: 'P-256' });
  return { cert, key, fingerprint: fingerprintOf(new X509Certificate(cert).raw) };
}

async function callOnce(manager: Manager): Promise<readonly ValueFrame[]> {
  try {
    return await collect(manager.call(REQUEST, AbortSignal.timeout(60_000)));
  } finally {
    await manager.close();
  }
}

describe("a manager's certificate", () => {
  const own = forSuite(createCertificate);
  const other = forSuite(createCertificate);

  const server = forSuite(() => FakeManager.start(own));
  const cleanup = forEachTest(() => new Cleanup());
  before(() => server.answer(frames({ notice: 'hello' }, { exit: 0, error: null })));
  beforeEach(() => {
    server.tokens.length = 0;
  });

  const client = (fingerprint: string | null, host = '127.0.0.1'): Manager =>
    openManagerClient({ url: `https://${host}:${server.port}`, token: 'bct_word', fingerprint });

  const spellings = (): readonly string[] => {
    const hex = own.fingerprint.slice('sha256:'.length);
    return [own.fingerprint, `sha256:${hex.toUpperCase().match(/../g)?.join(':')}`];
  };

  it('is accepted with the pinned fingerprint, in any spelling', async () => {
    for (const fingerprint of spellings()) {
      expect(await callOnce(client(fingerprint))).to.deep.equal([{ notice: 'hello' }, { exit: 0, error: null }]);
    }
    expect(server.tokens).to.deep.equal(['Bearer bct_word', 'Bearer bct_word']);
  });

  it('is rejected with another fingerprint, before a byte is sent', async () => {
    const error = await failsWith('config', callOnce(client(other.fingerprint)));
    expect(String(error)).to.include(own.fingerprint).and.include('nothing was sent');
    expect(server.tokens).to.deep.equal([]);
  });

  it('is rejected if it is from an unknown authority and none is pinned', async () => {
    await failsWith('config', callOnce(client(null)));
    expect(server.tokens).to.deep.equal([]);
  });

  it('is compared on every connection, including one that stays open', async () => {
    const manager = client(own.fingerprint);
    for (let n = 0; n < 3; n += 1) await manager.hello(AbortSignal.timeout(60_000));
    await manager.close();
    expect(server.tokens).to.have.length(3);
  });

  it('is compared behind a proxy, too', async () => {
    const proxy = cleanup.use(await startConnectProxy(`https://127.0.0.1:${server.port}`));
    cleanup.setEnv({ HTTPS_PROXY: proxy.url });
    expect(await callOnce(client(own.fingerprint, 'manager.example.com'))).to.have.length(2);
    expect(proxy.tunnels).to.deep.equal([`manager.example.com:${server.port}`]);
    await failsWith('config', callOnce(client(other.fingerprint, 'manager.example.com')));
    expect(server.tokens).to.have.length(1);
  });

  it('leaves no open connection if it never arrives and the call is aborted', async () => {
    let [opened, closed] = [0, 0];
    const tcp = createServer((socket) => {
      opened += 1;
      socket
        .on('error', () => undefined)
        .on('close', () => {
          closed += 1;
        });
      socket.resume();
    });
    const silent = await listen(tcp);
    const url = `https://127.0.0.1:${silent.port}`;
    const manager = openManagerClient({ url, token: 'x', fingerprint: own.fingerprint });
    const call = new AbortController();
    const error = rejection(manager.hello(call.signal));
    await until('it is connected', () => opened === 1);
    call.abort();
    expect(await error).to.have.property('name', 'AbortError');
    await manager.close();
    await until('the connection is closed', () => closed === 1);
    await silent.close();
  });
});
