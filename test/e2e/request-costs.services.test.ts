// Protects: what tasks cost in requests to S3 and SQS, short and slow ones, is what docs/aws.md says.
import { expect } from 'chai';
import { AWS_LEASE_SECONDS } from '../support/aws-workspace.ts';
import { expectExit } from '../support/expect-exit.ts';
import { forSuite } from '../support/fixture.ts';
import { type CloudCall, startRecorder } from '../support/grid/front.ts';
import { emulatedWorkspace, emulators } from './emulated-aws.ts';

/** The most that a short task costs, of requests that follow tasks (bench/aws-map.bench.mjs: 1.94 and 0.21). */
const MOST = { s3: 3, sqs: 0.35 };

/** Requests that follow time, not tasks: journals, heartbeats, marks, looks at the end of a job. */
const BY_TIME = /\/(journal|workers|keepers|open|due|news|groups)\/|\/ledger\/workers\//;

describe('requests of tasks on AWS', () => {
  const aws = forSuite(emulators);
  const answered = { messages: 0, polls: 0 };
  const s3 = forSuite(() => startRecorder(aws.s3));
  const sqs = forSuite(() =>
    startRecorder(aws.sqs, ({ action }, { body }) => {
      if (action !== 'ReceiveMessage') return;
      const { Messages = [] }: { Messages?: readonly unknown[] } = JSON.parse(body.toString());
      answered.messages += Messages.length;
      if (Messages.length > 0) answered.polls += 1;
    }),
  );
  const workspace = forSuite(() => emulatedWorkspace({ s3: s3.url, sqs: sqs.url, sts: aws.s3 }));
  const count = (calls: readonly CloudCall[], action: string): number =>
    calls.filter((call) => call.action === action).length;

  /** Submits a job with the given number of tasks, and returns the requests of the one worker that runs it. */
  async function work(tasks: number, command: string, slots: number) {
    workspace.write('job.json', {
      name: 'map',
      input: { from: 'data.txt', split: { by: 'lines', every: 1 } },
      steps: [{ name: 'work', run: ['sh', '-c', command] }],
    });
    workspace.write('data.txt', `${Array.from({ length: tasks }, (_, at) => `line ${at}`).join('\n')}\n`);
    sqs.take();
    await workspace.submit();
    const sends = count(sqs.take(), 'SendMessageBatch');
    s3.take();
    Object.assign(answered, { messages: 0, polls: 0 });
    const begin = performance.now();
    expectExit(await workspace.work({}, '--slots', String(slots)));
    const seconds = (performance.now() - begin) / 1_000;
    const calls = sqs.take();
    expect(answered.messages, 'messages').to.equal(tasks);
    return {
      seconds,
      sends,
      receives: answered.polls,
      deletes: count(calls, 'DeleteMessageBatch'),
      extensions: count(calls, 'ChangeMessageVisibilityBatch'),
      objects: s3.take().filter(({ url, action }) => {
        const listed = url.searchParams.get('prefix');
        return action !== 'HEAD' && !BY_TIME.test(`${url.pathname}/${listed ?? ''}`);
      }).length,
    };
  }

  it(`are at most ${MOST.s3} to S3 and ${MOST.sqs} to SQS for a short one, and a tenth to send it`, async () => {
    const tasks = 300;
    const used = await work(tasks, 'cat', 4);
    const said = JSON.stringify(used);
    expect(used.sends, said).to.equal(tasks / 10);
    expect(used.objects / tasks, said).to.be.within(2, MOST.s3);
    expect((used.receives + used.deletes) / tasks, said).to.be.within(0.1, MOST.sqs);
  });

  it('are at most 2.1 to SQS for a slow one, and three a lease for up to ten slots', async () => {
    const [tasks, slots] = [10, 2];
    const { sends, receives, deletes, extensions, seconds } = await work(tasks, 'sleep 2; cat', slots);
    const said = JSON.stringify({ sends, receives, deletes, extensions, seconds });
    expect(sends + receives + deletes, said).to.be.within(1 + (2 * tasks) / slots, 2.1 * tasks);
    // Extensions are a third of a lease apart, less at most a tenth (worker/lease-heartbeat.ts).
    expect(extensions, said).to.be.within(1, (3 * seconds) / AWS_LEASE_SECONDS / 0.9 + 1);
  });
});
