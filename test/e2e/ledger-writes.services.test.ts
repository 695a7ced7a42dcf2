// Protects: how often workers write to the ledger in the bucket: each write is paid, and kept where the bucket keeps versions.
import { expect } from 'chai';
import { startWorkerInProcess } from '../support/inside-worker.ts';
import { rangeJob } from '../support/range-job.ts';
import { emulators } from './emulated-aws.ts';
import { FaultyAws } from './faulty-aws.ts';
import { submitJob } from './submit-job.ts';

const TASKS = 60;
/** Seconds of a lease that a busy machine keeps. */
const LEASE = 30;

describe('the ledger in the bucket', () => {
  it('is written about once a task by three workers: the start of an attempt with the end of another', async () => {
    const aws = await FaultyAws.make(await emulators());
    const { workspace, s3 } = aws;
    const job = await submitJob(
      workspace,
      rangeJob('writes', TASKS, { name: 'only', run: 'read n; sleep 2.$((n % 10))', output: 'none' }),
    );
    s3.seen.length = 0;
    const work = async (name: string): Promise<void> => {
      const platform = await workspace.platform(`w-${name}-${workspace.stack}`, LEASE);
      await startWorkerInProcess(workspace, platform, { slots: 4, untilEmpty: true }).done;
    };
    await Promise.all(['a', 'b', 'c'].map(work));
    const writes = s3.count(({ method, url }) => method === 'PUT' && /\/ledger\/tasks\/.*\/sums\//.test(url));
    // Written at once, starts make it 1.7 a task.
    expect(writes / TASKS).to.be.within(0.2, 1.4);
    const [counts] = await (await (await aws.past.platform()).ledger()).counts(job);
    expect(counts).to.include({ done: TASKS, running: 0 });
    await aws.remove();
  });
});
