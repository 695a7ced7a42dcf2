// Protects: a caller without AWS credentials can fetch into a bucket, but never over batchctl's own objects.
import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { KEYS } from '../support/aws-keys.ts';
import { expectExit, jsonOf } from '../support/expect-exit.ts';
import { forSuite } from '../support/fixture.ts';
import { rangeJob } from '../support/range-job.ts';
import { RawBucket } from '../support/s3-bucket.ts';
import { until } from '../support/until.ts';
import { Workspace } from '../support/workspace.ts';
import { emulatedWorkspace, emulators } from './emulated-aws.ts';

const NAMES = ['upper-000000000', 'upper-000000001', 'upper-000000002'];

describe('outputs in a bucket, through a manager', () => {
  const aws = forSuite(emulators);
  /** The directories of the manager and its workers, and of its caller, who has no credentials. */
  const there = forSuite(() => emulatedWorkspace());
  const here = forSuite(() => new Workspace());
  let env: Readonly<Record<string, string>>;
  let job: string;

  before(async () => {
    const manager = there.start(['manager', '--listen', '127.0.0.1:0']);
    const url = await until('it listens', () => /listening at (http:\S+?),/.exec(manager.printed())?.[1]);
    here.write('batchctl.config.json', { profile: 'far', profiles: { far: { backend: 'manager', url } } });
    env = { BATCHCTL_PROFILE: 'far', BATCHCTL_TOKEN: await there.token('ann', 'submit') };
    here.write('job.json', rangeJob('count', 3, { name: 'upper', run: 'printf n; tr -d "\\n"' }));
    job = jsonOf(await call('submit', 'job.json', '--json')).job;
    expectExit(await there.work({}, '--here'));
  });
  const call = (...args: readonly string[]) => here.run(args, env);

  it('fetch has the manager write outputs to the bucket, separate or joined, and keeps correct ones', async () => {
    const bucket = await RawBucket.make(aws.s3);
    const words = ['fetch', 'last', '-o', bucket.uri('out/'), '--name', 'upper-{task}'];
    const fetched = await call(...words, '--json');
    expect(jsonOf(fetched)).to.include({ job, outputs: 3, kept: 0, output: bucket.uri('out/') });
    expect(fetched.stderr).to.include(`job ${job}`);
    expect(await bucket.keys()).to.deep.equal(['_SUCCESS', '_manifest.json', ...NAMES].map((name) => `out/${name}`));
    expect(jsonOf(await call(...words, '--json'))).to.include({ outputs: 3, kept: 3 });
    expectExit(await call('fetch', job, '-o', bucket.uri('all')));
    expect(await bucket.read('all')).to.equal('n1n2n3');
  });

  it('run also has the manager write outputs to the bucket', async () => {
    const bucket = await RawBucket.make(aws.s3);
    const answer = jsonOf(await call('run', job, '-o', bucket.uri('all'), '--json'));
    expect(answer).to.include({ job, state: 'succeeded', output: bucket.uri('all') });
    expect(await bucket.read('all')).to.equal('n1n2n3');
  });

  it('run joins outputs as its flags say, remotely and locally', async () => {
    const bucket = await RawBucket.make(aws.s3);
    for (const target of [bucket.uri('all'), 'all.txt']) {
      expectExit(await call('run', job, '-o', target, '--join', 'lines'));
      const refused = expectExit(await call('run', job, '-o', `${target}-once`, '--header', 'once'), 7);
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
      const { code, stderr } = await call('fetch', job, '-o', `s3://${there.stack}/batchctl/${at}`);
      expect(code, `${at}: ${stderr}`).to.equal(7);
      expect(stderr).to.include(`${at} ${why}`);
      // The caller's command ran here, with its own environment.
      Object.assign(process.env, KEYS);
      expect(await (await there.platform()).store.head(at), at).to.equal(null);
    }
  });
});
