// Protects: a job reads s3:// inputs in place, and never silently reads content that changed after submission.
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { KEYS } from '../support/aws-keys.ts';
import { expectExit, jsonLinesOf, jsonOf } from '../support/expect-exit.ts';
import { forEachTest, forSuite } from '../support/fixture.ts';
import { RawBucket } from '../support/s3-bucket.ts';
import { FaultProxy } from '../support/servers/fault-proxy.ts';
import { until } from '../support/until.ts';
import { Workspace } from '../support/workspace.ts';
import { emulatedWorkspace, emulators, expectNothingSpent } from './emulated-aws.ts';
import { submitJob } from './submit-job.ts';

const JOB = {
  name: 'count',
  input: { split: { by: 'lines', every: 2 } },
  steps: [{ name: 'upper', run: 'tr a-z A-Z' }],
};

/** Six lines: three parts. */
const LINES = 'a\nb\nc\nd\ne\nf\n';

describe('s3:// inputs read in place', () => {
  const aws = forSuite(emulators);
  const workspace = forSuite(() => emulatedWorkspace({ worksHere: true }));

  const submit = (job: unknown, ...flags: readonly string[]): Promise<string> => submitJob(workspace, job, ...flags);
  const work = async (job: string): Promise<{ readonly code: number | null; readonly output: string }> => {
    expectExit(await workspace.work({}, '--here'));
    const { code } = await workspace.run(['wait', job]);
    if (code !== 0) return { code, output: '' };
    return { code, output: (await workspace.runSuccessfully('fetch', job, '-o', '-')).stdout };
  };

  it('splits an object of another bucket in place, and copies none of it', async () => {
    const bucket = await RawBucket.make(aws.s3);
    await bucket.put('in/lines-2026-11.txt', LINES);
    const job = { ...JOB, input: { ...JOB.input, from: bucket.uri('in/lines-{period}.txt') } };
    const id = await submit(job, '--period', '2026-11', '--expect-inputs', '1');
    expect((await work(id)).output).to.equal(LINES.toUpperCase());
    expect(await bucket.keys()).to.deep.equal(['in/lines-2026-11.txt']);
    const proof = jsonOf(await workspace.runSuccessfully('verify', id, '--deep', '--json'));
    expect(proof).to.deep.include({ verdict: 'proven', warnings: [] });
    expect(proof.evidence.inputs.listed[0].source).to.include({ kind: 's3', bucket: bucket.name, version: null });
    await workspace.runSuccessfully('verify', id, '-o', 'evidence');
    await workspace.runSuccessfully('verify', '--check', 'evidence');
    expectExit(await workspace.run(['reproduce', id, 'upper/1', '-o', 'again', '--run']));
    expect(workspace.lines('again/input')).to.deep.equal(['c', 'd']);
  });

  it('reads all objects below a prefix, including compressed ones, except directory markers', async () => {
    const bucket = await RawBucket.make(aws.s3);
    await bucket.put('in/', '');
    await bucket.put('in/a.txt', 'a\nb\n');
    await bucket.put('in/b.txt.gz', Uint8Array.from(gzipSync('c\nd\n')));
    await bucket.put('other', 'x');
    workspace.write('job.json', JOB);
    const plan = jsonOf(await workspace.run(['plan', 'job.json', '--json', '--input', bucket.uri('in/')]));
    expect(plan).to.include({ parts: 2 });
    const id = await submit(JOB, '--input', bucket.uri('in/'));
    expect((await work(id)).output).to.equal('A\nB\nC\nD\n');
  });

  it('packs the objects below a prefix by its listing, and proves each of them', async () => {
    const bucket = await RawBucket.make(aws.s3);
    const names = Array.from({ length: 12 }, (_, n) => `in/${n % 2}/${n}.txt`).sort();
    for (const name of names) await bucket.put(name, `${name}\n`);
    await bucket.put('in/1/', '');
    const steps = [{ name: 'show', input: 'list', run: 'xargs -d "\\n" cat' }];
    const job = { name: 'packed', input: { from: bucket.uri('in/'), split: { by: 'file', pack: 5 } }, steps };
    const id = await submit(job);
    expect((await work(id)).output).to.equal(names.map((name) => `${name}\n`).join(''));
    const proof = jsonOf(await workspace.runSuccessfully('verify', id, '--deep', '--json'));
    expect(proof).to.deep.include({ verdict: 'proven', warnings: [] });
    expect(proof.checked).to.include({ parts: 3, inputs: 12 });
    const late = await submit({ ...job, name: 'late' });
    await bucket.put('in/1/7.txt', 'other\n');
    expect((await work(late)).code).to.equal(5);
    const failed = jsonLinesOf(await workspace.run(['tasks', late, '--state', 'failed', '--json']));
    expect(failed.map(({ task, reason }) => ({ task, reason }))).to.deep.equal([{ task: 2, reason: 'changed' }]);
    expect(failed[0].error).to.include(`${bucket.uri('in/1/7.txt')} has changed`);
  });

  it('reads each object as a whole, including an empty one', async () => {
    const bucket = await RawBucket.make(aws.s3);
    await bucket.put('in/a', 'one');
    await bucket.put('in/b', '');
    const id = await submit({ ...JOB, input: { from: bucket.uri('in/*'), split: { by: 'file' } } });
    expect((await work(id)).output).to.equal('ONE');
  });

  it('fails tasks at once, with the reason, when their object was overwritten', async () => {
    const bucket = await RawBucket.make(aws.s3);
    await bucket.put('a.txt', LINES);
    const id = await submit(JOB, '--input', bucket.uri('a.txt'));
    await bucket.put('a.txt', LINES.replace('a', 'z'));
    expect((await work(id)).code).to.equal(5);
    const causes = (await workspace.runSuccessfully('failures', id)).stdout;
    expect(causes).to.include('has changed since it was opened for this job: it was overwritten');
    for (const task of jsonLinesOf(await workspace.run(['tasks', id, '--json'])))
      expect(task).to.include({ state: 'failed', attempts: 1 });
  });

  it('pauses the job after repeated denials of an input, spends no attempt, and continues once that is fixed', async () => {
    const proxy = await FaultProxy.start(aws.s3);
    const denied = await emulatedWorkspace({ s3: proxy.url, worksHere: true });
    try {
      const bucket = await RawBucket.make(aws.s3);
      await bucket.put('a.txt', LINES);
      const id = await submitJob(denied, JOB, '--input', bucket.uri('a.txt'));
      const denies = { kind: 'answer', status: 403, code: 'AccessDenied' } as const;
      proxy.fail(Number.POSITIVE_INFINITY, denies, ({ url }) => url.startsWith(`/${bucket.name}/`));
      const [watched, worker] = await Promise.all([denied.run(['watch', id]), denied.work({}, '--here')]);
      expect([watched.code, worker.code], worker.stderr).to.deep.equal([7, 0]);
      const why = jsonOf(await denied.run(['why', id, '--json']), 11);
      expect(why.causes[0]).to.include({ code: 'accessDenied', severity: 'stops' });
      expect(why.causes[0].evidence[0]).to.include(`s3:GetObject on arn:aws:s3:::${bucket.name}/a.txt is denied`);
      expect(why.causes[0].evidence[0]).to.include(`add s3://${bucket.name}/ to groups.default.read`);
      const status = jsonOf(await denied.runSuccessfully('status', id, '--json'));
      expect(status).to.include({ state: 'paused', reason: 'denied' });
      proxy.heal();
      await denied.runSuccessfully('resume', id);
      const [ended] = await Promise.all([denied.run(['watch', id]), denied.work({}, '--here')]);
      expectExit(ended);
      await expectNothingSpent(denied, id);
    } finally {
      await denied.remove();
      await proxy.close();
    }
  });

  it('reads the submitted version of an object if the bucket keeps versions', async () => {
    const bucket = await RawBucket.make(aws.s3, { versions: true });
    await bucket.put('a.txt', LINES);
    const id = await submit(JOB, '--input', bucket.uri('a.txt'));
    await bucket.put('a.txt', 'other\n');
    expect((await work(id)).output).to.equal(LINES.toUpperCase());
    const proof = jsonOf(await workspace.runSuccessfully('verify', id, '--deep', '--json'));
    expect(proof).to.deep.include({ verdict: 'proven', warnings: [] });
  });

  describe('opened by their commands', () => {
    /** Reads the URL as ffmpeg or curl do, and prints it. */
    const get = (after = ''): object => ({
      name: 'get',
      input: 'url',
      attempts: 2,
      run: `curl -sSf -r 2-3 -- "$BATCHCTL_INPUT" && echo "$BATCHCTL_INPUT" >&2; ${after}`,
    });
    const job = (from: string, step: object): object => ({
      name: 'films',
      input: { from, split: { by: 'file' } },
      steps: [step],
    });

    for (const versions of [false, true]) {
      it(`have a signed URL, ${versions ? 'of the accepted version' : 'and are compared afterwards'}`, async () => {
        const bucket = await RawBucket.make(aws.s3, { versions });
        await bucket.put('in/a b+c.txt', LINES);
        const id = await submit(job(bucket.uri('in/'), get()));
        if (versions) await bucket.put('in/a b+c.txt', 'other\n');
        expect((await work(id)).output).to.equal('b\n');
        const log = (await workspace.runSuccessfully('logs', id)).stdout;
        expect(log).to.match(/\/in\/a%20b%2Bc\.txt\?\*\*\*\*\n$/);
        expect(log).to.not.include('X-Amz');
      });
    }

    it('are read from the own store, too, and fail as changed if they are overwritten while they are read', async () => {
      mkdirSync(workspace.path('films'), { recursive: true });
      workspace.write('films/a.txt', LINES);
      const id = await submit(job('films', get()));
      expect((await work(id)).output).to.equal('b\n');
      const bucket = await RawBucket.make(aws.s3);
      await bucket.put('a.txt', LINES);
      workspace.write('gate', '');
      const wait = `touch '${workspace.path('begun')}'; while [ -e '${workspace.path('gate')}' ]; do sleep 0.05; done`;
      const late = await submit(job(bucket.uri('a.txt'), get(wait)));
      const worked = work(late);
      await until('the command to begin', () => existsSync(workspace.path('begun')));
      await bucket.put('a.txt', 'z\n');
      rmSync(workspace.path('gate'));
      expect((await worked).code).to.equal(5);
      const [failed] = jsonLinesOf(await workspace.run(['tasks', late, '--state', 'failed', '--json']));
      expect(failed).to.include({ reason: 'changed', attempts: 1 });
      expect(failed.error).to.include('it was overwritten');
    });
  });

  it('refuses a run key again if the object has other content', async () => {
    const bucket = await RawBucket.make(aws.s3);
    await bucket.put('a.txt', LINES);
    const flags = ['--input', bucket.uri('a.txt'), '--run-key', 'once'];
    const id = await submit(JOB, ...flags);
    expect(await submit(JOB, ...flags)).to.equal(id);
    await bucket.put('a.txt', LINES.replace('a', 'z'));
    expect(await workspace.run(['submit', 'job.json', ...flags])).to.include({ code: 7 });
    await workspace.runSuccessfully('cancel', id, '--yes');
  });

  it('waits for an object with --await-input, and exits 4 if it does not exist', async () => {
    const bucket = await RawBucket.make(aws.s3);
    const flags = ['--input', bucket.uri('late.txt')];
    workspace.write('job.json', JOB);
    const missing = expectExit(await workspace.run(['submit', 'job.json', ...flags]), 4);
    expect(missing.stderr).to.include('late.txt does not exist');
    const waiting = workspace.start(['submit', 'job.json', '--json', '--await-input', '60s', ...flags]);
    await until('it waits', () => waiting.printed().includes('waiting'));
    await bucket.put('late.txt', 'a\n');
    const { job } = jsonOf(await waiting.ended);
    expect((await work(job)).output).to.equal('A\n');
  });

  it('prevents rm from removing data that an open job reads by its s3:// address', async () => {
    workspace.write('own.txt', LINES);
    await workspace.runSuccessfully('upload', 'own.txt');
    const id = await submit(JOB, '--input', `s3://${workspace.stack}/batchctl/data/own.txt`);
    const removed = await workspace.run(['rm', 'own.txt', '--yes']);
    expect(removed.code).to.equal(7);
    expect(removed.stderr).to.include(id);
    expect((await work(id)).output).to.equal(LINES.toUpperCase());
  });

  describe('on the local profile', () => {
    const local = forEachTest(() => new Workspace());
    beforeEach(() => {
      local.write('job.json', JOB);
    });

    it("reads s3:// inputs with the environment's credentials", async () => {
      const bucket = await RawBucket.make(aws.s3);
      await bucket.put('a.txt', LINES);
      const env = { AWS_ENDPOINT_URL_S3: aws.s3, ...KEYS };
      const ran = expectExit(await local.run(['run', 'job.json', '--input', bucket.uri('a.txt'), '-o', '-'], env));
      expect(ran.stdout).to.equal(LINES.toUpperCase());
    });

    it('says which credentials are missing', async () => {
      const env = { AWS_ENDPOINT_URL_S3: aws.s3, AWS_EC2_METADATA_DISABLED: 'true' };
      const ran = await local.run(['run', 'job.json', '--input', 's3://some-data/a.txt'], env);
      expect(ran.code).to.equal(3);
      expect(ran.stderr).to.include('no AWS credentials were found').and.include('aws sso login');
    });

    it('refuses an invalid bucket name', async () => {
      const ran = await local.run(['run', 'job.json', '--input', 's3://Some_Data/a.txt']);
      expect(ran.code).to.equal(2);
      expect(ran.stderr).to.include('expected s3://BUCKET/KEY');
    });
  });
});
