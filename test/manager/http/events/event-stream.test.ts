// Protects: a slow watcher gets the newest events, and does not fill the manager's memory.
import { expect } from 'chai';
import { EventStream } from '../../../../src/manager/http/events.ts';
import { HeldTime } from '../../../support/held-time.ts';

const LONG = 3_600_000;

describe('a stream of events', () => {
  it('keeps only the newest of each event while no one reads', () => {
    const stream = new EventStream(LONG);
    for (let n = 0; n < 10_000; n += 1) stream.send('status', `{"n":${n}}`);
    stream.send('trouble', '{}');
    stream.send('status', '{"n":10000}');
    stream.end();
    let text = '';
    for (let piece = stream.body.read(); piece !== null; piece = stream.body.read()) text += piece;
    const blocks = text.split('\n\n').filter(Boolean);
    expect(blocks.length).to.be.at.most(3);
    expect(blocks.slice(-2)).to.deep.equal(['event: trouble\ndata: {}', 'event: status\ndata: {"n":10000}']);
  });

  it('ends once everything was read, and accepts nothing more', async () => {
    const stream = new EventStream(LONG);
    stream.send('status', '1');
    stream.end();
    stream.send('status', '2');
    let text = '';
    for await (const piece of stream.body) text += piece;
    expect(text).to.equal('event: status\ndata: 1\n\n');
  });

  it('sends comments from time to time to a reader that keeps up, and only one to a slow reader', async () => {
    const time = new HeldTime();
    try {
      const stream = new EventStream(2);
      // No one reads yet.
      await time.pass(20);
      expect(stream.body.readableLength).to.equal(0);
      expect(stream.body.read()).to.equal(null);
      await time.pass(20);
      expect(String(stream.body.read())).to.equal(':\n\n');
      let comments = 0;
      stream.body.on('data', () => {
        comments += 1;
      });
      await time.pass(20);
      expect(comments).to.be.within(9, 11);
      stream.body.destroy();
    } finally {
      time.release();
    }
  });
});
