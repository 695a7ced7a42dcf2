// Protects: results are named after their inputs, below the target, and two never share a name.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { pathsOf } from '../../../src/jobs/fetch/input-names.ts';
import { checkNames } from '../../../src/jobs/fetch/names.ts';
import { parseJobFile } from '../../../src/jobs/spec/job-file.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith, rejection } from '../../support/rejection.ts';
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
  });

  it('is refused before the work if the pattern cannot name the outputs', async () => {
    for (const name of ['{nmae}', '../{path}', '{name}', '/{task}', '']) {
      expect(await rejection(check(['a.csv'], name)), name).to.include({ kind: 'usage' });
    }
  });
});
