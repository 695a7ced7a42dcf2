// Protects: the AWS CLI can read and write batchctl's objects, messages and ledger as documented.
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { KEYS } from '../support/aws-keys.ts';
import { expectExit } from '../support/expect-exit.ts';
import { forSuite } from '../support/fixture.ts';
import { factsOf, SUCCEEDED } from '../support/job-facts.ts';
import { rangeJob } from '../support/range-job.ts';
import { installed } from '../support/run/lacking.ts';
import { startSimpleDb } from '../support/servers/simpledb-server.ts';
import { emulatedWorkspace, emulators } from './emulated-aws.ts';
import { submitJob } from './submit-job.ts';

const run = promisify(execFile);

/** Object size, in bytes, well above the thresholds for multipart uploads of `aws s3 cp` and of batchctl. */
const LARGE = 20 * 1024 * 1024;

interface Received {
  readonly Body: string;
  readonly MessageAttributes?: Readonly<Record<string, { readonly StringValue: string }>>;
}

/** Checks that an independent client can read what batchctl wrote, and the reverse. The AWS CLI starts slowly. */
describe('the AWS CLI as a peer', () => {
  let command: string;
  before(() => {
    command = installed('awscli');
  });
  const emulated = forSuite(emulators);
  const simpledb = forSuite(() => startSimpleDb());
  const workspace = forSuite(() =>
    emulatedWorkspace({ simpledb: simpledb.url, ledger: { kind: 'simpledb', domains: 2 } }),
  );

  /** Runs `aws SERVICE ...words` and returns its output. */
  const aws = async (service: 's3' | 'sqs' | 'sdb', ...words: readonly string[]): Promise<string> => {
    const endpoints = { s3: emulated.s3, sqs: emulated.sqs, sdb: simpledb.url };
    const { stdout } = await run(command, [service, ...words, '--endpoint-url', endpoints[service]], {
      cwd: workspace.dir,
      env: { PATH: process.env.PATH ?? '', HOME: '/nonexistent', ...KEYS, AWS_DEFAULT_REGION: 'us-east-1' },
    });
    return stdout;
  };
  const queueUrl = async (name: string): Promise<string> =>
    (await aws('sqs', 'get-queue-url', '--queue-name', name, '--query', 'QueueUrl', '--output', 'text')).trim();
  const receive = async (url: string): Promise<readonly Received[]> => {
    const asked = ['--max-number-of-messages', '10', '--message-attribute-names', 'All'];
    const text = await aws('sqs', 'receive-message', '--queue-url', url, ...asked, '--output', 'json');
    return text.trim() === '' ? [] : (JSON.parse(text) as { Messages: readonly Received[] }).Messages;
  };
  const hash = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

  it('reads what upload stored, whole and in parts, under any name', async () => {
    const names = ['large.bin', 'ä b+c&d=1 %41.txt', 'deep/er/empty'];
    mkdirSync(workspace.path('raw', 'deep', 'er'), { recursive: true });
    writeFileSync(workspace.path('raw', 'large.bin'), randomBytes(LARGE));
    writeFileSync(workspace.path('raw', 'ä b+c&d=1 %41.txt'), 'a\n');
    writeFileSync(workspace.path('raw', 'deep/er/empty'), '');
    await workspace.runSuccessfully('upload', 'raw', '--to', 'month');
    await aws('s3', 'cp', '--recursive', `s3://${workspace.stack}/batchctl/data/month`, 'back', '--only-show-errors');
    for (const name of names)
      expect(hash(workspace.path('back', name)), name).to.equal(hash(workspace.path('raw', name)));
  });

  it('uploads an object in parts, with a checksum, that a job reads as store: input', async () => {
    const lines = Array.from({ length: LARGE / 16 }, (_, n) => `${String(n).padStart(15, '0')}\n`).join('');
    workspace.write('lines.txt', lines);
    const key = `s3://${workspace.stack}/batchctl/data/peer/lines.txt`;
    await aws('s3', 'cp', 'lines.txt', key, '--checksum-algorithm', 'CRC32', '--only-show-errors');
    const job = await submitJob(workspace, {
      name: 'peer',
      input: { from: 'store:peer/lines.txt', split: { by: 'lines', size: '8MB' } },
      steps: [
        { name: 'count', run: "awk '{ s += $1; n += 1 } END { print n, s }'" },
        { name: 'all', gather: true, run: "awk '{ n += $1; s += $2 } END { print n, s }'" },
      ],
    });
    expectExit(await workspace.work());
    const count = LARGE / 16;
    const { stdout } = await workspace.runSuccessfully('fetch', job, '-o', '-');
    expect(stdout).to.equal(`${count} ${(count * (count - 1)) / 2}\n`);
    await workspace.runSuccessfully('verify', job, '--deep');
  });

  it('receives task messages as documented, and workers run the copies it sends', async () => {
    const job = await submitJob(
      workspace,
      rangeJob('sent', 2, {
        name: 'only',
        attempts: 1,
        run: 'read n; [ $n = 1 ] || { echo "row $n is bad" >&2; exit 3; }; echo $n',
      }),
    );
    const url = await queueUrl(`${workspace.stack}-default`);
    const messages = await receive(url);
    const bodies = messages.map(({ Body }) => JSON.parse(Body) as { task: number }).sort((a, b) => a.task - b.task);
    // A worker uses these five fields; a hint may be added.
    for (const [task, body] of bodies.entries()) {
      expect(body).to.deep.include({ format: 1, job, step: 'only', task, round: 0 });
    }
    // All messages are lost, as after a purge. Copies are sent by hand, one of them twice, and one is malformed.
    await aws('sqs', 'purge-queue', '--queue-url', url);
    const copies = [...messages.map(({ Body }) => Body), messages[0]?.Body ?? '', 'nonsense'];
    const entries = copies.map((MessageBody, n) => ({ Id: String(n), MessageBody }));
    await aws('sqs', 'send-message-batch', '--queue-url', url, '--entries', JSON.stringify(entries));
    expectExit(await workspace.work());
    const facts = await factsOf(await workspace.platform(), job);
    expect(facts).to.deep.include({ state: 'failed', journal: ['sent', 'close'], outputs: { only: { 0: '1\n' } } });
    // The reason for burying is in an attribute that any client can read.
    const letters = await receive(await queueUrl(`${workspace.stack}-default-dead`));
    const reasons = letters.map(({ MessageAttributes }) => MessageAttributes?.['batchctl-reason']?.StringValue);
    expect(reasons.sort()).to.deep.equal(['not JSON', 'row 2 is bad']);
  });

  it('queries the ledger in its SimpleDB domains', async () => {
    const job = await submitJob(workspace, rangeJob('ledger', 3, { name: 'only', run: 'cat' }));
    expectExit(await workspace.work());
    expect(await factsOf(await workspace.platform(), job)).to.deep.include(SUCCEEDED);
    const selects = [0, 1].map(
      (domain) => `select * from \`${workspace.stack}-${domain}\` where itemName() like '%${job}%'`,
    );
    const answers = await Promise.all(
      selects.map((expression) => aws('sdb', 'select', '--select-expression', expression, '--output', 'json')),
    );
    const items = answers.flatMap((text) =>
      text.trim() === '' ? [] : ((JSON.parse(text) as { Items?: object[] }).Items ?? []),
    );
    expect(items.length).to.be.at.least(2);
    expect(JSON.stringify(items)).to.include('succeeded');
  });
});
