// Protects: large jobs can be sent to SQS: batches stay within its limits and jobs share the queue fairly.

import { expect } from 'chai';
import { AwsClients } from '../../../src/adapters/aws/clients.ts';
import { SqsSender } from '../../../src/adapters/aws/sqs-send.ts';
import { forEachTest } from '../../support/fixture.ts';
import { serve } from '../../support/servers/listen.ts';
import { sqsOptions } from '../../support/sqs.ts';

interface Entry {
  readonly Id: string;
  readonly MessageBody: string;
  readonly MessageGroupId?: string;
}

describe('messages sent to SQS', () => {
  const server = forEachTest(() =>
    serve(async (request, answer) => {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      const { Entries }: { Entries: readonly Entry[] } = JSON.parse(body);
      batches.push(Entries);
      const isRefused = refuses && Entries.some(({ MessageGroupId }) => MessageGroupId !== undefined);
      const content = isRefused
        ? { __type: 'InvalidParameterValue', message: 'Value job-a for parameter MessageGroupId is invalid.' }
        : { Successful: Entries.map(({ Id }) => ({ Id, MessageId: Id })) };
      answer
        .writeHead(isRefused ? 400 : 200, { 'content-type': 'application/x-amz-json-1.0' })
        .end(JSON.stringify(content));
    }),
  );
  const clients = forEachTest(() => new AwsClients(sqsOptions(server.url).clients));
  let sender: SqsSender;
  let refuses: boolean;
  let batches: (readonly Entry[])[];

  beforeEach(() => {
    refuses = false;
    batches = [];
    const client = () => clients.sqs('control');
    const place = { client, url: `${server.url}/1/q`, arn: 'arn:aws:sqs:us-east-1:*:q', profile: null, patienceMs: 0 };
    sender = new SqsSender(place, 1_000);
  });

  it('have their job as message group, unless SQS does not support it', async () => {
    const tenants = ['job-a', 'x'.repeat(129), 'mit Leerzeichen', null];
    await sender.send(tenants.map((tenant) => ({ body: '{}', tenant })));
    const groups = batches[0]?.map(({ MessageGroupId }) => MessageGroupId);
    expect(groups).to.deep.equal(['job-a', undefined, undefined, undefined]);
  });

  it('have no group once an endpoint rejected them', async () => {
    refuses = true;
    await sender.send([{ body: 'a', tenant: 'job-a' }]);
    await sender.send([{ body: 'b', tenant: 'job-a' }]);
    const seen = batches.flat().map(({ MessageBody, MessageGroupId }) => [MessageBody, MessageGroupId]);
    expect(seen).to.deep.equal([
      ['a', 'job-a'],
      ['a', undefined],
      ['b', undefined],
    ]);
  });

  it('are sent in batches of at most ten messages, within the size that the queue accepts', async () => {
    await sender.send(Array.from({ length: 12 }, () => ({ body: 'ä'.repeat(200), tenant: null })));
    await sender.send(Array.from({ length: 12 }, () => ({ body: 'a', tenant: null })));
    expect(batches.map((batch) => batch.length).sort()).to.deep.equal([10, 2, 2, 2, 2, 2, 2, 2].sort());
  });
});
