// Protects: no job can read manager tokens, or overwrite job records and code, through an s3:// address.

import { writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { restrictBucket } from '../../../src/adapters/aws/s3-buckets.ts';
import { createToken, hashOf } from '../../../src/jobs/tokens.ts';
import { ensureCertificate } from '../../../src/manager/tls/open-tls.ts';
import {
  CERTIFICATE_KEY,
  codeKey,
  dataKey,
  inputKey,
  jobKey,
  keeperKey,
  newsMark,
  releaseKey,
  tokenKey,
} from '../../../src/model/keys.ts';
import type { Bucket } from '../../../src/ports/bucket.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { AwsWorkspace } from '../../support/aws-workspace.ts';
import { collect } from '../../support/collect.ts';
import { forSuite } from '../../support/fixture.ts';
import { readText } from '../../support/read-text.ts';
import { failsWith } from '../../support/rejection.ts';
import { sharedFauxqs } from '../../support/servers/fauxqs.ts';
import { sharedMoto } from '../../support/servers/moto.ts';

/** The profile's prefix, before each key. */
const PREFIX = 'batchctl/';
const JOB = {
  name: 'leak',
  input: { from: 'in.txt', split: { by: 'lines', every: 1 } },
  steps: [{ name: 'show', run: ['cat'] }],
};

describe("the profile's own bucket, addressed by jobs", () => {
  const moto = forSuite(() => sharedMoto());
  const fauxqs = forSuite(() => sharedFauxqs());
  const workspace = forSuite(() => AwsWorkspace.make({ s3: moto.url, sqs: fauxqs.url }));
  let platform: Platform;
  let bucket: Bucket;
  let token: string;

  before(async () => {
    platform = await workspace.platform();
    bucket = await platform.bucket(workspace.stack);
    token = (await createToken(platform, { name: 'ann', scope: 'read', expiresIn: null })).text;
    await ensureCertificate(platform, []);
    workspace.write('job.json', JOB);
  });

  const secrets = (): readonly string[] => [tokenKey(hashOf(token)), CERTIFICATE_KEY].map((key) => PREFIX + key);

  it('refuses reads and listings of the tokens and the certificate of the manager', async () => {
    for (const key of secrets()) {
      for (const access of [bucket.head(key), bucket.read(key), bucket.get(key), bucket.presign(key, 60)])
        await failsWith('refused', access);
      const { code, stderr } = await workspace.run(['submit', 'job.json', '--input', `s3://${workspace.stack}/${key}`]);
      expect(code, stderr).to.equal(7);
      expect(stderr).to.include("is reserved for the manager, and can't be read by jobs");
    }
    for (const directory of ['tokens/', 'manager/']) {
      const input = `s3://${workspace.stack}/${PREFIX}${directory}`;
      expect((await workspace.run(['submit', 'job.json', '--input', input])).code).to.equal(4);
    }
    await bucket.put(`${PREFIX}data/own.txt`, 'own');
    const listed = (await collect(bucket.list(''))).map(({ key }) => key);
    expect(listed).to.include(`${PREFIX}data/own.txt`);
    for (const key of secrets()) expect(listed).to.not.include(key);
  });

  it('rejects every write to jobs, code, tokens, keepers and releases, by any method', async () => {
    writeFileSync(workspace.path('forged.json'), '{}');
    const hash = 'a'.repeat(64);
    const reserved = [
      ...[tokenKey(hash), CERTIFICATE_KEY, codeKey(hash), jobKey('x'), keeperKey('x'), releaseKey(9)],
      ...[newsMark('x', 1), inputKey(hash, 'a.csv'), 'new-in-a-later-version/x', 'x'],
    ];
    await platform.store.put(dataKey('forged.json'), '{}');
    for (const key of reserved.map((each) => PREFIX + each)) {
      const writes = [
        bucket.put(key, '{}'),
        bucket.delete([`${PREFIX}data/x`, key]),
        bucket.uploadFile(workspace.path('forged.json'), key),
        bucket.uploadStream(key, 2, async function* () {
          yield Buffer.from('{}');
        }),
        bucket.copyFromStore(dataKey('forged.json'), key, { size: 2, checksum: `sha256:${hash}`, metadata: {} }),
        bucket.copy(`${PREFIX}${dataKey('forged.json')}`, key),
        bucket.copy(key, `${PREFIX}data/stolen`),
      ];
      for (const write of writes) await failsWith('refused', write);
    }
    expect(await platform.store.head(tokenKey(hash))).to.equal(null);
    expect(await platform.store.head(CERTIFICATE_KEY)).to.not.equal(null);
  });

  it('refuses copies of objects of the manager from the store to this bucket or another', async () => {
    const other = `${workspace.stack}-other`;
    expect((await fetch(`${moto.url}/${other}`, { method: 'PUT' })).ok).to.equal(true);
    const to = `${PREFIX}data/copied`;
    for (const from of secrets().map((key) => key.slice(PREFIX.length))) {
      const size = (await platform.store.head(from))?.size ?? 0;
      const as = { size, checksum: `sha256:${'a'.repeat(64)}`, metadata: {} };
      for (const each of [bucket, await platform.bucket(other)]) {
        const error = await failsWith('refused', each.copyFromStore(from, to, as));
        expect(error.message).to.include(from);
        expect(await each.head(to)).to.equal(null);
      }
    }
  });

  it('allows reads, writes and deletions in data/ and outside the prefix', async () => {
    for (const key of [`${PREFIX}data/out/a`, 'tokens/a', 'out/a', `${PREFIX}data/inputs-of-mine/a`]) {
      await bucket.put(key, 'a');
      expect(await readText(bucket, key), key).to.equal('a');
      expect((await bucket.head(key))?.size).to.equal(1);
      await bucket.delete([key]);
      expect(await bucket.head(key)).to.equal(null);
    }
  });

  it('is reserved as a whole if the prefix is empty, except for raw data', async () => {
    const own = restrictBucket(bucket, '');
    for (const key of [tokenKey('a'.repeat(64)), CERTIFICATE_KEY]) await failsWith('refused', own.read(key));
    for (const key of [tokenKey('a'.repeat(64)), jobKey('x'), inputKey('a'.repeat(64), 'a.csv'), 'x'])
      await failsWith('refused', own.put(key, '{}'));
    await failsWith('refused', own.copy(dataKey('own.txt'), 'x'));
    expect(await own.head(dataKey('none'))).to.equal(null);
  });
});
