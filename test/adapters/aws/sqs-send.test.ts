// Protects: large jobs can be sent to SQS: batches stay within its limits and jobs share the queue fairly.

import { expect } from 'chai';
import { AwsClients } from '../../../src/adapters/aws/clients.ts';
import { fitReason, SqsSender } from '../../../src/adapters/aws/sqs-send.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { serve } from '../../support/servers/listen.ts';
import { sqsOptions } from '../../support/sqs.ts';

interface Entry {
  readonly Id: string;
  readonly MessageBody: string;
  readonly MessageGroupId?: string;
  readonly DelaySeconds?: number;
}

describe('messages sent to SQS', () => {
  const server = forEachTest(() =>
    serve(async (request, answer) => {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      const { Entries }: { Entries: readonly Entry[] } = JSON.parse(body);
      batches.push(Entries);
      if (refusedBody !== null) {
        const Failed = Entries.filter(({ MessageBody, MessageGroupId: group }) =>
          refuses === null ? MessageBody === refusedBody : group !== undefined || MessageBody === refusedBody,
        ).map(({ Id, MessageGroupId: group }) => {
          const Message = refuses !== null && group !== undefined ? 'MessageGroupId is invalid' : 'odd';
          return { Id, SenderFault: true, Code: 'InvalidParameterValue', Message };
        });
        const ids = new Set(Failed.map(({ Id }) => Id));
        const Successful = Entries.filter(({ Id }) => !ids.has(Id)).map(({ Id }) => ({ Id, MessageId: Id }));
        answer
          .writeHead(200, { 'content-type': 'application/x-amz-json-1.0' })
          .end(JSON.stringify({ Successful, Failed }));
        return;
      }
      const isRefused = refuses !== null && Entries.some(({ MessageGroupId }) => MessageGroupId !== undefined);
      const message = 'Value job-a for parameter MessageGroupId is invalid.';
      const done = Entries.filter(({ MessageGroupId }) => !isRefused || MessageGroupId === undefined);
      const Failed = Entries.filter((entry) => !done.includes(entry)).map(({ Id }) => ({
        Id,
        SenderFault: true,
        Code: 'InvalidParameterValue',
        Message: message,
      }));
      const content =
        isRefused && refuses === 'call'
          ? { __type: 'InvalidParameterValue', message }
          : { Successful: done.map(({ Id }) => ({ Id, MessageId: Id })), Failed };
      answer
        .writeHead(isRefused && refuses === 'call' ? 400 : 200, { 'content-type': 'application/x-amz-json-1.0' })
        .end(JSON.stringify(content));
    }),
  );
  const clients = forEachTest(() => new AwsClients(sqsOptions(server.url).clients));
  let sender: SqsSender;
  /** What an endpoint without message groups refuses. */
  let refuses: 'call' | 'entries' | null;
  /** A body that is refused for its content; null: none is. */
  let refusedBody: string | null;
  let batches: (readonly Entry[])[];

  beforeEach(() => {
    refuses = null;
    refusedBody = null;
    batches = [];
    const client = () => clients.sqs('control');
    const place = { client, url: `${server.url}/1/q`, arn: 'arn:aws:sqs:us-east-1:*:q', profile: null, patienceMs: 0 };
    sender = new SqsSender(place, 1_000);
  });

  it('are hidden for at least their delay, in whole seconds, for 15 minutes at most', async () => {
    await sender.send([0, 0.2, 899.5, 900].map((delay) => ({ body: 'a', tenant: null, delay })));
    expect(batches[0]?.map(({ DelaySeconds }) => DelaySeconds)).to.deep.equal([0, 1, 900, 900]);
    await failsWith('unexpected', sender.send([{ body: 'a', tenant: null, delay: 900.1 }]));
  });

  for (const how of [null, 'entries'] as const) {
    it(`are never lost in silence: one that is refused is an error${how === null ? '' : ', also when sent again without a group'}`, async () => {
      refuses = how;
      refusedBody = 'bad';
      const sent = ['good', 'bad'].map((body) => ({ body, tenant: 'job-a' }));
      expect((await failsWith('unexpected', sender.send(sent))).message).to.include('odd');
    });
  }

  it('have their job as message group, unless SQS does not support it', async () => {
    const tenants = ['job-a', 'x'.repeat(129), 'mit Leerzeichen', null];
    await sender.send(tenants.map((tenant) => ({ body: '{}', tenant })));
    const groups = batches[0]?.map(({ MessageGroupId }) => MessageGroupId);
    expect(groups).to.deep.equal(['job-a', undefined, undefined, undefined]);
  });

  for (const what of ['call', 'entries'] as const) {
    it(`have no group once an endpoint rejected ${what === 'call' ? 'a call' : 'some of its entries'} for them`, async () => {
      refuses = what;
      await sender.send([{ body: 'a', tenant: 'job-a' }]);
      await sender.send([{ body: 'b', tenant: 'job-a' }]);
      const seen = batches.flat().map(({ MessageBody, MessageGroupId }) => [MessageBody, MessageGroupId]);
      expect(seen).to.deep.equal([
        ['a', 'job-a'],
        ['a', undefined],
        ['b', undefined],
      ]);
    });
  }

  it('are sent again without a group only where it was refused', async () => {
    refuses = 'entries';
    await sender.send([
      { body: 'a', tenant: 'job-a' },
      { body: 'none', tenant: null },
    ]);
    expect(batches.map((batch) => batch.map(({ MessageBody }) => MessageBody))).to.deep.equal([['a', 'none'], ['a']]);
  });

  it('have as much of a reason as fits beside the body and the name of the attribute, in whole characters', () => {
    const overhead = 'batchctl-reason'.length + 'String'.length;
    const reasonIn = (reason: string, room: number) => fitReason(reason, 'äb', 3 + overhead + room);
    expect(reasonIn('because', 7)).to.equal('because');
    expect(reasonIn('because', 6)).to.equal('becaus');
    expect([
      reasonIn('ää', 4),
      reasonIn('ää', 3),
      reasonIn('ää', 2),
      reasonIn('ää', 1),
      reasonIn('ää', 0),
    ]).to.deep.equal(['ää', 'ä', 'ä', null, null]);
    expect(reasonIn('', 9)).to.equal(null);
    expect(reasonIn('a\u0000b', 99)).to.equal('a\ufffdb');
    expect(reasonIn('x'.repeat(9_000), 8_000)).to.have.length(2_048);
  });

  it('are sent in batches of at most ten messages, within the size that the queue accepts', async () => {
    await sender.send(Array.from({ length: 12 }, () => ({ body: 'ä'.repeat(200), tenant: null })));
    await sender.send(Array.from({ length: 12 }, () => ({ body: 'a', tenant: null })));
    expect(batches.map((batch) => batch.length).sort()).to.deep.equal([10, 2, 2, 2, 2, 2, 2, 2].sort());
    batches = [];
    await sender.send(Array.from({ length: 12 }, () => ({ body: 'a', tenant: null, reason: 'x'.repeat(300) })));
    expect(
      batches.map((batch) => batch.length),
      'with reasons',
    ).to.deep.equal([3, 3, 3, 3]);
  });

  it('have one byte at least and as many as the queue accepts, and no character that SQS refuses', async () => {
    await sender.send([{ body: 'a'.repeat(1_000), tenant: null }]);
    for (const body of ['', 'a'.repeat(1_001), '\u0000a', 'a\u0000'])
      await failsWith('unexpected', sender.send([{ body, tenant: null }]));
    expect(batches).to.have.lengthOf(1);
  });
});
