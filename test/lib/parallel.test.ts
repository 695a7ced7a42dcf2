// Protects: parallel work keeps its limit and its order, and stops at the first failure.
import { expect } from 'chai';
import { eachParallel, mapAhead } from '../../src/lib/parallel.ts';
import { collect } from '../support/collect.ts';
import { rejection } from '../support/rejection.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('work in parallel', () => {
  it('processes each item once, and never more at a time than the limit', async () => {
    const done: number[] = [];
    let inFlight = 0;
    let most = 0;
    await eachParallel([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
      inFlight += 1;
      most = Math.max(most, inFlight);
      await turn();
      inFlight -= 1;
      done.push(item);
    });
    expect(done.sort()).to.deep.equal([1, 2, 3, 4, 5, 6, 7]);
    expect(most).to.equal(3);
  });

  it('aborts the others at the first failure, starts no further item, and throws the failure when all have ended', async () => {
    const started: number[] = [];
    let wasAborted = false;
    const work = async (item: number, signal: AbortSignal): Promise<void> => {
      started.push(item);
      if (item === 1) throw new Error('the first');
      await turn();
      wasAborted = signal.aborted;
      throw new Error('a later one');
    };
    expect((await rejection(eachParallel([0, 1, 2, 3], 2, work))).message).to.equal('the first');
    expect({ started, wasAborted }).to.deep.equal({ started: [0, 1], wasAborted: true });
  });

  it('ends when its signal is aborted, even if nothing failed', async () => {
    const stop = new AbortController();
    const done: number[] = [];
    const work = async (item: number): Promise<void> => {
      done.push(item);
      if (item === 2) stop.abort();
    };
    expect((await rejection(eachParallel([1, 2, 3, 4], 1, work, stop.signal))).name).to.equal('AbortError');
    expect(done).to.deep.equal([1, 2]);
  });
});

describe('work ahead', () => {
  it('yields in order, whatever ends first, and starts at most the limit ahead', async () => {
    const started: number[] = [];
    const results = mapAhead([3, 2, 1, 0], 2, async (item) => {
      started.push(item);
      for (let i = 0; i < item; i += 1) await turn();
      return item;
    });
    expect((await results.next()).value).to.equal(3);
    expect(started).to.deep.equal([3, 2]);
    expect(await collect(results)).to.deep.equal([2, 1, 0]);
  });

  it('throws a failure when its turn comes', async () => {
    const results = mapAhead([1, 2], 2, async (item) => {
      if (item === 2) throw new Error('two');
      return item;
    });
    expect((await results.next()).value).to.equal(1);
    expect((await rejection(results.next())).message).to.equal('two');
  });
});
