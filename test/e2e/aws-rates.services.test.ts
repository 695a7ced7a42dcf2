// Protects: when S3 limits the request rate, or is unavailable for long, each command runs once and no work is lost.
import { expect } from 'chai';
import { isKind } from '../../src/errors.ts';
import type { AwsWorkspace } from '../support/aws-workspace.ts';
import { startWorkerInProcess } from '../support/inside-worker.ts';
import { factsOf, SUCCEEDED } from '../support/job-facts.ts';
import { rangeJob } from '../support/range-job.ts';
import type { SeenRequest } from '../support/servers/fault-proxy.ts';
import { until } from '../support/until.ts';
import { emulators } from './emulated-aws.ts';
import { FaultyAws } from './faulty-aws.ts';
import { submitJob } from './submit-job.ts';
import { declareTrialsWith } from './trials.ts';

const TASKS = 12;
/** The request timeout (clients.ts). */
const ATTEMPTS = 8;
/** Lease in seconds that suffices on a busy machine. */
const LEASE = 30;
const puts =
  (key: string) =>
  ({ method, url }: SeenRequest): boolean =>
    method === 'PUT' && url.includes(key);

/** A job with this many tasks, each of which writes to the file `ran` when it runs. */
function jobOf(workspace: AwsWorkspace, tasks: number, run: string) {
  const ran = `echo $BATCHCTL_TASK >> "${workspace.path('ran')}"`;
  return rangeJob('rates', tasks, { name: 'only', run: `${ran}; ${run}`, attempts: 2 });
}

/** Runs a worker on everything. It has its own id, because workers with the same id would use the same directories. */
async function workInside(workspace: AwsWorkspace, name: string): Promise<void> {
  const platform = await workspace.platform(`w-${name}-${workspace.stack}`, LEASE);
  await startWorkerInProcess(workspace, platform, { slots: 8, untilEmpty: true }).done;
}

/** The number of S3 requests of each kind per task. The limits in docs/operations.md depend on it. */
const REQUESTS = { 'PUT out/': 1, 'PUT log/': 1 };

const TRIALS: Readonly<Record<string, (aws: FaultyAws) => Promise<void>>> = {
  'slows down to the rate of a bucket that takes a few requests a second, and runs each task once': async ({
    workspace,
    past,
    s3,
  }) => {
    const job = await submitJob(workspace, jobOf(workspace, TASKS, 'cat'));
    // S3's partitions: jobs apart from the rest, above all the ledger.
    s3.limit({ writes: 2, reads: 12 }, ({ url }) => (url.includes('/jobs/') ? 'jobs' : 'rest'));
    await workInside(workspace, 'first');
    expect(s3.met.length).to.be.within(1, s3.seen.length / 3);
    s3.heal();
    expect([...workspace.lines('ran')].map(Number).sort((a, b) => a - b)).to.deep.equal([...Array(TASKS).keys()]);
    const platform = await past.platform();
    expect(await factsOf(platform, job)).to.deep.include({ ...SUCCEEDED, dead: [] });
    const [counts] = await (await platform.ledger()).counts(job);
    expect(counts).to.include({ done: TASKS, failed: 0, retried: 0, interrupted: 0 });
  },
  'limits the requests per task: one output and one log stored, two for its input': async ({ workspace, s3 }) => {
    const { steps, ...job } = jobOf(workspace, TASKS, 'echo said >&2; cat');
    await submitJob(workspace, { ...job, steps: [...steps, { ...steps[0], name: 'next' }] });
    s3.seen.length = 0;
    await workInside(workspace, 'first');
    const asked = s3.seen.flatMap(({ method, url }) => {
      const [, step, what] = /\/steps\/(\w+)\/(\w+\/)\d{9}/.exec(url) ?? [];
      return step === undefined ? [] : [`${step}: ${method} ${what}`];
    });
    // On a busy machine, a task may be delivered twice, or a long task's log uploaded before its end.
    const each = Object.fromEntries(
      [...new Set(asked)]
        .map((kind) => [kind, Math.round(asked.filter((one) => one === kind).length / TASKS)] as const)
        .filter(([, count]) => count > 0),
    );
    const own = (step: string) =>
      Object.fromEntries(Object.entries(REQUESTS).map(([kind, count]) => [`${step}: ${kind}`, count]));
    expect(each).to.deep.equal({ ...own('only'), ...own('next'), 'only: HEAD out/': 1, 'only: GET out/': 1 });
  },
  'runs each task once, and counts finished and failed ones, when S3 rejects everything for longer than it retries':
    async ({ workspace, past, s3 }) => {
      const run = `while [ ! -e "${workspace.path('go')}" ]; do sleep 0.1; done; read n; [ $n != 2 ] && echo $n`;
      const job = await submitJob(workspace, jobOf(workspace, 2, run));
      const working = workInside(workspace, 'first');
      await until('both run', () => workspace.lines('ran').length === 2);
      s3.fail(Number.POSITIVE_INFINITY, { kind: 'answer', status: 503, code: 'SlowDown' });
      workspace.write('go', '');
      const isGivenUp = (key: string): boolean => s3.count(puts(key)) > ATTEMPTS;
      await until(
        'requests of both were given up and sent again',
        () => isGivenUp('/out/000000000') && isGivenUp('/tries/'),
        600_000,
      );
      s3.heal();
      // The worker may also have given up on the service, so start another.
      await working.catch(async (error: unknown) => {
        expect(isKind(error, 'unavailable'), String(error)).to.equal(true);
        await workInside(workspace, 'next');
      });
      expect([...workspace.lines('ran')].sort(), 'the one that fails has two attempts').to.deep.equal(['0', '1', '1']);
      const platform = await past.platform();
      expect(await factsOf(platform, job)).to.deep.include({ state: 'failed', outputs: { only: { 0: '1\n' } } });
      const [counts] = await (await platform.ledger()).counts(job);
      expect(counts).to.include({ done: 1, failed: 1, retried: 1, interrupted: 0 });
    },
};

describe('S3 request rates', function () {
  // Retries wait for minutes, and on a busy machine for longer.
  this.timeout(900_000);
  declareTrialsWith(3, async () => FaultyAws.make(await emulators()), TRIALS);
});
