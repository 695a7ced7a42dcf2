// Protects: jobs behave on SQS as on any other queue: SQS keeps the task queue contract.

import { createQueues, openSqsQueue, type SqsOptions } from '../../../src/adapters/aws/sqs-queue.ts';
import { type QueueHarness, taskQueueContract } from '../../contracts/task-queue.ts';
import { forSuite } from '../../support/fixture.ts';
import { type Fauxqs, startFauxqs } from '../../support/servers/fauxqs.ts';
import { type MotoSqs, startMotoSqs } from '../../support/servers/moto.ts';
import { sqsOptions } from '../../support/sqs.ts';

async function harness(server: Fauxqs | MotoSqs): Promise<QueueHarness> {
  const options: SqsOptions = sqsOptions(server.url);
  await createQueues(options);
  const [queue, other] = [await openSqsQueue(options), await openSqsQueue(options)];
  return {
    queue,
    other,
    pass: (seconds) => server.pass(seconds),
    close: async () => {
      await queue.close();
      await other.close();
    },
  };
}

describe('SQS in fauxqs', () => {
  const server = forSuite(startFauxqs);
  taskQueueContract('sqs on fauxqs', () => harness(server));
});

describe('SQS in moto', () => {
  const server = forSuite(startMotoSqs);
  taskQueueContract('sqs on moto', () => harness(server));
});
