// Protects: a search of a queue finds each message once, oldest first, and gives back what it did not take.
import { expect } from 'chai';
import { QueueSweep, type SweptMessage } from '../../../src/adapters/aws/sqs-sweep.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { refusal, SqsRecorder } from './sqs-recorder.ts';

describe('a search of an SQS queue', () => {
  const sqs = forEachTest(() => SqsRecorder.start());
  /** What each receive brings: pairs of id and handle, with the time of sending. */
  let pages: (readonly (readonly [id: string, handle: string, sentAt: number])[])[];
  let release: () => ReturnType<typeof refusal> | null;
  beforeEach(() => {
    pages = [];
    release = () => null;
    sqs.reply = ({ action, body }) => {
      if (action !== 'ReceiveMessage')
        return release() ?? { content: { Successful: body.Entries.map(({ Id }) => ({ Id })), Failed: [] } };
      const Messages = (pages.shift() ?? []).map(([MessageId, ReceiptHandle, sentAt]) => ({
        MessageId,
        ReceiptHandle,
        Body: MessageId,
        Attributes: { SentTimestamp: String(sentAt) },
      }));
      return { content: { Messages } };
    };
  });
  const receives = () => sqs.requests.filter(({ action }) => action === 'ReceiveMessage');
  const released = () =>
    sqs.entriesOf('ChangeMessageVisibilityBatch').map((each) => [each.ReceiptHandle, each.VisibilityTimeout]);

  async function sweep(expected: number, onPage: (page: readonly SweptMessage[], of: QueueSweep) => void = () => {}) {
    const found: string[][] = [];
    const search = new QueueSweep(sqs.place(), expected);
    for await (const page of search.pages()) {
      found.push(page.map(({ body }) => body));
      onPage(page, search);
    }
    return found;
  }

  it('finds the oldest first, and gives all of them back', async () => {
    pages = [
      [
        ['b', 'hb', 2],
        ['a', 'ha', 1],
        ['c', 'hc', 3],
      ],
    ];
    expect(await sweep(3)).to.deep.equal([['a', 'b', 'c']]);
    expect(released()).to.have.deep.members([
      ['ha', 0],
      ['hb', 0],
      ['hc', 0],
    ]);
    // If this process dies, they come back in a minute.
    expect(receives()[0]?.body).to.include({ VisibilityTimeout: 60, WaitTimeSeconds: 1, MaxNumberOfMessages: 10 });
  });

  it('finds a message that came twice once, and gives it back by its newer receipt', async () => {
    pages = [[['a', 'old', 1]], [['a', 'new', 1]]];
    expect(await sweep(2)).to.deep.equal([['a']]);
    expect(released()).to.deep.equal([['new', 0]]);
  });

  it('does not give back what was taken', async () => {
    pages = [
      [
        ['a', 'ha', 1],
        ['b', 'hb', 2],
      ],
    ];
    await sweep(2, (page, search) => search.markSettled(page.slice(0, 1)));
    expect(released()).to.deep.equal([['hb', 0]]);
  });

  for (const { expected, empty } of [
    { expected: 1, empty: 1 },
    { expected: 2, empty: 3 },
  ]) {
    it(`ends after ${empty} empty receives in a row when one of ${expected} counted messages was found`, async () => {
      pages = [[], [['a', 'ha', 1]]];
      expect(await sweep(expected)).to.deep.equal([['a']]);
      expect(receives()).to.have.lengthOf(2 + empty);
    });
  }

  it('succeeds although SQS refuses to give messages back: they come by themselves', async () => {
    pages = [[['a', 'ha', 1]]];
    release = () => refusal('AccessDeniedException', 'no', 403);
    expect(await sweep(1)).to.deep.equal([['a']]);
  });

  it('says so if SQS returns no more messages, and gives back those that it has', async () => {
    const answer = sqs.reply;
    sqs.reply = (request) =>
      request.action === 'ReceiveMessage' && pages.length === 0
        ? refusal('OverLimit', 'too many', 403)
        : answer(request);
    pages = [[['a', 'ha', 1]]];
    const error = await failsWith('unavailable', sweep(5));
    expect([error.message, error.hint].join()).to.include("can't search").and.include('--limit');
    expect(released()).to.deep.equal([['ha', 0]]);
  });
});
