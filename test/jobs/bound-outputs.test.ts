// Protects: an output counts only for the job, step and task that made it, and a task reads only published bytes.
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { deliverNow } from '../../src/jobs/deliver/deliver.ts';
import { fetchOutputs } from '../../src/jobs/fetch/fetch.ts';
import { parseTarget } from '../../src/jobs/fetch/target.ts';
import { verifiedOutput } from '../../src/jobs/fetch/verified.ts';
import { requireView } from '../../src/jobs/journal.ts';
import { findOutputs } from '../../src/jobs/submit/job-outputs.ts';
import { parseTaskName } from '../../src/jobs/tasks.ts';
import { verifyJob } from '../../src/jobs/verify/verify-job.ts';
import { look } from '../../src/jobs/watch/look.ts';
import { bytesChecksum } from '../../src/lib/file-checksum.ts';
import { failedKey, outKey, stagedPrefix, stepPartShardKey } from '../../src/model/keys.ts';
import type { OutputManifest } from '../../src/model/output.ts';
import { type JobView, stateOf } from '../../src/model/view.ts';
import { reproduce } from '../../src/worker/reproduce.ts';
import { forEachTest } from '../support/fixture.ts';
import { failsWith, rejection } from '../support/rejection.ts';
import { EXPLODING, publishFiles, publishRest } from './exploding-job.ts';
import { attemptOf, openPlace, publishManifest, publishSmall } from './published-job.ts';
import { runHere } from './run-here.ts';
import { changeMeta, changeText, readText } from './stored-text.ts';
import { publishAll, submitJob, work } from './submitted-job.ts';

const CHAIN = `
name: claims
input: { split: { by: range, from: 1, to: 3 } }
steps:
  - { name: price, run: [cat] }
  - { name: convert, attempts: 1, run: [cat] }
`;
const GATHER = CHAIN.replace('convert, attempts: 1, run: [cat]', 'totals, gather: true, run: [cat]');
const FILES = CHAIN.replace('run: [cat]', 'output: files, run: [cat]');

describe('outputs are bound to their task', () => {
  const place = forEachTest(openPlace);

  const verify = (view: JobView, deep = false) => verifyJob(place.platform, view, { deep });
  const fetchTo = (view: JobView, to: string): Promise<unknown> => {
    const target = parseTarget(to, { cwd: place.directory, write: async () => undefined });
    return fetchOutputs(place.platform, view, { target, header: null, step: 'price' });
  };
  const fileKey = ({ record }: JobView, task: number, name = 'b'): string =>
    `${stagedPrefix(record.job, 'price', task, attemptOf('price', task))}files/${name}`;

  /** Copies the bytes and metadata of an output to another output's key, as `cp` does. */
  async function copyTo(view: JobView, step: string, task: number, from = outKey(view.record.job, 'price', 0)) {
    await place.platform.store.copy(from, outKey(view.record.job, step, task));
  }

  const changeManifest = ({ record }: JobView, task: number, change: (manifest: OutputManifest) => object) =>
    changeText(place.platform.store, outKey(record.job, 'price', task), (text) =>
      JSON.stringify(change(JSON.parse(text) as OutputManifest)),
    );

  const publishedChain = async () => publishAll(place.platform, await submitJob(place, CHAIN, {}));

  /** Two files of each of the three tasks of `price` are published, and nothing else. */
  async function publishedFiles(yaml = FILES): Promise<JobView> {
    const view = await submitJob(place, yaml, {});
    for (const n of [0, 1, 2]) {
      await publishManifest({ platform: place.platform, view }, 'price', n, { a: `a${n}`, b: `b${n}` });
    }
    return view;
  }

  describe('verify', () => {
    it("finds another task's output without reading bytes, names both, and exits with 9", async () => {
      const view = await publishedChain();
      await copyTo(view, 'price', 1);
      const { verdict, altered, problems } = await verify(view);
      expect([verdict, altered]).to.deep.equal(['failed', ['price/1']]);
      const key = outKey(view.record.job, 'price', 1);
      expect(problems[0]?.message).to.equal(
        'the output of price/1 differs from what was published: ' +
          `expected the output of price/1 at ${key}, found that of price/0 of job ${view.record.job}`,
      );
      const { code, stderr } = await runHere(place.directory, ['verify', view.record.job]);
      expect(code).to.equal(9);
      expect(stderr).to.include('price/0').and.include('price/1');
    });

    it('finds the output of the same task in another step or job', async () => {
      const view = await publishedChain();
      await copyTo(view, 'convert', 0);
      const found = await verify(view);
      expect(found.altered).to.deep.equal(['convert/0']);
      expect(found.problems[0]?.message).to.include('found that of price/0');
      const other = await publishedChain();
      await copyTo(other, 'price', 2, outKey(view.record.job, 'price', 2));
      const { altered, problems } = await verify(other);
      expect(altered).to.deep.equal(['price/2']);
      expect(problems[0]?.message).to.include(`found that of price/2 of job ${view.record.job}`);
    });

    it("finds another task's manifest, and a manifest that itself names another task", async () => {
      const view = await publishAll(place.platform, await publishedFiles());
      await copyTo(view, 'price', 1);
      await changeManifest(view, 2, (manifest) => ({ ...manifest, meta: { ...manifest.meta, task: 0 } }));
      const { altered, problems } = await verify(view);
      expect(altered).to.deep.equal(['price/1', 'price/2']);
      for (const { message } of problems) expect(message).to.include('found that of price/0');
    });

    it('finds a manifest and metadata that name different attempts', async () => {
      const view = await publishAll(place.platform, await publishedFiles());
      await changeMeta(place.platform.store, outKey(view.record.job, 'price', 1), { attempt: 'bbbbbbbbbbbbbbbb' });
      const { altered, problems } = await verify(view);
      expect(altered).to.deep.equal(['price/1']);
      expect(problems[0]?.message).to.include(`of different attempts, ${attemptOf('price', 1)} and bbbbbbbbbbbbbbbb`);
    });

    it("finds a manifest that lists another task's file, and one without a list", async () => {
      const view = await publishAll(place.platform, await publishedFiles());
      const otherKey = fileKey(view, 0, 'a');
      await changeManifest(view, 1, ({ files, ...rest }) => ({
        ...rest,
        files: files.map((file) => ({ ...file, key: file.key.replace(/.*files\/a$/, otherKey) })),
      }));
      await changeManifest(view, 2, ({ files: _, ...rest }) => rest);
      const { altered, problems } = await verify(view);
      expect(altered).to.deep.equal(['price/1', 'price/2']);
      expect(problems[0]?.message).to.include(
        `a manifest with ${JSON.stringify(otherKey)}, which that attempt staged at `,
      );
      expect(problems[1]?.message).to.include('expected files to be a list, found nothing');
    });

    it('finds a file of an output that was lengthened, truncated or removed, without reading bytes', async () => {
      const view = await publishAll(place.platform, await publishedFiles());
      const { store } = place.platform;
      await store.put(fileKey(view, 0), 'b0 and more');
      await store.put(fileKey(view, 1), 'b');
      await store.delete([fileKey(view, 2)]);
      const { problems } = await verify(view);
      for (const [n, why] of ['has 11 bytes, but 2 were published', 'has 1 bytes, but 2', 'is gone'].entries()) {
        expect(problems[n]?.message).to.include(`price/${n}`).and.include(why);
      }
    });

    it('finds one attempt in two places, although the copy names the task in whose place it is', async () => {
      const view = await publishedChain();
      for (const [step, task] of [
        ['price', 2],
        ['convert', 1],
      ] as const) {
        await copyTo(view, step, task);
        await changeMeta(place.platform.store, outKey(view.record.job, step, task), { step, task });
      }
      const { altered, problems } = await verify(view, true);
      expect(altered).to.deep.equal(['price/2', 'convert/1']);
      expect(problems[0]?.message)
        .to.include('price/2')
        .and.include('also made the output of price/0, so one of them is a copy');
    });
  });

  describe('a reader refuses the output of another task and names both:', () => {
    const stageInput = (view: JobView, task: string): Promise<unknown> => {
      const directory = join(place.directory, 'staged');
      const signal = new AbortController().signal;
      return reproduce(place.platform, view, { task: parseTaskName(view, task), directory, signal });
    };
    const gather = async (view: JobView) => stageInput((await look(place.platform, view)).view, 'totals/0');
    const readers: readonly (readonly [reader: string, yaml: string, (view: JobView) => Promise<unknown>])[] = [
      ['the next step', CHAIN, (view) => stageInput(view, 'convert/1')],
      ['the next step, with many files', FILES, (view) => stageInput(view, 'convert/1')],
      ['a gather', GATHER, gather],
      ['a gather by directory', GATHER.replace('gather: true', 'gather: true, input: dir'), gather],
      ['a gather by list', GATHER.replace('gather: true', 'gather: true, input: list'), gather],
      [
        'an explode',
        FILES.replace('output: files', 'output: files, explode: true'),
        (view) => look(place.platform, view),
      ],
      ['fetch into a directory', CHAIN, (view) => fetchTo(view, 'out/')],
      ['fetch into a file', CHAIN, (view) => fetchTo(view, 'all.txt')],
    ];
    for (const [reader, yaml, read] of readers) {
      it(reader, async () => {
        const many = yaml.includes('output: files');
        const view = many ? await publishedFiles(yaml) : await submitJob(place, yaml, {});
        const job = { platform: place.platform, view };
        if (!many) for (const n of [0, 1, 2]) await publishSmall(job, 'price', n, `${n}\n`);
        await copyTo(view, 'price', 1);
        const error = await failsWith('corrupt', read(view));
        expect(error.message).to.match(/^expected the output of price\/1 at .*, found that of price\/0 of job/);
      });
    }

    it('delivery', async () => {
      const view = await publishAll(
        place.platform,
        await submitJob(place, CHAIN.replace('name: claims', 'name: claims\ndeliver: { to: results }'), {}),
      );
      await copyTo(view, 'convert', 1, outKey(view.record.job, 'convert', 0));
      const error = await rejection(deliverNow(place.platform, view));
      expect(error.message).to.include('is not delivered').and.include('found that of convert/0');
      expect(readdirSync(join(place.directory, 'results'))).not.to.include('_SUCCESS');
    });

    it('another job', async () => {
      const view = await publishedChain();
      await copyTo(view, 'price', 1);
      const name = `job:${view.record.job}/price`;
      const error = await rejection(findOutputs(name, place.platform.store, async () => view));
      expect(error.message).to.include('found that of price/0');
    });

    it('even with a manifest that was rewritten to match another file', async () => {
      const view = await publishedFiles();
      const key = fileKey(view, 1);
      await place.platform.store.put(key, 'bX');
      const checksum = bytesChecksum(Buffer.from('bX'));
      await changeManifest(view, 1, ({ files, ...rest }) => ({
        ...rest,
        files: files.map((file) => (file.key === key ? { ...file, checksum } : file)),
      }));
      const source = { store: place.platform.store, job: view.record.job, step: 'price' };
      const error = await failsWith('proof', verifiedOutput(source, 1));
      expect(error.message).to.contain('price/1 was altered after it was published');
    });

    it("a part whose file was staged by another job's task", async () => {
      const [job, other] = [await submitJob(place, EXPLODING, {}), await submitJob(place, EXPLODING, {})];
      for (const view of [job, other]) {
        await publishFiles(place, view);
        await look(place.platform, view);
      }
      const { store } = place.platform;
      const view = await requireView(store, job.record.job);
      await store.copy(stepPartShardKey(other.record.job, 'count', 0), stepPartShardKey(view.record.job, 'count', 0));
      const { view: now } = await look(place.platform, view);
      const error = await failsWith('corrupt', stageInput(now, 'count/1'));
      expect(error.message).to.include('split/0').and.include(other.record.job);
      expect((await verify(await publishRest(place, now, 5))).problems.map(({ code }) => code)).to.include(
        'partAltered',
      );
    });
  });

  describe('a task reads only published bytes:', () => {
    const altered: readonly (readonly [what: string, before: string, after: string])[] = [
      ['a few changed bytes', 'one\n', 'two\n'],
      ['one changed byte of some megabytes', 'a'.repeat(2 ** 21), `${'a'.repeat(9)}b`.padEnd(2 ** 21, 'a')],
      ['an output that was truncated to nothing', 'one\n', ''],
      ['an output with content where none was published', '', 'one\n'],
    ];
    for (const [what, before, after] of altered) {
      it(`${what}: the task of the next step fails, and names it`, async () => {
        const { platform } = place;
        const view = await submitJob(place, CHAIN.replace('to: 3', 'to: 1'), {});
        const { job } = view.record;
        await publishSmall({ platform, view }, 'price', 0, before);
        await changeText(platform.store, outKey(job, 'price', 0), () => after);
        await work(platform);
        expect(stateOf(await requireView(platform.store, job))).to.equal('failed');
        const record = JSON.parse(await readText(platform.store, failedKey(job, 'convert', 0, 0)));
        expect(record).to.include({ reason: 'proof' });
        expect(record.error).to.include('the output of price/0 was altered after it was published');
      });
    }

    it('an output that was truncated to nothing is in no gather and is not fetched', async () => {
      const view = await publishedChain();
      await changeText(place.platform.store, outKey(view.record.job, 'price', 1), () => '');
      const directory = join(place.directory, 'out');
      mkdirSync(directory);
      for (const to of ['out/', 'out/all.txt']) {
        const error = await rejection(fetchTo(view, to));
        expect(error.message).to.include('the output of price/1 was altered');
      }
      expect(readdirSync(directory)).not.to.include.members(['000000001', 'all.txt']);
    });
  });
});
