// Protects: an explode of many thousand files needs little memory, and survives a lost shard.

import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { countFiles, type Explosion, fileParts, hasAllShards, writeShards } from '../../src/jobs/explode.ts';
import { asciiJson } from '../../src/lib/json.ts';
import { outKey, stagedPrefix, stepPartShardKey, stepPartsPrefix } from '../../src/model/keys.ts';
import { META_KEY, OUTPUT_FORMAT, type OutputFile } from '../../src/model/output.ts';
import type { FilePart } from '../../src/model/part.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { recordRequests } from '../support/record-requests.ts';
import { failsWith } from '../support/rejection.ts';
import { explodingJob } from './exploding-job.ts';
import { attemptOf, metaWith, type Place } from './published-job.ts';
import { readText } from './stored-text.ts';

const sha256 = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`;

/** Publishes a manifest of the step `split` that names `count` files, which do not exist. */
async function publishManyFiles({ store }: Platform, job: string, task: number, count: number): Promise<void> {
  const of = { job, step: 'split', task };
  const attempt = attemptOf('split', task);
  const files = Array.from({ length: count }, (_, i): OutputFile => {
    const name = `f${String(i).padStart(5, '0')}`;
    return { name, key: `${stagedPrefix(job, 'split', task, attempt)}files/${name}`, size: 1, checksum: sha256(name) };
  });
  const checksum = sha256(files.map((file) => `${file.checksum} ${file.size} ${file.name}\n`).join(''));
  const metadata = { [META_KEY]: asciiJson({ format: OUTPUT_FORMAT, ...of, attempt, manifest: true }) };
  const manifest = { format: OUTPUT_FORMAT, meta: metaWith(of, count, checksum), single: false, files };
  await store.put(outKey(job, 'split', task), JSON.stringify(manifest), { ifAbsent: true, metadata });
}

const TASKS = 120;
const FILES_EACH = 100;
const FILES = TASKS * FILES_EACH;

describe('an explode of 12,000 files', () => {
  let place: Place;
  let explosion: Explosion;

  before(async () => {
    const exploding = await explodingJob();
    place = exploding.place;
    const { job } = exploding.view.record;
    explosion = { store: place.platform.store, job, step: 'split', size: TASKS, leftOut: '' };
    for (let task = 0; task < TASKS; task += 1) await publishManyFiles(place.platform, job, task, FILES_EACH);
  });
  after(() => place.end());

  it('reads only a few outputs ahead of the current part', async () => {
    const { store, requests } = recordRequests(place.platform.store);
    const parts = fileParts({ ...explosion, store });
    for (let n = 0; n < 50 * FILES_EACH; n += 1) await parts.next();
    const read = requests.filter((request) => request.startsWith('read '));
    expect(new Set(read).size).to.be.within(50, 70);
    await parts.return(undefined);
  });

  it('makes two shards that different processes may write', async () => {
    expect(await countFiles(explosion)).to.equal(FILES);
    const opened = { format: 1, id: 'a', count: FILES, leftOut: '' } as const;
    const step = { ...explosion, taker: 'count', opened };
    const shard = (n: number): string => stepPartShardKey(explosion.job, 'count', n);
    await writeShards(step);
    const first = await readText(explosion.store, shard(0));
    const second = (await readText(explosion.store, shard(1))).trimEnd().split('\n');
    expect([first.trimEnd().split('\n').length, second.length]).to.deep.equal([10_000, FILES - 10_000]);
    const last = JSON.parse(second.at(-1) ?? '') as FilePart;
    expect(last).to.include({ n: FILES - 1, from: `split/${TASKS - 1}`, name: 'f00099' });

    await explosion.store.delete([shard(0)]);
    // Foreign objects are not shards.
    for (const name of ['00000.ndjson.bak', '00002.ndjson', 'notes']) {
      await explosion.store.put(`${stepPartsPrefix(explosion.job, 'count')}${name}`, '');
    }
    expect(await hasAllShards(step)).to.equal(false);
    await writeShards(step);
    expect(await readText(explosion.store, shard(0))).to.equal(first);
    expect(await hasAllShards(step)).to.equal(true);
  });

  it('writes no shard at all if the opening is of exactly one shard, and there are more files', async () => {
    const opened = { format: 1, id: 'a', count: 10_000, leftOut: '' } as const;
    await failsWith('corrupt', writeShards({ ...explosion, taker: 'full', opened }));
    expect(await explosion.store.head(stepPartShardKey(explosion.job, 'full', 0))).to.equal(null);
  });

  it('writes no last shard if the number of files differs from the opening', async () => {
    for (const [count, found] of [
      [FILES - 1, 'more'],
      [FILES + 1, String(FILES)],
    ] as const) {
      const opened = { format: 1, id: 'a', count, leftOut: '' } as const;
      const error = await failsWith('corrupt', writeShards({ ...explosion, taker: 'other', opened }));
      expect(error.message).to.include(`now contain ${found}`);
      expect(await explosion.store.head(stepPartShardKey(explosion.job, 'other', 1))).to.equal(null);
    }
  });
});
