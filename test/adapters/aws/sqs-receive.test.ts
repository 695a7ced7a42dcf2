// Protects: a worker asks SQS for as many messages as it can run, loses none that came, and waits no longer than it wanted.
import { expect } from 'chai';
import { SqsReceiver } from '../../../src/adapters/aws/sqs-receive.ts';
import { forEachTest } from '../../support/fixture.ts';
import { refusal, SqsRecorder } from './sqs-recorder.ts';

describe('a receive from SQS', () => {
  const sqs = forEachTest(() => SqsRecorder.start());
  const receiver = (lateMs?: number) =>
    new SqsReceiver({
      poll: sqs.client,
      place: sqs.place(60_000),
      leaseSeconds: 20.2,
      pollSeconds: 20,
      ...(lateMs !== undefined && { lateMs }),
    });
  let next = 0;
  const messages = (count: number) => ({
    content: {
      Messages: Array.from({ length: count }, () => {
        next += 1;
        const Attributes = { ApproximateReceiveCount: '1', SentTimestamp: '1' };
        return { MessageId: `m${next}`, ReceiptHandle: `h${next}`, Body: `${next}`, Attributes };
      }),
    },
  });
  const asked = () =>
    sqs.requests.map(({ body }) => [body.MaxNumberOfMessages, body.WaitTimeSeconds, body.VisibilityTimeout]);

  it('polls as long as SQS allows, and hides messages for at least the lease', async () => {
    sqs.reply = () => messages(1);
    expect(await receiver().receive({ max: 10, waitSeconds: 60 })).to.have.lengthOf(1);
    expect(asked()).to.deep.equal([[10, 20, 21]]);
  });

  it('asks for no more than is wanted: first with a long poll, then with short ones', async () => {
    sqs.reply = ({ body }) => messages(body.MaxNumberOfMessages);
    expect(await receiver().receive({ max: 24, waitSeconds: 5 })).to.have.lengthOf(24);
    expect(asked()).to.have.deep.members([
      [10, 5, 21],
      [10, 0, 21],
      [4, 0, 21],
    ]);
  });

  it('returns what came although a short poll is refused', async () => {
    sqs.reply = ({ body }) =>
      body.WaitTimeSeconds === 0 && body.MaxNumberOfMessages === 4
        ? refusal('AccessDeniedException', 'no', 403)
        : messages(body.MaxNumberOfMessages);
    expect(await receiver().receive({ max: 24, waitSeconds: 5 })).to.have.lengthOf(20);
  });

  it('sends no second short poll after one that brought less than asked', async () => {
    sqs.reply = ({ body }) => messages(body.WaitTimeSeconds === 0 ? 3 : 10);
    expect(await receiver().receive({ max: 20, waitSeconds: 5 })).to.have.lengthOf(13);
    expect(asked()).to.have.lengthOf(2);
  });

  it('brings nothing, and throws nothing, once its wait is over while SQS fails', async () => {
    sqs.reply = () => (sqs.requests.length < 20 ? refusal('InternalError', 'busy', 500) : messages(1));
    expect(await receiver().receive({ max: 1, waitSeconds: 0 })).to.deep.equal([]);
  });

  it('waits for a poll as long as the poll may last, and longer by what it may be late', async () => {
    sqs.reply = async () => {
      await new Promise((resolve) => setTimeout(resolve, 500));
      return messages(1);
    };
    expect(await receiver(300).receive({ max: 1, waitSeconds: 1 })).to.have.lengthOf(1);
    expect(asked()).to.have.lengthOf(1);
  });

  it('asks for nothing if nothing is wanted or no caller waits', async () => {
    const ended = AbortSignal.abort();
    expect(await receiver().receive({ max: 0, waitSeconds: 1 })).to.deep.equal([]);
    expect(await receiver().receive({ max: 1, waitSeconds: 1, signal: ended })).to.deep.equal([]);
    expect(asked()).to.deep.equal([]);
  });
});
