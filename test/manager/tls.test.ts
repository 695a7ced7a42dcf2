// Protects: connections to the manager are encrypted, with one certificate that clients can check.
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:https';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { expect } from 'chai';
import { fingerprintOf, hasFingerprint } from '../../src/lib/certificate.ts';
import type { LogLine } from '../../src/manager/log.ts';
import {
  ensureCertificate,
  type Identity,
  isLoopback,
  openTls,
  readCertificateFiles,
  renewTls,
} from '../../src/manager/tls/open-tls.ts';
import { CERTIFICATE_KEY } from '../../src/model/keys.ts';
import type { ObjectStore } from '../../src/ports/object-store.ts';
import { openPlace } from '../jobs/published-job.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { forEachTest, forSuite } from '../support/fixture.ts';
import { VirtualTime } from '../support/held-time.ts';
import { connectTls, createCertificate, writeCertificate } from '../support/manager/certificate-pair.ts';
import { GuardedServer } from '../support/manager/guarded-server.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { rejection } from '../support/rejection.ts';
import { Scratch } from '../support/scratch.ts';
import { until } from '../support/until.ts';
import { wrapStore } from '../support/wrap-store.ts';

const DAY_MS = 86_400_000;

describe("the manager's certificate", () => {
  const clock = new FakeClock();
  const place = (store: ObjectStore) => ({ store, clock, who: 'manager@one' });

  describe('its own', () => {
    it('is created once: later and simultaneous managers use the same', async () => {
      const store = new MemoryStore();
      const all = await Promise.all(Array.from({ length: 5 }, () => ensureCertificate(place(store), [])));
      expect(new Set(all.map(({ fingerprint }) => fingerprint)).size).to.equal(1);
      const later = await ensureCertificate({ store, clock, who: 'manager@two' }, ['198.51.100.7']);
      expect(later).to.deep.equal(all[0]);
      expect(later.fingerprint).to.equal(fingerprintOf(new X509Certificate(later.cert).raw));
    });

    it('is valid for ten years, for servers only, with P-256 and the names of the manager', async () => {
      const names = ['198.51.100.7', 'jobs.example.com'];
      const { cert, fingerprint } = await ensureCertificate(place(new MemoryStore()), names);
      const certificate = new X509Certificate(cert);
      expect(Date.parse(certificate.validTo) - clock.now()).to.be.within(3_649 * 86_400_000, 3_651 * 86_400_000);
      expect(Date.parse(certificate.validFrom)).to.be.below(clock.now() - 3_600_000);
      expect(certificate.ca).to.equal(false);
      expect(certificate.publicKey.asymmetricKeyDetails?.namedCurve).to.equal('prime256v1');
      expect(certificate.checkHost('jobs.example.com')).to.equal('jobs.example.com');
      for (const address of ['198.51.100.7', '127.0.0.1', '::1'])
        expect(certificate.checkIP(address), address).to.not.equal(undefined);
      expect(certificate.checkHost('other.example.com')).to.equal(undefined);
      expect(fingerprint).to.match(/^sha256:[0-9a-f]{64}$/);
    });

    it("is the one that was stored first, even if the loser's write fails", async () => {
      const store = new MemoryStore();
      const first = await ensureCertificate(place(store), []);
      let reads = 0;
      const late = wrapStore(store, {
        read: async (...given) => {
          reads += 1;
          return reads === 1 ? null : store.read(...given);
        },
      });
      expect(await ensureCertificate(place(late), [])).to.deep.equal(first);
    });

    it('is rejected, and not replaced, if a newer version created it or someone altered it', async () => {
      const store = new MemoryStore();
      const { cert, key } = await createCertificate('one');
      const other = await createCertificate('other');
      for (const [value, kind] of [
        [{ format: 2, cert, key }, 'newer'],
        [{ format: 1, cert, key: other.key }, 'config'],
        [{ format: 1, cert }, 'config'],
        ['x', 'corrupt'],
      ] as const) {
        const text = JSON.stringify(value);
        await store.put(CERTIFICATE_KEY, text);
        expect(await rejection(ensureCertificate(place(store), [])), text.slice(0, 40)).to.include({ kind });
        expect(new TextDecoder().decode((await store.read(CERTIFICATE_KEY)) ?? undefined)).to.equal(text);
      }
    });

    it('is stored on this disk in a file that only its owner can read, and is another one once that was deleted', async () => {
      const { directory, platform, end } = await openPlace();
      try {
        const { fingerprint } = await ensureCertificate(platform, []);
        // As docs/security.md names it.
        const file = join(directory, '.batchctl/store/manager/tls.json@');
        expect(statSync(file).mode & 0o777).to.equal(0o600);
        for (const name of ['.', 'store', 'tmp'])
          expect(statSync(join(directory, '.batchctl', name)).mode & 0o077, name).to.equal(0);
        rmSync(file);
        expect((await ensureCertificate(platform, [])).fingerprint, 'after it leaked').to.not.equal(fingerprint);
      } finally {
        await end();
      }
    });

    it('is used wherever other machines can call; plain HTTP is only for this machine', async () => {
      const platform = place(new MemoryStore());
      for (const host of ['127.0.0.1', '127.8.9.1', 'localhost', '::1', '[::1]', '::ffff:127.0.0.1']) {
        expect(isLoopback(host), host).to.equal(true);
        expect(await openTls({ platform, host, files: null }), host).to.equal(null);
      }
      const others = ['0.0.0.0', '::', '10.0.0.1', '198.51.100.7', '128.0.0.1', ''];
      for (const host of [...others, 'localhost.example.com', '127.0.0.1.example.com'])
        expect(await openTls({ platform, host, files: null }), host).to.not.equal(null);
    });
  });

  describe('on the network', () => {
    const server = forSuite(async () => GuardedServer.open({ identity: await ensureCertificate(place(store), []) }));
    const store = new MemoryStore();

    it('is the one with the announced fingerprint, in TLS 1.2 and 1.3', async () => {
      const { fingerprint } = await ensureCertificate(place(store), []);
      const { protocol, peer } = await connectTls(server.port);
      expect(protocol).to.equal('TLSv1.3');
      expect(fingerprintOf(peer.raw)).to.equal(fingerprint);
      expect((await connectTls(server.port, { maxVersion: 'TLSv1.2' })).protocol).to.equal('TLSv1.2');
      for (const old of ['TLSv1.1', 'TLSv1'])
        await rejection(connectTls(server.port, { minVersion: old, maxVersion: old, ciphers: 'ALL:@SECLEVEL=0' }));
    });

    it('protects the API; plain-text requests are closed', async () => {
      const token = await server.token('read');
      const answer = await new Promise<number | undefined>((resolve, reject) => {
        const headers = { authorization: `Bearer ${token}` };
        const options = { port: server.port, path: '/api/v1/jobs', headers, rejectUnauthorized: false, agent: false };
        request(options, (response) => resolve(response.resume().statusCode))
          .on('error', reject)
          .end();
      });
      expect(answer).to.equal(200);
      await rejection(fetch(`http://127.0.0.1:${server.port}/healthz`));
    });

    it('frees connections without a handshake', async () => {
      const socket = await server.connect();
      const began = performance.now();
      await once(socket.resume(), 'close');
      expect(performance.now() - began).to.be.within(5_000, 20_000);
    });
  });

  describe('from files', () => {
    const scratch = forEachTest(() => new Scratch());
    const files = () => ({ cert: scratch.path('cert.pem'), key: scratch.path('key.pem') });
    const write = (name: string): Promise<string> => writeCertificate(scratch.directory, name);

    it("is rejected before the manager listens if it is missing, doesn't match its key, or has none", async () => {
      expect(await rejection(readCertificateFiles(files()))).to.include({ kind: 'config' });
      await write('one');
      const other = await createCertificate('other');
      const { fingerprint } = await readCertificateFiles(files());
      expect(fingerprint).to.match(/^sha256:/);
      for (const [name, text] of [
        ['key.pem', other.key],
        ['key.pem', 'rubbish'],
        ['cert.pem', ''],
        ['cert.pem', other.key],
      ] as const) {
        await write('one');
        writeFileSync(scratch.path(name), text);
        const error = await rejection(readCertificateFiles(files()));
        expect(error).to.include({ kind: 'config' });
        expect(error.message).to.include(scratch.directory).and.not.include('PRIVATE KEY');
      }
    });

    it('is reloaded when it is renewed, at once on SIGHUP; an unusable one leaves the old one in use', async () => {
      const first = await write('one');
      const identity = await readCertificateFiles(files());
      const server = await GuardedServer.open({ identity });
      const [log, renewed] = [[] as LogLine[], [] as string[]];
      const stop = new AbortController();
      const renew = (current: Identity, signal: AbortSignal, everyMs: number): void =>
        renewTls(server.app.server, {
          files: files(),
          identity: current,
          log: (line) => log.push(line),
          onRenewed: ({ fingerprint }) => renewed.push(fingerprint),
          signal,
          everyMs,
        });
      try {
        const usedFingerprint = async () => fingerprintOf((await connectTls(server.port)).peer.raw);
        const polling = new AbortController();
        renew(identity, AbortSignal.any([polling.signal, stop.signal]), 20);
        expect(await usedFingerprint()).to.equal(first);
        const open = connect({ host: '127.0.0.1', port: server.port, rejectUnauthorized: false });
        await once(open, 'secureConnect');
        const second = await write('two');
        await until('the second is used', async () => (await usedFingerprint()) === second);
        open.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n');
        const [answer] = (await once(open, 'data')) as [Buffer];
        expect(answer.toString()).to.match(/^HTTP\/1.1 200 /);
        open.destroy();
        writeFileSync(files().key, 'rubbish');
        await until('a warning is logged', () => log.some(({ level }) => level === 'warning'));
        expect(await usedFingerprint()).to.equal(second);
        polling.abort();
        const third = await write('three');
        renew(await readCertificateFiles(files()), stop.signal, 3_600_000);
        const fourth = await write('four');
        process.emit('SIGHUP');
        await until('the fourth is used', async () => (await usedFingerprint()) === fourth);
        expect(third).to.not.equal(fourth);
        expect(renewed).to.deep.equal([second, fourth]);
        stop.abort();
        expect(process.listenerCount('SIGHUP')).to.equal(0);
        expect(JSON.stringify(log)).to.not.include('PRIVATE KEY');
      } finally {
        stop.abort();
        await server.close();
      }
    });

    it('is reported in the log each day of its last two weeks, until it was renewed', async () => {
      const time = new VirtualTime(1);
      const [began, log, renewed, stop] = [time.now(), [] as LogLine[], [] as Identity[], new AbortController()];
      const expires = began + 15.5 * DAY_MS;
      await writeCertificate(scratch.directory, 'short', expires);
      const identity = await readCertificateFiles(files());
      const server = createServer(identity);
      const reports = (): number => log.splice(0).filter(({ event }) => event === 'certificate').length;
      try {
        renewTls(server, {
          files: files(),
          identity,
          log: (line) => log.push(line),
          onRenewed: (found) => renewed.push(found),
          signal: stop.signal,
          everyMs: 400 * DAY_MS,
        });
        const said: number[] = [];
        for (let day = 0; day <= 5; day += 1) {
          if (day > 0) await time.pass(DAY_MS);
          said.push(log.length);
        }
        // 15.5 and 14.5 days are left at first, then less than two weeks.
        expect(said).to.deep.equal([0, 0, 1, 2, 3, 4]);
        expect(log.map(({ level }) => level)).to.deep.equal(Array(4).fill('warning'));
        expect(log[0]?.fields).to.deep.equal({ expires: identity.expires });
        expect(log[0]?.text).to.include(`expires ${identity.expires}, in 13 days`);
        expect(log[3]?.text).to.include('in 10 days');
        log.splice(0);
        await writeCertificate(scratch.directory, 'long', began + 90 * DAY_MS);
        process.emit('SIGHUP');
        while (renewed.length === 0) await new Promise(setImmediate);
        await time.pass(DAY_MS);
        expect(renewed.map(({ expires: when }) => Date.parse(when) > expires)).to.deep.equal([true]);
        expect(reports(), 'of the renewal').to.equal(1);
        await time.pass(DAY_MS);
        expect(reports(), 'after the renewal').to.equal(0);
        stop.abort();
        await time.pass(80 * DAY_MS);
        expect(reports(), 'after the end').to.equal(0);
      } finally {
        stop.abort();
        time.release();
        server.close();
      }
    });
  });
});

describe('a fingerprint', () => {
  it('is recognised however people write it', async () => {
    const { raw } = new X509Certificate((await createCertificate('one')).cert);
    const plain = fingerprintOf(raw);
    const colons = plain.slice(7).toUpperCase().match(/../g)?.join(':') ?? '';
    for (const written of [plain, plain.toUpperCase(), `sha256:${colons}`, `SHA256:${colons}`, plain.slice(7)])
      expect(hasFingerprint(raw, written), written).to.equal(true);
    const other = plain.replace(/.$/, (last) => (last === '0' ? '1' : '0'));
    for (const written of ['', 'sha256:', plain.slice(0, -1), `${plain}0`, other])
      expect(hasFingerprint(raw, written), written).to.equal(false);
  });
});
