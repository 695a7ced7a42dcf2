// Protects: uploads, reads and listings through a manager return what the store itself returns, and reach only data and code.

import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { expect } from 'chai';
import { openManagerClient } from '../../../src/adapters/manager/open-manager-client.ts';
import { packCode } from '../../../src/jobs/code-archive.ts';
import { dataMetadata } from '../../../src/jobs/data/data-key.ts';
import { bytesChecksum } from '../../../src/lib/file-checksum.ts';
import { codeKey } from '../../../src/model/keys.ts';
import type { Manager } from '../../../src/ports/manager.ts';
import { AwsWorkspace } from '../../support/aws-workspace.ts';
import { ApiServer } from '../../support/manager/api-server.ts';
import { rejection } from '../../support/rejection.ts';
import { sharedFauxqs } from '../../support/servers/fauxqs.ts';
import { sharedMoto } from '../../support/servers/moto.ts';
import type { Endpoint } from '../../support/servers/shared.ts';

const MIB = 2 ** 20;
const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

for (const place of ['the local profile', 'S3'] as const) {
  describe(`the store behind a manager on ${place}`, () => {
    let server: ApiServer;
    let sqs: Endpoint | null = null;
    let manager: Manager;
    let dir: string;

    before(async () => {
      dir = mkdtempSync(join(tmpdir(), 'batchctl-remote-'));
      if (place === 'S3') {
        const moto = await sharedMoto();
        sqs = await sharedFauxqs();
        const workspace = await AwsWorkspace.make({ s3: moto.url, sqs: sqs.url });
        server = await ApiServer.open({ workspace, dashboard: null });
      } else server = await ApiServer.open({ dashboard: null });
      manager = openManagerClient({ url: server.url, token: await server.token('submit'), fingerprint: null });
    });
    after(async () => {
      await manager?.close();
      await server?.close();
      rmSync(dir, { recursive: true });
    });

    it('returns the same facts about an object as the store itself', async () => {
      const put = await server.platform.store.put('data/seen é.txt', '0123456789', { metadata: { sha256: 'x' } });
      const [own, far] = [
        await server.platform.store.head('data/seen é.txt'),
        await manager.store.head('data/seen é.txt'),
      ];
      // Entity tags are compared without quotes.
      const bare = (etag = ''): string => etag.replaceAll('"', '');
      expect({ ...far, etag: bare(far?.etag) }).to.deep.equal({ ...own, etag: bare(own?.etag) });
      expect(await manager.store.head('data/none')).to.equal(null);
      const read = async (options: object): Promise<string> =>
        Buffer.from((await manager.store.read('data/seen é.txt', options)) ?? []).toString();
      expect(await read({})).to.equal('0123456789');
      expect(await read({ range: { offset: 2, length: 3 }, etag: put.etag })).to.equal('234');
      expect(await read({ range: { offset: 8, length: 30 } })).to.equal('89');
      expect(await read({ range: { offset: 3, length: 0 } })).to.equal('');
      expect(await manager.store.read('data/none')).to.equal(null);
      expect(await rejection(manager.store.read('data/seen é.txt', { etag: 'other' }))).to.include({ kind: 'changed' });
      expect((await manager.store.get('data/seen é.txt', { range: { offset: 1, length: 2 } }))?.info.size).to.equal(10);
    });

    it('lists in order, from and to any key, page by page', async () => {
      const names = ['a/', 'a/b', 'a0', 'a/é', 'a/\u{1f600}', 'b', ...Array.from({ length: 30 }, (_, n) => `n/${n}`)];
      const keys = names.filter((name) => !name.endsWith('/')).map((name) => `data/list/${name}`);
      await Promise.all(keys.map((key) => server.platform.store.put(key, 'x')));
      const listed = async (store: Manager['store'], options: object): Promise<readonly string[]> => {
        const all: string[] = [];
        for await (const key of store.keys('data/list/', options)) all.push(key);
        return all;
      };
      const bounds = ['a/b', 'a0', 'a/é', 'a/c', 'n/1', 'n/17', 'zz', ''].map((name) => `data/list/${name}`);
      for (const from of [undefined, ...bounds]) {
        for (const to of [undefined, 'data/list/n/2']) {
          const options = { ...(from !== undefined && { from }), ...(to !== undefined && { to }) };
          expect(await listed(manager.store, options)).to.deep.equal(await listed(server.platform.store, options));
        }
      }
    });

    for (const [name, size] of [
      ['an empty file', 0],
      ['a small file', 1_000],
      ['a large file', 40 * MIB],
    ] as const) {
      it(`stores ${name} intact and with its checksum`, async () => {
        const [path, key] = [join(dir, 'file'), `data/put/${size}`];
        const bytes = randomBytes(size);
        writeFileSync(path, bytes);
        const metadata = dataMetadata(bytesChecksum(bytes));
        let safe = 0;
        const onProgress = (count: number): void => {
          safe = count;
        };
        const put = await manager.store.uploadFile(path, key, { metadata, onProgress });
        expect(safe).to.equal(size);
        const there = await server.platform.store.get(key);
        expect(hashOf(await buffer(there?.body ?? createReadStream('/dev/null')))).to.equal(hashOf(bytes));
        expect(there?.info.metadata).to.deep.include(metadata);
        expect(there?.info.etag.replaceAll('"', '')).to.equal(put.etag);
        // The same upload again: the object already exists.
        expect((await manager.store.uploadFile(path, key, { metadata, ifAbsent: true })).etag).to.equal(put.etag);
      });
    }

    it('never replaces an object when asked to create it', async () => {
      await manager.store.put('data/first', 'first', { metadata: dataMetadata(bytesChecksum(Buffer.from('first'))) });
      expect((await manager.store.put('data/first', 'second', { ifAbsent: true })).created).to.equal(false);
      expect(Buffer.from((await server.platform.store.read('data/first')) ?? []).toString()).to.equal('first');
      await manager.store.put('data/first', 'third');
      expect(Buffer.from((await server.platform.store.read('data/first')) ?? []).toString()).to.equal('third');
    });

    it('accepts code under its own hash, and nothing outside data and code', async () => {
      writeFileSync(join(dir, 'up.sh'), 'cat\n');
      const code = await packCode(dir, ['up.sh']);
      if (code === null) throw new Error('nothing was packed');
      await manager.store.put(codeKey(code.sha256), code.gzip);
      const there = await server.platform.store.read(codeKey(code.sha256));
      expect(hashOf(gunzipSync(there ?? new Uint8Array()))).to.equal(code.sha256);
      for (const key of ['jobs/x/job.json', 'tokens/x.json', 'runs/x/0000.json']) {
        expect(await rejection(manager.store.put(key, 'x')))
          .to.have.property('kind')
          .that.is.oneOf(['refused', 'usage']);
        expect(await server.platform.store.head(key)).to.equal(null);
      }
      expect(await rejection(manager.store.read('tokens/x.json')))
        .to.have.property('kind')
        .that.is.oneOf(['refused', 'usage']);
    });
  });
}
