// Protects: uploads, reads and listings through a manager give the same results as the store itself, and reach only data and code.

import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, writeFileSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { expect } from 'chai';
import { openManagerClient } from '../../../src/adapters/manager/open-manager-client.ts';
import { packCode } from '../../../src/jobs/code-archive.ts';
import { dataMetadata } from '../../../src/jobs/data-key.ts';
import { bytesChecksum } from '../../../src/lib/file-checksum.ts';
import { codeKey } from '../../../src/model/keys.ts';
import type { Manager } from '../../../src/ports/manager.ts';
import { AwsWorkspace } from '../../support/aws-workspace.ts';
import { collect } from '../../support/collect.ts';
import { forSuite } from '../../support/fixture.ts';
import { ApiServer } from '../../support/manager/api-server.ts';
import { readText } from '../../support/read-text.ts';
import { rejection } from '../../support/rejection.ts';
import { Scratch } from '../../support/scratch.ts';
import { sharedFauxqs } from '../../support/servers/fauxqs.ts';
import { sharedMoto } from '../../support/servers/moto.ts';

const MIB = 2 ** 20;
const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

for (const place of ['the local profile', 'S3'] as const) {
  describe(`the store behind a manager on ${place}`, () => {
    const scratch = forSuite(() => new Scratch());
    const server = forSuite(async () => {
      if (place === 'the local profile') return ApiServer.open({ dashboard: null });
      const [moto, sqs] = [await sharedMoto(), await sharedFauxqs()];
      return ApiServer.open({ workspace: await AwsWorkspace.make({ s3: moto.url, sqs: sqs.url }), dashboard: null });
    });
    const manager = forSuite(async () =>
      openManagerClient({ url: server.url, token: await server.token('submit'), fingerprint: null }),
    );

    it('returns the same facts about an object as the store itself', async () => {
      const key = 'data/seen é.txt';
      const put = await server.platform.store.put(key, '0123456789', { metadata: { sha256: 'x' } });
      const [direct, remote] = [await server.platform.store.head(key), await manager.store.head(key)];
      // Entity tags are compared without quotes.
      const unquote = (etag = ''): string => etag.replaceAll('"', '');
      expect({ ...remote, etag: unquote(remote?.etag) }).to.deep.equal({ ...direct, etag: unquote(direct?.etag) });
      expect(await manager.store.head('data/none')).to.equal(null);
      const read = (options: object): Promise<string | null> => readText(manager.store, key, options);
      expect(await read({})).to.equal('0123456789');
      expect(await read({ range: { offset: 2, length: 3 }, etag: put.etag })).to.equal('234');
      expect(await read({ range: { offset: 8, length: 30 } })).to.equal('89');
      expect(await read({ range: { offset: 3, length: 0 } })).to.equal('');
      expect(await manager.store.read('data/none')).to.equal(null);
      expect(await rejection(manager.store.read(key, { etag: 'other' }))).to.include({ kind: 'changed' });
      expect((await manager.store.get(key, { range: { offset: 1, length: 2 } }))?.info.size).to.equal(10);
    });

    it('lists keys in order, between any two keys, page by page', async () => {
      const names = ['a/', 'a/b', 'a0', 'a/é', 'a/\u{1f600}', 'b', ...Array.from({ length: 30 }, (_, n) => `n/${n}`)];
      const keys = names.filter((name) => !name.endsWith('/')).map((name) => `data/list/${name}`);
      await Promise.all(keys.map((key) => server.platform.store.put(key, 'x')));
      const listed = (store: Manager['store'], options: object) => collect(store.keys('data/list/', options));
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
        const [path, key] = [scratch.path('file'), `data/put/${size}`];
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

    it('never replaces an object with ifAbsent', async () => {
      await manager.store.put('data/first', 'first', { metadata: dataMetadata(bytesChecksum(Buffer.from('first'))) });
      expect((await manager.store.put('data/first', 'second', { ifAbsent: true })).created).to.equal(false);
      expect(await readText(server.platform.store, 'data/first')).to.equal('first');
      await manager.store.put('data/first', 'third');
      expect(await readText(server.platform.store, 'data/first')).to.equal('third');
    });

    it('accepts code under its own hash, and nothing outside data and code', async () => {
      writeFileSync(scratch.path('up.sh'), 'cat\n');
      const code = await packCode(scratch.directory, ['up.sh']);
      if (code === null) throw new Error('nothing was packed');
      await manager.store.put(codeKey(code.sha256), code.gzip);
      const there = await server.platform.store.read(codeKey(code.sha256));
      expect(hashOf(gunzipSync(there ?? new Uint8Array()))).to.equal(code.sha256);
      const kindOf = async (call: Promise<unknown>) => Reflect.get(await rejection(call), 'kind');
      for (const key of ['jobs/x/job.json', 'tokens/x.json', 'runs/x/0000.json']) {
        expect(await kindOf(manager.store.put(key, 'x'))).to.be.oneOf(['refused', 'usage']);
        expect(await server.platform.store.head(key)).to.equal(null);
      }
      expect(await kindOf(manager.store.read('tokens/x.json'))).to.be.oneOf(['refused', 'usage']);
    });
  });
}
