// Protects: results are named after their inputs, below the target, and two never share a name; a task names what it began with.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { BatchctlError } from '../../../src/errors.ts';
import { indexFinder, inputPathFinder, originFinder, pathsOf } from '../../../src/jobs/fetch/input-names.ts';
import { checkNames } from '../../../src/jobs/fetch/names.ts';
import { parseJobFile } from '../../../src/jobs/spec/job-file.ts';
import type { JobRecord } from '../../../src/model/job.ts';
import { partShardKey, stepPartShardKey } from '../../../src/model/keys.ts';
import type { Rehearsal } from '../../../src/model/rehearsal.ts';
import type { JobView } from '../../../src/model/view.ts';
import { viewOf } from '../../model/job-of.ts';
import { forEachTest } from '../../support/fixture.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { failsWith, rejection } from '../../support/rejection.ts';
import { wrapStore } from '../../support/wrap-store.ts';
import { openPlace } from '../published-job.ts';

/** A job with these inputs. */
const jobOf = (from: readonly string[], names = from) => {
  const job = { name: 'n', input: { from, split: { by: 'file' } }, steps: [{ name: 'map', run: ['cat'] }] };
  const source = { kind: 'pipe' } as const;
  return {
    spec: parseJobFile(JSON.stringify(job), { file: 'job.yaml' }),
    inputs: names.map((name) => ({ name, size: 0, checksum: null, source })),
  };
};

describe('the path of a result', () => {
  const place = forEachTest(openPlace);
  const table: readonly (readonly [from: string, names: string, paths: string])[] = [
    ['videos/a.mp4', 'videos/a.mp4', 'a.mp4'],
    ['videos/*.mp4', 'videos/a.mp4 videos/b.mp4', 'a.mp4 b.mp4'],
    ['in/**/*.csv', 'in/x/a.csv', 'x/a.csv'],
    ['in', 'in/x/a.csv in/x/b.csv', 'x/a.csv x/b.csv'],
    ['in/{x,y}/*.csv', 'in/x/a.csv', 'x/a.csv'],
    ['a/x.csv b/x.csv', 'a/x.csv b/x.csv', 'a/x.csv b/x.csv'],
    ['a[1]/x.csv', 'a[1]/x.csv', 'x.csv'],
    ['/data/in/*.csv', '/data/in/a.csv', 'a.csv'],
    ['../in/*.csv', '../in/a.csv ../in/b.csv', 'a.csv b.csv'],
    ['../x/a.csv b.csv', '../x/a.csv b.csv', 'x/a.csv b.csv'],
    ['../../etc/passwd /etc/shadow', '../../etc/passwd /etc/shadow', 'etc/passwd etc/shadow'],
    ['./a//b/../c.csv', './a//b/../c.csv', 'c.csv'],
    ['s3://bucket/in/', 's3://bucket/in/x/a.csv s3://bucket/in/b.csv', 'x/a.csv b.csv'],
    ['s3://bucket/in/../../x', 's3://bucket/in/../../x', 'x'],
    ['store:in/*', 'store:in/a.csv', 'a.csv'],
    ['store:a.csv b.csv', 'store:a.csv b.csv', 'a.csv b.csv'],
    ['job:last/price', 'job:j-1/price/0 job:j-1/price/1', '0 1'],
    ['-', '-', 'stdin'],
  ];
  for (const [from, names, paths] of table) {
    it(`of ${names}, given as ${from}, is ${paths}`, () => {
      expect(pathsOf(jobOf(from.split(' '), names.split(' '))).join(' ')).to.equal(paths);
    });
  }

  const target = { kind: 'directory' as const, path: '/nowhere', text: 'nowhere/' };
  const check = (names: readonly string[], name?: string) => checkNames(jobOf(names), name, target);

  it('is refused before the work if another result has the same path, or one below it', async () => {
    for (const [names, name] of [
      [['../x/a.csv', 'x/a.csv']],
      [['x/a.mp4', 'y/a.mp4'], '{stem}.json'],
      [['s3://b/p/x', 's3://b/p/x/y']],
      [['s3://b/p/x/y', 's3://b/p/x']],
      [['a.csv', 'b.csv'], '{step}'],
    ] as const) {
      const error = await failsWith('usage', check(names, name));
      expect(error.message).to.include('tasks 0 and 1 would have the same file name');
    }
    await check(['x/a.mp4', 'y/a.mp4'], '{dir}/{stem}.json');
    await check(['x/a.mp4', 'y/a.mp4'], '{stem}-{index}.json');
    await check(['a.csv', 'b.csv'], '{job}');
  });

  it('is not refused behind a gather, whose one result has the name of its step', async () => {
    const job = jobOf(['a.csv', 'b.csv']);
    const steps = [
      { name: 'map', run: ['cat'] },
      { name: 'all', gather: true, run: ['cat'] },
    ];
    const spec = parseJobFile(
      JSON.stringify({ name: 'n', input: { from: ['a.csv', 'b.csv'], split: { by: 'file' } }, steps }),
      {
        file: 'job.yaml',
      },
    );
    await checkNames({ ...job, spec }, undefined, target);
    expect((await failsWith('usage', checkNames({ ...job, spec }, '{stem}', target))).message).to.include(
      "{stem} can't be used after a gather",
    );
  });

  it('is refused before the work if it is an input, here or in a bucket', async () => {
    const path = join(place.directory, 'a.csv');
    writeFileSync(path, 'x');
    const { spec } = jobOf(['a.csv']);
    const input = { name: 'a.csv', size: 1, checksum: null };
    const local = { spec, inputs: [{ ...input, source: { kind: 'pipe' } as const, path }] };
    const here = { kind: 'directory' as const, path: place.directory, text: './' };
    expect((await failsWith('refused', checkNames(local, undefined, here))).message).to.include(path);
    await checkNames(local, '{stem}.txt', here);
    await checkNames(local, undefined, { ...here, path: join(place.directory, 'out') });

    const s3 = { kind: 's3', bucket: 'b', key: 'in/a.csv', etag: 'e', version: null } as const;
    const remote = { spec, inputs: [{ ...input, source: s3 }] };
    const bucket = (prefix: string) => ({ kind: 'bucket' as const, bucket: 'b', prefix, text: `s3://b/${prefix}` });
    const error = await failsWith('refused', checkNames(remote, undefined, bucket('in/')));
    expect(error.message).to.equal("can't write s3://b/in/a.csv: it is an input of job n");
    await checkNames(remote, undefined, bucket('out/'));
    const object = (key: string) => ({ kind: 'object', bucket: 'b', key, text: `s3://b/${key}` }) as const;
    await failsWith('refused', checkNames(remote, undefined, object('in/a.csv')));
    await checkNames(remote, undefined, object('in/b.csv'));
  });

  it('is refused before the work if the pattern cannot name the outputs', async () => {
    for (const name of ['{nmae}', '../{path}', '{name}', '/{task}', '']) {
      expect(await rejection(check(['a.csv'], name)), name).to.include({ kind: 'usage' });
    }
  });
});

describe('what a task began with', () => {
  const job = (fields: string): string => `name: claims\n${fields}\n`;
  const csv = (steps: string) =>
    job(`input: { from: [in/a.csv, in/b.csv], split: { by: lines, every: 2 } }\nsteps:\n${steps}`);
  const ONE = '  - { name: price, run: [cat] }\n';
  const GATHERED = `${ONE}  - { name: all, gather: true, run: [cat] }\n  - { name: end, run: [cat] }\n`;
  const EXPLODED = '  - { name: cut, run: [cat], output: files, explode: true }\n  - { name: use, run: [cat] }\n';
  const source = { kind: 'pipe' } as const;
  const viewWith = (yaml: string, more: Partial<JobRecord> = {}): JobView => {
    const view = viewOf([], yaml);
    const inputs = ['in/a.csv', 'in/b.csv'].map((name) => ({
      ...{ name, size: 8, source, checksum: null, records: null, compression: null },
    }));
    return { ...view, record: { ...view.record, inputs, ...more } };
  };
  /** Part 10,000 alone is in the second shard. */
  async function storeOf({ record }: JobView): Promise<MemoryStore> {
    const store = new MemoryStore();
    const part = (n: number, input: number, first: number) =>
      JSON.stringify({ n, kind: 'range', input, offset: 0, length: 4, records: 2, first });
    const lines = Array.from({ length: 10_000 }, (_, n) => part(n, n === 1 ? 1 : 0, 2 * n + 1));
    await store.put(partShardKey(record.job, 0), `${lines.join('\n')}\n`);
    await store.put(partShardKey(record.job, 1), `${part(10_000, 1, 7)}\n`);
    const file = (name: string) => `${JSON.stringify({ n: 0, kind: 'file', name })}\n`;
    await store.put(stepPartShardKey(record.job, 'use', 0), file('x/one.txt') + file('two.txt'));
    await store.put(stepPartShardKey(record.job, 'use', 1), file('last.txt'));
    return store;
  }

  it("is its part's input, and the records of it", async () => {
    const view = viewWith(csv(ONE));
    const store = await storeOf(view);
    const originOf = originFinder(store, view);
    const pathOf = inputPathFinder(store, view, 0);
    for (const [task, input, from, to] of [
      [0, 'in/a.csv', 1, 2],
      [1, 'in/b.csv', 3, 4],
      [10_000, 'in/b.csv', 7, 8],
    ] as const) {
      const origin = await originOf(0, task);
      expect([origin.input, origin.place]).to.deep.equal([input, { unit: 'lines', from, to }]);
      expect(await pathOf(task)).to.equal(input.slice('in/'.length));
    }
    expect(await originOf(0, 10_001)).to.deep.equal({ input: null, place: null, params: null });
  });

  it('is nothing from a gather on, and the name of the file behind an explode', async () => {
    const gathered = viewWith(csv(GATHERED));
    const originOf = originFinder(await storeOf(gathered), gathered);
    for (const step of [1, 2])
      expect(await originOf(step, 0)).to.deep.equal({ input: null, place: null, params: null });
    const exploded = viewWith(csv(EXPLODED));
    const store = await storeOf(exploded);
    const [fileOf, pathOf] = [originFinder(store, exploded), inputPathFinder(store, exploded, 1)];
    for (const [task, name] of [
      [0, 'x/one.txt'],
      [1, 'two.txt'],
      [10_000, 'last.txt'],
    ] as const) {
      expect(await fileOf(1, task)).to.deep.equal({ input: name, place: null, params: null });
      expect(await pathOf(task)).to.equal(name);
    }
    expect((await failsWith('corrupt', pathOf(2))).message).to.include('does not contain part 2');
  });

  it('is nothing where the list of parts is gone, which a name needs; a store that fails is an error', async () => {
    const view = viewWith(csv(ONE));
    const store = new MemoryStore();
    expect(await originFinder(store, view)(0, 0)).to.deep.equal({ input: null, place: null, params: null });
    const error = await failsWith('corrupt', inputPathFinder(store, view, 0)(0));
    expect([error.message, error.hint].join(' '))
      .to.include('lists the input of each task')
      .and.include('--name {task}');
    const read = () => Promise.reject(new BatchctlError('unavailable', 'no answer'));
    await failsWith('unavailable', originFinder(wrapStore(store, { read }), view)(0, 0));
  });

  it('is no input for a range, whose number is the index of its chain, also in a sample', async () => {
    const range = job(`input: { split: { by: range, from: 5, to: 8 } }\nsteps:\n${GATHERED}`);
    const view = viewWith(range);
    const store = new MemoryStore();
    const params = (n: number, index: string) => JSON.stringify({ n, kind: 'params', params: { index } });
    await store.put(partShardKey(view.record.job, 0), `${params(0, '6')}\n${params(1, '8')}\n`);
    expect(await originFinder(store, view)(0, 1)).to.deep.equal({ input: null, place: null, params: { index: '8' } });
    await failsWith('usage', inputPathFinder(store, view, 0)(1));
    expect(await indexFinder(store, view, 0)(1)).to.equal('6');
    expect(await indexFinder(store, view, 2)(0)).to.equal('0');
    const sampled = viewWith(range, { rehearsal: { of: { parts: 4 } } as Rehearsal });
    expect(await indexFinder(store, sampled, 0)(1)).to.equal('8');
    const lines = viewWith(csv(ONE));
    expect(await indexFinder(store, lines, 0)(1)).to.equal('1');
  });
});
