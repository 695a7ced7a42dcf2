// Protects: one job that this version can't read is named once, with what to do, and hides and blocks no other job.
import { expect } from 'chai';
import { jobKey, outKey } from '../../src/model/keys.ts';
import { openPlace } from '../jobs/published-job.ts';
import { runHere, runJson } from '../jobs/run-here.ts';
import { ONE_STEP, publishAll, submitJob } from '../jobs/submitted-job.ts';
import { forSuite } from '../support/fixture.ts';

describe('a job of a newer version', () => {
  const place = forSuite(async () => {
    const { end: close, ...opened } = await openPlace();
    return { ...opened, close, end: close };
  });
  let [open, closed, source, job] = ['', '', '', ''];
  const run = (...argv: readonly string[]) => runHere(place.directory, argv);
  const named = (name: string, input = 'a.txt'): string => ONE_STEP.replace('claims', name).replace('a.txt', input);

  before(async () => {
    const { platform } = place;
    const { store } = platform;
    const inputs = { 'a.txt': 'a\nb\n' };
    await store.put('data/used.txt', 'c\n');
    await store.put('data/free.txt', 'd\n');
    closed = (await publishAll(platform, await submitJob(place, named('ended'), inputs))).record.job;
    source = (await publishAll(platform, await submitJob(place, named('source'), inputs))).record.job;
    open = (await submitJob(place, named('others'), inputs)).record.job;
    const both = named('newer', `[store:used.txt, job:${source}/price]`).replace(
      'price, run',
      'price, attempts: 1, run',
    );
    job = (await submitJob(place, both, {})).record.job;
    const queue = await platform.queue('default');
    for (;;) {
      const delivered = await queue.receive({ max: 10, waitSeconds: 0 });
      if (delivered.length === 0) break;
      await queue.bury(delivered.map((delivery) => ({ delivery, reason: 'a test' })));
    }
    const record = JSON.parse(new TextDecoder().decode((await store.read(jobKey(job))) ?? new Uint8Array()));
    await store.delete([jobKey(job)]);
    await store.put(jobKey(job), JSON.stringify({ ...record, format: 99, spec: 'of another form' }));
  });

  it('is one finding of doctor, which names it and what to do; the other checks see the other jobs', async () => {
    const { code, stdout } = await run('doctor', '--json');
    expect(code).to.equal(3);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const failed = lines.filter(({ severity }) => severity === 'fail');
    expect(failed.map(({ code }) => code)).to.deep.equal(['versions']);
    expect(failed[0].message).to.match(new RegExp(`^job ${job} can't be read: .* has format 99`));
    expect(failed[0].fix).to.include('install the version of batchctl that wrote it');
    const messageOf = (name: string): string => lines.find(({ code }) => code === name)?.message;
    expect(messageOf('openJobs')).to.include(open);
    expect(messageOf('deadLetters')).to.include(`of the open job ${open}`);
    expect(messageOf('queue')).to.include('it responds');
  });

  it('is a row of jobs, and no obstacle to looking at queues, workers and sizes', async () => {
    const rows = await runJson(place.directory, ['jobs']);
    expect(rows.map((row) => row.job)).to.have.members([job, open, closed, source]);
    for (const verb of ['queue', 'workers', 'scale']) await runJson(place.directory, [verb]);
    expect((await runJson(place.directory, ['status', open]))[0]).to.include({ job: open });
  });

  it('keeps its dead letters, while those of other jobs are sent back', async () => {
    const [answer] = await runJson(place.directory, ['queue', 'redrive', '--yes']);
    expect(answer).to.deep.include({ sent: 2, jobs: [{ job: open, letters: 2 }] });
    const left = (answer?.left as { job: string; why: string }[] | undefined)?.find((each) => each.job === job);
    expect(left?.why).to.match(/^the job can't be read: .* has format 99/);
  });

  it('protects what it reads from prune, rm and upload, and nothing else', async () => {
    const [answer] = await runJson(place.directory, ['prune', '--all', '--yes']);
    expect(((answer?.jobs ?? []) as { job: string }[]).map((each) => each.job)).to.deep.equal([closed]);
    const spared = (answer?.spared ?? []) as { job: string; why: string; detail: string }[];
    expect(spared.find((each) => each.job === source)).to.include({ why: 'read', detail: job });
    expect(spared.find((each) => each.job === job)).to.include({ why: 'unreadable' });
    expect(await place.platform.store.head(outKey(source, 'price', 0))).to.not.equal(null);
    expect((await run('rm', 'used.txt', '--yes')).stderr).to.include(`the open job ${job} reads it`);
    expect((await run('rm', 'free.txt', '--yes')).code).to.equal(0);
    expect((await run('upload', 'a.txt')).code).to.equal(0);
  });

  it('counts where a prefix names a job', async () => {
    expect((await run('status', job)).stderr).to.include('has format 99');
    expect((await run('status', job.slice(0, 2))).stderr).to.include('has format 99');
    await submitJob(place, named('new'), { 'a.txt': 'a\n' });
    const { code, stderr } = await run('status', 'new');
    expect([code, stderr.includes(job)], stderr).to.deep.equal([2, true]);
  });
});
