// Protects: batches to SQS are retried entry by entry, for as long as they make progress and no longer than their patience.

import { expect } from 'chai';
import {
  callInBatches,
  isGroupRefused,
  Patience,
  requireLeaseLost,
  retry,
} from '../../../src/adapters/aws/sqs-requests.ts';
import { forEachTest } from '../../support/fixture.ts';
import { HeldTime } from '../../support/held-time.ts';
import { failsWith, rejection } from '../../support/rejection.ts';

const doing = {
  what: 'send messages',
  action: 'sqs:SendMessage',
  place: { arn: 'arn:aws:sqs:eu-west-1:123456789012:q', profile: null, patienceMs: 60_000 },
};
const passing = (Id: string) => ({ Id, SenderFault: false, Code: 'InternalError', Message: 'later' });
const range = (count: number): readonly number[] => Array.from({ length: count }, (_, n) => n);
const errorOf = (name: string): Error => Object.assign(new Error(name), { name });

describe('requests to SQS in batches', () => {
  const time = forEachTest(() => new HeldTime());

  /** Each call takes this long, succeeds for its first entry, and fails for the others. */
  const oneByOne = (ms: number, sent: number[]) => async (items: readonly number[]) => {
    await new Promise<void>((resolve) => setTimeout(resolve, ms));
    sent.push(...items.slice(0, 1));
    return { Successful: [{ Id: '0' }], Failed: items.slice(1).map((_, place) => passing(String(place + 1))) };
  };

  it('continue while each call makes progress, however long the whole takes', async () => {
    const sent: number[] = [];
    const began = time.now();
    await time.passUntil(callInBatches(range(10), { doing, call: oneByOne(30_000, sent) }));
    expect(sent).to.deep.equal(range(10));
    expect(time.now() - began).to.be.within(300_000, 360_000);
  });

  it('give up once no entry has passed for the whole patience, and say why', async () => {
    const call = async (items: readonly number[]) => ({ Failed: items.map((_, place) => passing(String(place))) });
    const began = time.now();
    const error = await failsWith('unavailable', time.passUntil(callInBatches([1], { doing, call })));
    expect(error.message).to.include('could not send messages');
    expect(time.now() - began).to.be.within(59_999, 60_001);
  });

  it('return the entries that SQS refuses, and repeat only the open ones', async () => {
    const calls: (readonly string[])[] = [];
    const call = async (items: readonly string[]) => {
      calls.push(items);
      const Failed = [{ Id: '1', SenderFault: true, Code: 'InvalidMessageContents', Message: 'bad' }];
      return calls.length > 1 ? { Successful: [{ Id: '0' }] } : { Successful: [{ Id: '0' }], Failed };
    };
    const refused = await time.passUntil(callInBatches(['a', 'b', 'c'], { doing, call }));
    expect(calls).to.deep.equal([['a', 'b', 'c'], ['c']]);
    expect(refused).to.deep.equal([{ item: 'b', code: 'InvalidMessageContents', message: 'bad' }]);
  });

  it('repeat an entry whose failure passes although SQS blames the sender', async () => {
    let calls = 0;
    const call = async () => {
      calls += 1;
      const Failed = [{ Id: '0', SenderFault: true, Code: 'AWS.SimpleQueueService.RequestThrottled', Message: 'slow' }];
      return calls === 1 ? { Failed } : { Successful: [{ Id: '0' }] };
    };
    expect(await time.passUntil(callInBatches(['a'], { doing, call }))).to.deep.equal([]);
    expect(calls).to.equal(2);
  });

  it('have at most ten entries and the limit of bytes, and one entry whatever its size', async () => {
    const sizes: (readonly number[])[] = [];
    const call = async (items: readonly number[]) => {
      sizes.push(items);
      return { Successful: items.map((_, place) => ({ Id: String(place) })) };
    };
    await callInBatches(Array(21).fill(1), { doing, call });
    expect(sizes.map(({ length }) => length)).to.deep.equal([10, 10, 1]);
    sizes.length = 0;
    await callInBatches([300, 60, 40, 1, 200, 99, 2], { doing, call, bytes: { of: (size) => size, most: 100 } });
    expect(sizes).to.deep.equal([[300], [60, 40], [1], [200], [99], [2]]);
  });

  it('are repeated only after failures that may pass', async () => {
    let calls = 0;
    const denied = () => {
      calls += 1;
      return Promise.reject(errorOf('AccessDenied'));
    };
    await failsWith('credentials', retry(doing, new Patience(60_000), denied));
    expect(calls).to.equal(1);
    const twice = () => {
      calls += 1;
      return calls < 3 ? Promise.reject(errorOf('RequestThrottled')) : Promise.resolve('done');
    };
    expect(await time.passUntil(retry(doing, new Patience(60_000), twice))).to.equal('done');
  });

  it('pause longer after each failure, from a tenth of a second to twenty seconds', async () => {
    const random = Math.random;
    Math.random = () => 1;
    try {
      const patience = new Patience(3_600_000);
      const pauses: number[] = [];
      for (const _ of range(10)) {
        const began = time.now();
        expect(await time.passUntil(patience.pause())).to.equal(true);
        pauses.push(time.now() - began);
      }
      expect(pauses).to.deep.equal([100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 20_000, 20_000]);
      patience.reset();
      const began = time.now();
      await time.passUntil(patience.pause());
      expect(time.now() - began).to.equal(100);
    } finally {
      Math.random = random;
    }
  });

  it('are tried once without patience', async () => {
    expect(await new Patience(0).pause()).to.equal(false);
  });

  it('ignore only entries whose lease is lost', async () => {
    const lost = [
      ['MessageNotInflight', ''],
      ['ReceiptHandleIsInvalid', ''],
      ['InvalidParameterValue', 'Reason: The receipt handle has expired.'],
      ['InvalidParameterValue', 'Reason: Message does not exist or is not available for visibility timeout change.'],
      ['InvalidParameterValue', 'Total VisibilityTimeout for the message is beyond the limit [43200 seconds]'],
    ].map(([code = '', message = '']) => ({ code, message }));
    requireLeaseLost(lost, doing);
    for (const other of [
      { code: 'InvalidParameterValue', message: 'Value 50000 for parameter VisibilityTimeout is invalid.' },
      { code: 'AccessDenied', message: 'the receipt handle has expired' },
    ]) {
      const check = Promise.resolve().then(() => requireLeaseLost([...lost, other], doing));
      expect((await rejection(check)).message).to.include('could not send messages');
    }
    expect(isGroupRefused({ message: 'The parameter MessageGroupId is not valid' })).to.equal(true);
    expect(isGroupRefused({ message: 'The message is not valid' })).to.equal(false);
  });
});
