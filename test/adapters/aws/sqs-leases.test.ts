// Protects: leases on SQS are held for at least as long as asked and as long as SQS allows, each for its own message.
import { expect } from 'chai';
import {
  deleteMessages,
  extendLeases,
  handleOf,
  makeReceipt,
  releaseLeases,
} from '../../../src/adapters/aws/sqs-leases.ts';
import type { Receipt } from '../../../src/ports/task-queue.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { SqsRecorder } from './sqs-recorder.ts';

const TWELVE_HOURS = 43_200;

describe('leases on SQS', () => {
  const sqs = forEachTest(() => SqsRecorder.start());
  const changes = () =>
    sqs.entriesOf('ChangeMessageVisibilityBatch').map((each) => [each.ReceiptHandle, each.VisibilityTimeout]);
  /** A receipt of a delivery that came this many seconds ago. */
  const aged = (handle: string, seconds: number): Receipt => {
    const second = Math.floor(Number(process.hrtime.bigint()) / 1_000_000_000) - seconds;
    return `${second.toString(36)}.${handle}` as Receipt;
  };

  /** Calls `act` again if a second of the clock of receipts ended meanwhile: its result would be one of two. */
  async function withinOneSecond<T>(act: () => Promise<T>): Promise<T> {
    const second = () => process.hrtime.bigint() / 1_000_000_000n;
    for (;;) {
      const began = second();
      const result = await act();
      if (second() === began) return result;
      sqs.requests.length = 0;
    }
  }

  it('are extended by whole seconds, never by fewer than asked', async () => {
    expect(await extendLeases(sqs.place(), [makeReceipt('a')], 20.2)).to.deep.equal(['extended']);
    expect(changes()).to.deep.equal([['a', 21]]);
  });

  it('belong to a handle of any form', async () => {
    expect(handleOf(makeReceipt('a.b/c=.d'))).to.equal('a.b/c=.d');
    await extendLeases(sqs.place(), [makeReceipt('a.b/c=.d')], 20);
    expect(changes()).to.deep.equal([['a.b/c=.d', 20]]);
  });

  it('are reported lost by their own receipts: those past 12 hours are not asked for, and SQS refuses some', async () => {
    sqs.reply = ({ body }) => {
      const gone = body.Entries.filter(({ ReceiptHandle }) => ReceiptHandle === 'gone');
      const Failed = gone.map(({ Id }) => ({ Id, SenderFault: true, Code: 'ReceiptHandleIsInvalid', Message: 'gone' }));
      return {
        content: { Successful: body.Entries.filter((each) => !gone.includes(each)).map(({ Id }) => ({ Id })), Failed },
      };
    };
    const receipts = [aged('old', TWELVE_HOURS - 10), aged('a', 0), aged('gone', 0), aged('b', TWELVE_HOURS - 30)];
    expect(await extendLeases(sqs.place(), receipts, 20)).to.deep.equal(['lost', 'extended', 'lost', 'extended']);
    expect(changes().map(([handle]) => handle)).to.deep.equal(['a', 'gone', 'b']);
  });

  for (const { age, delay, seconds } of [
    { age: 0, delay: 0, seconds: [0] },
    { age: 0, delay: 7.1, seconds: [8] },
    { age: TWELVE_HOURS - 100, delay: 3_600, seconds: [98, 99] },
    { age: TWELVE_HOURS, delay: 3_600, seconds: [0] },
    { age: TWELVE_HOURS + 60, delay: 5, seconds: [0] },
  ]) {
    it(`end after ${seconds.join(' or ')} s if released for ${delay} s, ${age} s after the delivery`, async () => {
      await releaseLeases(sqs.place(), [{ receipt: aged('a', age), delay }]);
      expect(changes()[0]?.[1]).to.be.oneOf(seconds);
    });
  }

  it('end at 12 hours to the second: the last extension is one that SQS accepts', async () => {
    // Of a second that has begun nothing is left, so that 21 s are 20 whole ones.
    const extended = (left: number) =>
      withinOneSecond(() => extendLeases(sqs.place(), [aged('a', TWELVE_HOURS - left)], 20));
    expect(await extended(21)).to.deep.equal(['extended']);
    expect(await extended(20)).to.deep.equal(['lost']);
    sqs.requests.length = 0;
    await withinOneSecond(() => releaseLeases(sqs.place(), [{ receipt: aged('a', TWELVE_HOURS - 100), delay: 3_600 }]));
    expect(changes()).to.deep.equal([['a', 98]]);
  });

  it('begin no later than the receive', () => {
    const receipt = makeReceipt('a');
    expect(Number.parseInt(receipt, 36)).to.be.at.most(Number(process.hrtime.bigint()) / 1e9);
  });

  it('are not taken for lost when SQS refuses them for another reason', async () => {
    sqs.reply = ({ body }) => ({
      content: {
        Failed: body.Entries.map(({ Id }) => ({
          Id,
          SenderFault: true,
          Code: 'InvalidParameterValue',
          Message: 'odd',
        })),
      },
    });
    await failsWith('unexpected', extendLeases(sqs.place(), [makeReceipt('a')], 20));
    await failsWith('unexpected', releaseLeases(sqs.place(), [{ receipt: makeReceipt('a'), delay: 0 }]));
    await failsWith('unexpected', deleteMessages(sqs.place(), ['a']));
  });
});
