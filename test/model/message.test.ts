// Protects: queue messages are read back exactly, and damaged or newer ones are recognised.
import { expect } from 'chai';
import fc from 'fast-check';
import { encodeMessage, parseMessage } from '../../src/model/message.ts';

const message = { job: 'claims-20261130-0600-abcde', step: 'price', task: 17, round: 2 };

describe('messages', () => {
  it('are parsed as they were written, with or without a hint, ignoring other fields', () => {
    for (const sent of [message, { ...message, at: { offset: 10, length: 5 } }, { ...message, again: true as const }]) {
      const body = JSON.stringify({ ...JSON.parse(encodeMessage(sent)), later: true });
      expect(parseMessage(body)).to.deep.equal({ kind: 'task', message: sent });
    }
  });

  it('are newer, not invalid, if their format is newer', () => {
    const newer = JSON.stringify({ ...message, format: 2, task: 'other' });
    expect(parseMessage(newer)).to.deep.equal({ kind: 'newer', format: 2, job: message.job });
  });

  for (const change of [
    { task: -1 },
    { task: 1.5 },
    { round: '0' },
    { job: '../x' },
    { step: null },
    { format: '1' },
  ]) {
    it(`are invalid with ${JSON.stringify(change)}`, () => {
      expect(parseMessage(JSON.stringify({ format: 1, ...message, ...change })).kind).to.equal('bad');
    });
  }

  it('property: no body makes reading throw', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (body) => void parseMessage(body)));
  });
});
