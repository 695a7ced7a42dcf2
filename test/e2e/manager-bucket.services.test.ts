// Protects: a caller without AWS credentials can fetch into a bucket, but never over batchctl's own objects.
import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { KEYS } from '../support/aws-keys.ts';
import { AwsWorkspace } from '../support/aws-workspace.ts';
import { RawBucket } from '../support/s3-bucket.ts';
import { sharedFauxqs } from '../support/servers/fauxqs.ts';
import { sharedMoto } from '../support/servers/moto.ts';
import type { Endpoint } from '../support/servers/shared.ts';
import { until } from '../support/until.ts';
import { type Running, Workspace } from '../support/workspace.ts';

const NAMES = ['upper-000000000', 'upper-000000001', 'upper-000000002'];

describe('outputs in a bucket, through a manager', () => {
  let s3: string;
  let sqs: Endpoint;
  /** The directories of the manager and its workers, and of its caller, who has no credentials. */
  let there: AwsWorkspace;
  let here: Workspace;
  let manager: Running;
  let env: Readonly<Record<string, string>>;
  let job: string;

  before(async () => {
    s3 = (await sharedMoto()).url;
    sqs = await sharedFauxqs();
    there = await AwsWorkspace.make({ s3, sqs: sqs.url });
    manager = there.start(['manager', '--listen', '127.0.0.1:0']);
    const url = await until('it listens', () => /listening at (http:\S+?),/.exec(manager.said())?.[1]);
    const { stdout } = await there.well('manager', 'token', 'create', 'ann', '--scope', 'submit');
    here = new Workspace();
    here.write('batchctl.config.json', { profile: 'far', profiles: { far: { backend: 'manager', url } } });
    env = { BATCHCTL_PROFILE: 'far', BATCHCTL_TOKEN: stdout.trim() };
    here.write('job.json', {
      name: 'count',
      input: { split: { by: 'range', from: 1, to: 3 } },
      steps: [{ name: 'upper', run: 'printf n; tr -d "\\n"' }],
    });
    const sent = await here.run(['submit', 'job.json', '--json'], env);
    expect(sent.code, sent.stderr).to.equal(0);
    job = (JSON.parse(sent.stdout) as { job: string }).job;
    const worked = await there.work({}, '--here');
    expect(worked.code, worked.stderr).to.equal(0);
  });
  after(async () => {
    manager?.child.kill('SIGTERM');
    await manager?.ended;
    await here?.remove();
    await there?.remove();
  });

  it('fetch has the manager write outputs to the bucket, separate or joined, and keeps correct ones', async () => {
    const bucket = await RawBucket.make(s3);
    const words = ['fetch', 'last', '-o', bucket.uri('out/'), '--name', 'upper-{task}'];
    const fetched = await here.run([...words, '--json'], env);
    expect(fetched.code, fetched.stderr).to.equal(0);
    expect(JSON.parse(fetched.stdout)).to.include({ job, outputs: 3, kept: 0, output: bucket.uri('out/') });
    expect(fetched.stderr).to.include(`job ${job}`);
    expect(await bucket.keys()).to.deep.equal(['_SUCCESS', '_manifest.json', ...NAMES].map((name) => `out/${name}`));
    const again = await here.run([...words, '--json'], env);
    expect(JSON.parse(again.stdout)).to.include({ outputs: 3, kept: 3 });
    const joined = await here.run(['fetch', job, '-o', bucket.uri('all')], env);
    expect(joined.code, joined.stderr).to.equal(0);
    expect(await bucket.read('all')).to.equal('n1n2n3');
  });

  it('run also has the manager write outputs to the bucket', async () => {
    const bucket = await RawBucket.make(s3);
    const ran = await here.run(['run', job, '-o', bucket.uri('all'), '--json'], env);
    expect(ran.code, ran.stderr).to.equal(0);
    expect(JSON.parse(ran.stdout)).to.include({ job, state: 'succeeded', output: bucket.uri('all') });
    expect(await bucket.read('all')).to.equal('n1n2n3');
  });

  it('run joins outputs as its flags say, remotely and locally', async () => {
    const bucket = await RawBucket.make(s3);
    for (const target of [bucket.uri('all'), 'all.txt']) {
      const ran = await here.run(['run', job, '-o', target, '--join', 'lines'], env);
      expect(ran.code, ran.stderr).to.equal(0);
      const refused = await here.run(['run', job, '-o', `${target}-once`, '--header', 'once'], env);
      expect(refused.code, refused.stderr).to.equal(7);
      expect(refused.stderr).to.include('expected "n1"');
    }
    expect(await bucket.read('all')).to.equal('n1\nn2\nn3');
    expect(await bucket.keys()).to.deep.equal(['all']);
    expect(readFileSync(here.path('all.txt'), 'utf8')).to.equal('n1\nn2\nn3');
    expect(existsSync(here.path('all.txt-once'))).to.equal(false);
  });

  it('refuses a target among the objects of jobs, tokens and the manager', async () => {
    for (const [at, why] of [
      ['jobs/x', 'is among the objects of jobs'],
      ['tokens/x.json', 'is reserved for the manager'],
      ['manager/tls.json', 'is reserved for the manager'],
    ] as const) {
      const { code, stderr } = await here.run(['fetch', job, '-o', `s3://${there.stack}/batchctl/${at}`], env);
      expect(code, `${at}: ${stderr}`).to.equal(7);
      expect(stderr).to.include(`${at} ${why}`);
      // The caller's command ran here, with its own environment.
      Object.assign(process.env, KEYS);
      expect(await (await there.platform()).store.head(at), at).to.equal(null);
    }
  });
});
