// Protects: fetch to s3:// copies every output intact, resumes after a kill, and never mixes the outputs of two jobs.
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { expect } from 'chai';
import { bytesChecksum } from '../../src/lib/file-checksum.ts';
import { outKey } from '../../src/model/keys.ts';
import { openClients } from '../support/aws-clients.ts';
import { KEYS } from '../support/aws-keys.ts';
import { expectExit, expectKilled, jsonOf } from '../support/expect-exit.ts';
import { forEachTest, forSuite } from '../support/fixture.ts';
import { rangeJob } from '../support/range-job.ts';
import { RawBucket } from '../support/s3-bucket.ts';
import { keysBelow } from '../support/stored.ts';
import { Workspace } from '../support/workspace.ts';
import { emulatedWorkspace, emulators } from './emulated-aws.ts';
import { submitJob } from './submit-job.ts';

const checksumOf = (text: string): string => bytesChecksum(Buffer.from(text));
const jobOf = (items: number, step: object = { name: 'upper', run: 'tr a-z A-Z' }) =>
  rangeJob(`count-${items}`, items, step);

describe('fetch -o s3://', () => {
  const aws = forSuite(emulators);
  const workspace = forSuite(() => emulatedWorkspace({ worksHere: true }));
  const bucket = forEachTest(() => RawBucket.make(aws.s3));

  async function runJob(job: unknown): Promise<string> {
    const id = await submitJob(workspace, job);
    expectExit(await workspace.work({}, '--here'));
    return id;
  }

  const fetchJob = async (id: string, ...args: readonly string[]) =>
    jsonOf(await workspace.runSuccessfully('fetch', id, '--json', ...args));

  it('copies each output under its own name, then writes the manifest, and the marker last', async () => {
    const id = await runJob(jobOf(3));
    const result = await fetchJob(id, '-o', bucket.uri('out/'), '--name', 'n-{task}.txt');
    expect(result).to.include({ outputs: 3, missing: 0, kept: 0, bytes: 6, output: bucket.uri('out/') });
    const names = [0, 1, 2].map((n) => `n-00000000${n}.txt`);
    expect(await bucket.keys()).to.deep.equal(['out/_SUCCESS', 'out/_manifest.json', ...names.map((n) => `out/${n}`)]);
    expect(await bucket.read('out/n-000000001.txt')).to.equal('2\n');
    const manifest = JSON.parse((await bucket.read('out/_manifest.json')) ?? '');
    expect(manifest).to.include({ format: 1, job: id, name: 'count-3', step: 'upper', outputs: 3, bytes: 6 });
    expect(manifest.files[1]).to.deep.equal({ name: names[1], task: 1, size: 2, checksum: checksumOf('2\n') });
  });

  it('keeps the objects that are already correct, and copies the others again', async () => {
    const id = await runJob(jobOf(3));
    const target = ['-o', bucket.uri('')];
    await fetchJob(id, ...target);
    expect(await fetchJob(id, ...target)).to.include({ outputs: 3, kept: 3 });
    await bucket.put('000000001', 'x\n');
    expect(await fetchJob(id, ...target)).to.include({ outputs: 3, kept: 2 });
    expect(await bucket.read('000000001')).to.equal('2\n');
    expect(await bucket.keys('_SUCCESS')).to.have.length(1);
  });

  it('refuses an output that S3 copied but that is not the published one, names its task, and leaves no marker', async () => {
    const id = await runJob(jobOf(3));
    const { store } = await workspace.platform();
    const key = outKey(id, 'upper', 1);
    await store.put(key, 'X\n', { metadata: (await store.head(key))?.metadata ?? {} });
    const refused = await workspace.run(['fetch', id, '-o', bucket.uri('out/')]);
    expectExit(refused, 9);
    expect(refused.stderr).to.include('the output of upper/1 was altered after it was published');
    expect(refused.stderr).to.include(checksumOf('2\n')).and.include(checksumOf('X\n'));
    const keys = await bucket.keys('out/');
    for (const name of ['000000001', '_SUCCESS', '_manifest.json']) expect(keys).not.to.include(`out/${name}`);
  });

  it('replaces an object that states the right checksum, but of which S3 has computed another', async () => {
    const id = await runJob(jobOf(3));
    const target = ['-o', bucket.uri('out/')];
    await fetchJob(id, ...target);
    const metadata = { sha256: checksumOf('2\n').slice('sha256:'.length) };
    const client = await openClients({ s3: aws.s3 }).s3();
    const at = { Bucket: bucket.name, Key: 'out/000000001', Metadata: metadata };
    await client.send(new PutObjectCommand({ ...at, Body: 'X\n', ChecksumAlgorithm: 'SHA256' }));
    expect(await fetchJob(id, ...target)).to.include({ outputs: 3, kept: 2 });
    expect(await bucket.read('out/000000001')).to.equal('2\n');
  });

  for (const kill of ['place-file:2', 'place-manifest:1', 'place-marker:1']) {
    it(`leaves no marker when killed at ${kill}, and the same command completes it`, async () => {
      const id = await runJob(jobOf(3));
      const args = ['fetch', id, '-o', bucket.uri('out/')];
      expectKilled(await workspace.run(args, { BATCHCTL_TEST_KILL: kill }));
      expect(await bucket.keys('out/_SUCCESS')).to.deep.equal([]);
      await workspace.runSuccessfully(...args);
      expect(await bucket.keys()).to.have.length(5);
      expect(await bucket.read('out/000000002')).to.equal('3\n');
    });
  }

  it("refuses a target that contains another job's outputs; with --yes it removes them", async () => {
    const [four, three] = [await runJob(jobOf(4)), await runJob(jobOf(3))];
    const target = ['-o', bucket.uri('out/')];
    await fetchJob(four, ...target);
    await bucket.put('out/000000003', 'someone else wrote this\n');
    const refused = await workspace.run(['fetch', three, ...target]);
    expect(refused.code).to.equal(7);
    expect(refused.stderr).to.include(four).and.include('--yes');
    expect(JSON.parse((await bucket.read('out/_manifest.json')) ?? '')).to.include({ job: four });
    await fetchJob(three, ...target, '--yes');
    expect(JSON.parse((await bucket.read('out/_manifest.json')) ?? '')).to.include({ job: three, outputs: 3 });
    expect(await bucket.read('out/000000003'), "a stranger's object stays").to.include('someone else');
    await fetchJob(four, ...target, '--yes');
    await fetchJob(three, ...target, '--yes');
    expect(await bucket.keys('out/0')).to.deep.equal(['out/000000000', 'out/000000001', 'out/000000002']);
  });

  it('refuses a target with a foreign manifest', async () => {
    const id = await runJob(jobOf(1));
    await bucket.put('_manifest.json', '[1, 2]');
    expect(await workspace.run(['fetch', id, '-o', bucket.uri('')])).to.include({ code: 7 });
  });

  it('puts the files of a task below its number', async () => {
    const files = {
      name: 'two',
      output: 'files',
      run: 'cd "$BATCHCTL_OUTPUT_DIR" && echo a > a && mkdir b && echo c > b/c',
    };
    const id = await runJob(jobOf(1, files));
    await fetchJob(id, '-o', bucket.uri('out/'));
    expect(await bucket.keys('out/0')).to.deep.equal(['out/000000000/a', 'out/000000000/b/c']);
  });

  it('joins the outputs into one object, and rewrites it only if it changed', async () => {
    const id = await runJob(jobOf(3));
    const target = ['-o', bucket.uri('all.txt')];
    expect(await fetchJob(id, ...target)).to.include({ outputs: 3, kept: 0, bytes: 6 });
    expect(await bucket.read('all.txt')).to.equal('1\n2\n3\n');
    expect(await bucket.keys()).to.deep.equal(['all.txt']);
    expect(await fetchJob(id, ...target)).to.include({ outputs: 3, kept: 3, bytes: 6 });
    await bucket.put('all.txt', 'other');
    expect(await fetchJob(id, ...target)).to.include({ kept: 0 });
    expect(await bucket.read('all.txt')).to.equal('1\n2\n3\n');
  });

  it("never replaces an input of the job, joined or by name, below the bucket's top or not", async () => {
    await bucket.put('in/a.csv', 'mine');
    const id = await runJob({
      name: 'of-objects',
      input: { from: bucket.uri('in/a.csv'), split: { by: 'file' } },
      steps: [{ name: 'upper', run: 'tr a-z A-Z' }],
    });
    for (const target of [
      ['-o', bucket.uri('in/a.csv')],
      ['-o', bucket.uri('in/a.csv'), '--header', 'once'],
      ['-o', bucket.uri('in/'), '--name', '{input}', '--yes'],
      ['-o', bucket.uri(''), '--name', 'in/{input}', '--yes'],
    ]) {
      const refused = expectExit(await workspace.run(['fetch', id, ...target]), 7);
      expect(refused.stderr, target.join(' ')).to.include(`${bucket.uri('in/a.csv')}: it is an input of job ${id}`);
    }
    expect(await bucket.keys()).to.deep.equal(['in/a.csv']);
    expect(await bucket.read('in/a.csv')).to.equal('mine');
    await fetchJob(id, '-o', bucket.uri('a.csv'));
    await fetchJob(id, '-o', bucket.uri('out/'), '--name', '{input}');
    expect(await bucket.read('out/a.csv')).to.equal('MINE');
  });

  it('replaces an object that was joined from other outputs of the same size', async () => {
    const [one, other] = [await runJob(jobOf(2)), await runJob(jobOf(2, { name: 'upper', run: 'tr 12 34' }))];
    const target = ['-o', bucket.uri('all.txt')];
    await fetchJob(one, ...target);
    expect(await fetchJob(other, ...target)).to.include({ outputs: 2, kept: 0 });
    expect(await bucket.read('all.txt')).to.equal('3\n4\n');
  });

  it('keeps only the first header line when joining with --header once', async () => {
    const id = await runJob(jobOf(3, { name: 'rows', run: 'echo head; cat' }));
    await fetchJob(id, '-o', bucket.uri('all.csv'), '--header', 'once');
    expect(await bucket.read('all.csv')).to.equal('head\n1\n2\n3\n');
    const bytes = ['-o', bucket.uri('all.csv'), '--header', 'once', '--join', 'bytes'];
    expect(await fetchJob(id, ...bytes), 'joined otherwise').to.include({ kept: 0 });
    expect(await fetchJob(id, ...bytes)).to.include({ kept: 3 });
  });

  it('adds a line end between records of text, in small and large outputs, and none with --join bytes', async () => {
    const rows = 'a row of it\r\n'.repeat(800_000);
    workspace.write('text', 'small\nlarge\nsmall\n');
    const run = `read n; if [ $n = small ]; then printf 1; else yes "$(printf 'a row of it\\r')" | head -n 800000; printf 2; fi`;
    const id = await runJob({
      name: 'text',
      input: { from: 'text', split: { by: 'lines', every: 1 } },
      steps: [{ name: 'rows', run }],
    });
    const target = ['-o', bucket.uri('all.txt')];
    const lines = `1\n${rows}2\r\n1`;
    expect(await fetchJob(id, ...target)).to.include({ outputs: 3, kept: 0, bytes: lines.length });
    expect(await bucket.read('all.txt')).to.equal(lines);
    expect(await fetchJob(id, ...target)).to.include({ kept: 3 });
    const bytes = `1${rows}21`;
    expect(await fetchJob(id, ...target, '--join', 'bytes')).to.include({ kept: 0, bytes: bytes.length });
    expect(await bucket.read('all.txt')).to.equal(bytes);
    expect(await fetchJob(id, ...target), 'what was joined otherwise is written again').to.include({ kept: 0 });
  });

  it('refuses --header once if an output begins with a different line, and leaves the object unchanged', async () => {
    const id = await runJob(jobOf(2));
    await bucket.put('all.csv', 'before');
    const refused = expectExit(await workspace.run(['fetch', id, '-o', bucket.uri('all.csv'), '--header', 'once']), 7);
    expect(refused.stderr).to.include('expected "1"').and.include('found "2"');
    expect(await bucket.read('all.csv')).to.equal('before');
    expect(await bucket.keys()).to.deep.equal(['all.csv']);
  });

  it('refuses an invalid bucket name before a run starts', async () => {
    workspace.write('job.json', jobOf(1));
    const ran = await workspace.run(['run', 'job.json', '-o', 's3://Not_A_Bucket/x']);
    expect(ran.code).to.equal(2);
    expect(ran.stderr).to.include('expected s3://BUCKET').and.not.include('job count');
  });

  it('exits 4 for a bucket that does not exist, and writes nothing', async () => {
    const id = await runJob(jobOf(1));
    const ended = await workspace.run(['fetch', id, '-o', 's3://no-such-bucket-at-all/out/']);
    expect(ended.code).to.equal(4);
    expect(ended.stderr).to.include('no-such-bucket-at-all').and.not.include('infra up');
  });

  it("writes nothing with another account's credentials", async () => {
    const id = await runJob(jobOf(1));
    const config = JSON.parse(workspace.lines('batchctl.config.json').join(''));
    config.profiles.lab.account = '999999999999';
    workspace.write('other.json', config);
    const ended = await workspace.run(['fetch', id, '-o', bucket.uri('out/'), '--config', 'other.json']);
    expect(ended.code).to.equal(3);
    expect(ended.stderr).to.include('999999999999');
    expect(await bucket.keys()).to.deep.equal([]);
  });

  describe('from the local profile', () => {
    const local = forEachTest(() => new Workspace());

    it('uploads small, large and joined outputs after verifying what it read', async () => {
      const env = { AWS_ENDPOINT_URL_S3: aws.s3, ...KEYS };
      const run = 'read n; if [ $n = 1 ]; then echo one; else head -c 20000000 /dev/zero | tr "\\0" x; fi';
      local.write('job.json', jobOf(2, { name: 'make', run }));
      expectExit(await local.run(['run', 'job.json', '-o', bucket.uri('out/')], env));
      expect(await bucket.read('out/000000000')).to.equal('one\n');
      expect(await bucket.read('out/000000001')).to.equal('x'.repeat(20_000_000));
      expect(await bucket.keys('out/_')).to.deep.equal(['out/_SUCCESS', 'out/_manifest.json']);
      const again = jsonOf(await local.run(['fetch', 'last', '--json', '-o', bucket.uri('out/')], env));
      expect(again).to.include({ kept: 2 });
      expectExit(await local.run(['fetch', 'last', '--json', '-o', bucket.uri('all')], env));
      expect((await bucket.read('all'))?.length).to.equal(20_000_004);
    });

    for (const [what, bytes] of [
      ['small', 3],
      ['large', 12_000_000],
    ] as const) {
      it(`uploads no ${what} output that was altered after it was published, and names its task`, async () => {
        const env = { AWS_ENDPOINT_URL_S3: aws.s3, ...KEYS };
        local.write('job.json', jobOf(1, { name: 'make', run: `head -c ${bytes} /dev/zero` }));
        expectExit(await local.run(['run', 'job.json', '--quiet'], env));
        const { store } = await local.platform();
        for (const key of await keysBelow(store, 'jobs/')) {
          const info = await store.head(key);
          if (info?.size === bytes) await store.put(key, Buffer.alloc(bytes, 'x'), { metadata: info.metadata });
        }
        const refused = expectExit(await local.run(['fetch', 'last', '-o', bucket.uri('out/')], env), 9);
        expect(refused.stderr).to.include('the output of make/0 was altered after it was published');
        for (const name of ['000000000', '_SUCCESS', '_manifest.json'])
          expect(await bucket.keys(`out/${name}`)).to.deep.equal([]);
      });
    }
  });
});
