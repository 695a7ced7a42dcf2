// Protects: a worker that hangs is ended with the reason, and another one does its work; a busy one is left alone.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { AwsWorkspace } from '../support/aws-workspace.ts';
import { rangeJob } from '../support/range-job.ts';
import { bundled } from '../support/run/bundled.ts';
import { FaultProxy } from '../support/servers/fault-proxy.ts';
import { sharedFauxqs } from '../support/servers/fauxqs.ts';
import { sharedMoto } from '../support/servers/moto.ts';
import type { Endpoint } from '../support/servers/shared.ts';
import { until } from '../support/until.ts';

const FIXTURE = fileURLToPath(new URL('../fixtures/hung-loop.mjs', import.meta.url));

interface End {
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

const run = (how: string): Promise<End> =>
  new Promise((resolve) => {
    // One that nothing ends is ended by SIGTERM.
    execFile(process.execPath, [bundled(FIXTURE), how], { timeout: 120_000 }, (error, stdout, stderr) =>
      resolve({ signal: error?.signal ?? null, stdout, stderr }),
    );
  });

describe('the watch over the event loop', () => {
  it('ends a process whose event loop is blocked, and says why', async () => {
    const { signal, stderr } = await run('blocked');
    expect(signal, stderr).to.equal('SIGKILL');
    expect(stderr).to.include('the worker hangs and is terminated: the event loop showed no activity for at least');
  });

  it('ends a process with a hanging part, and names the part', async () => {
    const { signal, stderr } = await run('silent');
    expect(signal, stderr).to.equal('SIGKILL');
    expect(stderr).to.include('the worker hangs and is terminated: the poll showed no activity for at least');
  });

  it('leaves a working process alone', async () => {
    expect(await run('well')).to.deep.equal({ signal: null, stdout: 'left\n', stderr: '' });
  });
});

/** Seconds for which a worker that works is never silent, not even while it starts on a busy machine. */
const LOOP = 12;
const LOOPS = { BATCHCTL_TEST_LOOP_SECONDS: String(LOOP) };

describe('a worker whose queue hangs', () => {
  let sqs: Endpoint;
  let proxy: FaultProxy;
  let workspace: AwsWorkspace;
  before(async () => {
    const s3 = (await sharedMoto()).url;
    sqs = await sharedFauxqs();
    proxy = await FaultProxy.start(sqs.url);
    workspace = await AwsWorkspace.make({ s3, sqs: proxy.url });
  });
  after(async () => {
    await workspace?.remove();
    await proxy?.close();
  });

  it('is ended with the reason, and the next one does its work', async () => {
    proxy.fail(Number.POSITIVE_INFINITY, { kind: 'hang' }, ({ headers }) =>
      String(headers['x-amz-target']).endsWith('ReceiveMessage'),
    );
    const hung = workspace.start(['worker', '--here'], LOOPS);
    const { signal, stderr } = await hung.ended;
    expect(signal, stderr).to.equal('SIGKILL');
    expect(stderr).to.match(/the worker hangs and is terminated: the poll of default showed no activity for at least/);
    proxy.heal();
    workspace.write('job.json', rangeJob('one', 1, { name: 'only', run: 'echo done' }));
    const job = await workspace.submit();
    workspace.start(['worker', '--here']);
    await workspace.runSuccessfully('wait', job);
  });

  it("doesn't count as hung while it waits for a free slot or for messages", async () => {
    workspace.write('job.json', rangeJob('long', 1, { name: 'only', run: `sleep ${LOOP + 3}` }));
    const job = await workspace.submit();
    const worker = workspace.start(['worker', '--here', '--slots', '1', '--idle-exit', '4s'], LOOPS);
    const { code, stderr } = await worker.ended;
    expect(code, stderr).to.equal(0);
    await until('it is done', async () => (await workspace.run(['wait', job])).code === 0);
  });
});
