// Protects: a search of a queue finds each message once, oldest first, and gives back what it did not take.
import { expect } from 'chai';
import { purgeAll, purgeMatching, QueueSweep, type SweptMessage } from '../../../src/adapters/aws/sqs-sweep.ts';
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

  it('asks eight times at once after a full page', async () => {
    const full = Array.from({ length: 10 }, (_, n) => [`m${n}`, `h${n}`, n] as const);
    pages = [full];
    await sweep(10);
    expect(receives()).to.have.lengthOf(1 + 8);
  });

  it('takes a message without a time for the oldest, and leaves out one without a handle', async () => {
    const { reply } = sqs;
    const Messages = [
      { MessageId: 'b', ReceiptHandle: 'hb', Body: 'b', Attributes: { SentTimestamp: '5' } },
      { MessageId: 'a', ReceiptHandle: 'ha', Body: 'a' },
      { MessageId: 'c', Body: 'c', Attributes: { SentTimestamp: '6' } },
    ];
    sqs.reply = (request) =>
      request.action === 'ReceiveMessage' && receives().length === 1 ? { content: { Messages } } : reply(request);
    expect(await sweep(2)).to.deep.equal([['a', 'b']]);
  });

  it('is patient from its last success on', async () => {
    const { reply } = sqs;
    let end = Number.POSITIVE_INFINITY;
    let failures = 1;
    pages = [];
    sqs.reply = async (request) => {
      if (request.action !== 'ReceiveMessage') return reply(request);
      const now = performance.now();
      if (failures === 1) end = now + 500;
      if (failures > 0) {
        failures -= 1;
        return refusal('KmsThrottled', 'busy');
      }
      if (now < end) {
        pages.push([[`m${now}`, `h${now}`, 1]]);
        await new Promise((resolve) => setTimeout(resolve, 50));
      } else if (end > 0) {
        end = 0;
        return refusal('KmsThrottled', 'busy');
      }
      return reply(request);
    };
    const search = new QueueSweep(sqs.place(400), 0);
    let found = 0;
    for await (const page of search.pages()) found += page.length;
    expect(end).to.equal(0);
    expect(found).to.be.greaterThan(0);
  });

  it('ends once it holds 100,000 messages: SQS returns no more', async () => {
    let next = 0;
    sqs.reply = ({ action }) => {
      // Giving back so many would take 10,000 requests.
      if (action !== 'ReceiveMessage') return refusal('AccessDeniedException', 'no', 403);
      const count = receives().length === 1 ? 20_000 : receives().length <= 9 ? 10_000 : 0;
      const Messages = Array.from({ length: count }, () => {
        next += 1;
        return { MessageId: `m${next}`, ReceiptHandle: `h${next}`, Body: 'x' };
      });
      return { content: { Messages } };
    };
    const error = await failsWith('unavailable', sweep(100_000));
    expect(error.message).to.include('about 120,000');
    expect(next).to.equal(100_000);
  });

  it('gives back nothing that a purge of matching messages has deleted', async () => {
    const answer = sqs.reply;
    sqs.reply = (request) =>
      request.action === 'GetQueueAttributes'
        ? { content: { Attributes: { ApproximateNumberOfMessages: '2' } } }
        : answer(request);
    pages = [
      [
        ['a', 'ha', 1],
        ['b', 'hb', 2],
      ],
    ];
    expect(await purgeMatching(sqs.place(), (body) => body === 'a')).to.equal(1);
    expect(sqs.entriesOf('DeleteMessageBatch').map(({ ReceiptHandle }) => ReceiptHandle)).to.deep.equal(['ha']);
    expect(released()).to.deep.equal([['hb', 0]]);
  });

  for (const [what, error, status, times] of [
    ['another purge is in progress', 'AWS.SimpleQueueService.PurgeQueueInProgress', 403, 1],
    ['SQS fails for more than the attempts of its client', 'InternalError', 500, 8],
  ] as const) {
    it(`purges the queue after ${what}`, async () => {
      const { random } = Math;
      // Pauses have no length.
      Math.random = () => 0;
      try {
        sqs.reply = () => (sqs.requests.length <= times ? refusal(error, 'wait', status) : { content: {} });
        expect(await purgeAll(sqs.place())).to.equal(null);
      } finally {
        Math.random = random;
      }
      expect(sqs.requests).to.have.lengthOf(times + 1);
    });
  }
});
