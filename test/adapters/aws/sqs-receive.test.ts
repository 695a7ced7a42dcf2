// Protects: a worker asks SQS for as many messages as it can run, loses none that came, and waits no longer than it wanted.
import { SQSClient } from '@aws-sdk/client-sqs';
import { expect } from 'chai';
import { SqsReceiver } from '../../../src/adapters/aws/sqs-receive.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { refusal, SqsRecorder } from './sqs-recorder.ts';

describe('a receive from SQS', () => {
  const sqs = forEachTest(() => SqsRecorder.start());
  const receiver = (lateMs?: number, patienceMs = 60_000) =>
    new SqsReceiver({
      poll: sqs.client,
      place: sqs.place(patienceMs),
      leaseSeconds: 20.2,
      pollSeconds: 20,
      ...(lateMs !== undefined && { lateMs }),
    });
  /** A receiver whose client tries nothing again by itself, so that each refusal reaches the receiver. */
  const withOneTry = async (act: (of: SqsReceiver) => Promise<void>, patienceMs = 60_000): Promise<void> => {
    const credentials = { accessKeyId: 'AKIDTEST', secretAccessKey: 'secret' };
    const client = new SQSClient({ region: 'us-east-1', endpoint: sqs.url, maxAttempts: 1, md5: false, credentials });
    const place = sqs.place(patienceMs);
    try {
      await act(new SqsReceiver({ poll: async () => client, place, leaseSeconds: 20, pollSeconds: 20 }));
    } finally {
      client.destroy();
    }
  };
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

  /** What Node warns of meanwhile, as of a leak of listeners. */
  async function warningsDuring(act: () => Promise<unknown>): Promise<readonly string[]> {
    const warned: string[] = [];
    const onWarning = ({ name }: Error): number => warned.push(name);
    process.on('warning', onWarning);
    try {
      await act();
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      process.off('warning', onWarning);
    }
    return warned;
  }

  /** Pauses between tries last that share of the longest. */
  async function withRandom(share: number, act: () => Promise<unknown>): Promise<void> {
    const { random } = Math;
    Math.random = () => share;
    try {
      await act();
    } finally {
      Math.random = random;
    }
  }

  const { timeout } = AbortSignal;
  afterEach(() => {
    AbortSignal.timeout = timeout;
  });
  /** From now on, in this test, no time limit is reached. */
  const holdTimeLimits = (): void => {
    AbortSignal.timeout = () => new AbortController().signal;
  };

  /** Receives all that a full queue has, so that the next receive begins with short polls. */
  async function backlogged(of: SqsReceiver): Promise<void> {
    sqs.reply = ({ body }) => messages(body.MaxNumberOfMessages);
    await of.receive({ max: 20, waitSeconds: 5 });
    sqs.requests.length = 0;
  }

  it('begins with short polls while the queue is full, and with a long one after they brought nothing', async () => {
    const of = receiver();
    await backlogged(of);
    expect(await of.receive({ max: 20, waitSeconds: 5 })).to.have.lengthOf(20);
    expect(asked().map(([, wait]) => wait)).to.deep.equal([0, 0]);
    sqs.requests.length = 0;
    sqs.reply = ({ body }) => messages(body.WaitTimeSeconds === 0 ? 0 : 1);
    expect(await of.receive({ max: 20, waitSeconds: 5 })).to.have.lengthOf(1);
    expect(asked().map(([, wait]) => wait)).to.deep.equal([0, 0, 5]);
  });

  it('returns what the short polls brought, without another poll, and then takes the queue for emptied', async () => {
    const of = receiver();
    await backlogged(of);
    sqs.reply = () => messages(3);
    expect(await of.receive({ max: 20, waitSeconds: 5 })).to.have.lengthOf(6);
    expect(asked().map(([, wait]) => wait)).to.deep.equal([0, 0]);
    sqs.requests.length = 0;
    expect(await of.receive({ max: 10, waitSeconds: 5 })).to.have.lengthOf(3);
    expect(asked().map(([, wait]) => wait)).to.deep.equal([5]);
  });

  it('polls once more while there is time, and for no part of a second longer than asked', async () => {
    sqs.reply = () => messages(sqs.requests.length === 1 ? 0 : 1);
    expect(await receiver().receive({ max: 1, waitSeconds: 2 })).to.have.lengthOf(1);
    expect(asked()).to.have.lengthOf(2);
    sqs.requests.length = 0;
    sqs.reply = () => messages(0);
    expect(await receiver().receive({ max: 1, waitSeconds: 0 })).to.deep.equal([]);
    expect(asked()).to.have.lengthOf(1);
    sqs.requests.length = 0;
    sqs.reply = async () => {
      await new Promise((resolve) => setTimeout(resolve, 700));
      return messages(0);
    };
    expect(await receiver().receive({ max: 1, waitSeconds: 1 })).to.deep.equal([]);
    expect(asked()).to.have.lengthOf(1);
  });

  it('sends one short poll in each of sixteen lanes if they bring less than asked', async () => {
    sqs.reply = ({ body }) => messages(body.WaitTimeSeconds === 0 ? 3 : 10);
    expect(await receiver().receive({ max: 410, waitSeconds: 5 })).to.have.lengthOf(10 + 16 * 3);
    expect(asked()).to.have.lengthOf(1 + 16);
  });

  it('leaves no listener on the signal of its caller', async () => {
    const { signal } = new AbortController();
    const of = receiver();
    sqs.reply = () => messages(1);
    const warned = await warningsDuring(async () => {
      for (let n = 0; n < 12; n += 1) await of.receive({ max: 1, waitSeconds: 1, signal });
    });
    expect(warned).to.deep.equal([]);
  });

  it('sends sixteen short polls at once, without a warning', async () => {
    const of = receiver();
    let open = 0;
    let most = 0;
    sqs.reply = async ({ body }) => {
      open += 1;
      most = Math.max(most, open);
      await new Promise((resolve) => setImmediate(resolve));
      // The first are held until sixteen are there.
      while (body.WaitTimeSeconds === 0 && most < 16) await new Promise((resolve) => setTimeout(resolve, 5));
      open -= 1;
      return messages(body.MaxNumberOfMessages);
    };
    const { signal } = new AbortController();
    const warned = await warningsDuring(async () => {
      expect(await of.receive({ max: 410, waitSeconds: 5, signal })).to.have.lengthOf(410);
    });
    expect([most, warned]).to.deep.equal([16, []]);
  });

  for (const { ends, waits } of [
    { ends: 'its caller leaves', waits: false },
    { ends: 'two seconds have passed', waits: true },
  ]) {
    it(`returns what came when ${ends}, and releases what a short poll brings later`, async () => {
      if (!waits) holdTimeLimits();
      const leave = new AbortController();
      const of = receiver();
      let answer = (): void => undefined;
      sqs.reply = async ({ action, body }) => {
        if (action !== 'ReceiveMessage') return { content: { Successful: body.Entries.map(({ Id }) => ({ Id })) } };
        if (body.WaitTimeSeconds > 0) return messages(10);
        if (!waits) leave.abort();
        await new Promise<void>((resolve) => {
          answer = resolve;
        });
        return messages(2);
      };
      expect(await of.receive({ max: 14, waitSeconds: 5, signal: leave.signal })).to.have.lengthOf(10);
      answer();
      await of.idle();
      expect(sqs.entriesOf('ChangeMessageVisibilityBatch')).to.have.lengthOf(2);
    });
  }

  it('releases at once what a poll brings after its caller left, and is idle only then', async () => {
    const leave = new AbortController();
    const of = receiver();
    let answer = (): void => undefined;
    sqs.reply = async ({ action, body }) => {
      if (action !== 'ReceiveMessage') return { content: { Successful: body.Entries.map(({ Id }) => ({ Id })) } };
      leave.abort();
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      return messages(2);
    };
    expect(await of.receive({ max: 10, waitSeconds: 5, signal: leave.signal })).to.deep.equal([]);
    const released = () => sqs.entriesOf('ChangeMessageVisibilityBatch').map((each) => each.VisibilityTimeout);
    const idle = of.idle();
    expect(released()).to.deep.equal([]);
    answer();
    await idle;
    expect(released()).to.deep.equal([0, 0]);
  });

  it('is idle although what an abandoned poll brought could not be released', async () => {
    const leave = new AbortController();
    const of = receiver();
    sqs.reply = ({ action }) => {
      leave.abort();
      return action === 'ReceiveMessage' ? messages(1) : refusal('AccessDeniedException', 'no', 403);
    };
    await of.receive({ max: 10, waitSeconds: 5, signal: leave.signal });
    await of.idle();
    expect(sqs.entriesOf('ChangeMessageVisibilityBatch')).to.have.lengthOf(1);
  });

  it('throws what SQS refuses for good at once', async () => {
    sqs.reply = () => refusal('AccessDeniedException', 'no', 403);
    await failsWith('credentials', receiver().receive({ max: 1, waitSeconds: 5 }));
    expect(asked()).to.have.lengthOf(1);
  });

  it('brings nothing, and asks for nothing more, if its caller left while it waited to try again', async () => {
    const leave = new AbortController();
    let tries = 0;
    const poll = (): never => {
      tries += 1;
      setTimeout(() => leave.abort(), 20);
      throw Object.assign(new Error('reset'), { code: 'ECONNRESET' });
    };
    const of = new SqsReceiver({ poll, place: sqs.place(60_000), leaseSeconds: 20, pollSeconds: 20 });
    await withRandom(0.99, async () => {
      expect(await of.receive({ max: 1, waitSeconds: 5, signal: leave.signal })).to.deep.equal([]);
      await of.idle();
    });
    expect(tries).to.equal(1);
  });

  it('brings nothing if a poll is never answered, and says so once its patience is over', async () => {
    const ends: (() => void)[] = [];
    sqs.reply = () =>
      new Promise((resolve) => {
        ends.push(() => resolve(messages(0)));
      });
    expect(await receiver(50).receive({ max: 1, waitSeconds: 0 })).to.deep.equal([]);
    const { message } = await failsWith('unavailable', receiver(50, 0).receive({ max: 1, waitSeconds: 0 }));
    expect(message).to.include('due to timeout');
    for (const end of ends) end();
  });

  for (const [error, status] of [
    ['InternalError', 500],
    ['OverLimit', 403],
  ] as const) {
    it(`tries again soon after ${error} if a poll has succeeded since the failures before`, async () => {
      let failures = 9;
      sqs.reply = () => {
        failures -= 1;
        return failures >= 0 ? refusal(error, 'no', status) : messages(1);
      };
      await withOneTry(async (of) => {
        await withRandom(0, () => of.receive({ max: 1, waitSeconds: 20 }));
        failures = 1;
        const began = performance.now();
        await withRandom(0.99, () => of.receive({ max: 1, waitSeconds: 20 }));
        // After nine failures in a row the pause would be 20 s.
        expect(performance.now() - began).to.be.lessThan(10_000);
      });
    });
  }

  it('is patient again after SQS has said that too many messages are in flight', async () => {
    const replies = [
      refusal('InternalError', 'busy', 500),
      refusal('OverLimit', 'too many', 403),
      refusal('InternalError', 'busy', 500),
    ];
    sqs.reply = () => replies.shift() ?? messages(1);
    // Its patience covers one pause: each of the two failures is the first.
    await withOneTry(async (of) => {
      await withRandom(0.99, async () => {
        expect(await of.receive({ max: 1, waitSeconds: 20 })).to.have.lengthOf(1);
      });
    }, 50);
  });

  it('waits longer each time while SQS says that too many messages are in flight, and beyond its patience', async () => {
    sqs.reply = () => (sqs.requests.length <= 4 ? refusal('OverLimit', 'too many', 403) : messages(1));
    const began = performance.now();
    await withOneTry(async (of) => {
      await withRandom(0.99, async () => {
        expect(await of.receive({ max: 1, waitSeconds: 20 })).to.have.lengthOf(1);
      });
    }, 50);
    // 100, 200, 400 and 800 ms.
    expect(performance.now() - began).to.be.at.least(1_400);
  });

  it('takes a delivery without a count or a time for an old one that came now, and leaves out one without a handle', async () => {
    const began = Date.now();
    sqs.reply = () => ({
      content: {
        Messages: [
          { MessageId: 'a', ReceiptHandle: 'ha', Body: 'a' },
          { MessageId: 'b', Body: 'b' },
        ],
      },
    });
    const [first, ...others] = await receiver().receive({ max: 10, waitSeconds: 5 });
    expect(others).to.deep.equal([]);
    expect(first).to.include({ body: 'a', receiveCount: 2 });
    expect(first?.sentAt).to.be.within(began, Date.now());
  });
});
