// Protects: the rates of counters that the live view shows are those of the last minute, of steps that run.

import { expect } from 'chai';
import { CounterPace } from '../../src/cli/counter-pace.ts';

const encode = (frames: string, running = 2): Parameters<CounterPace['take']>[0] => ({
  counters: { cut: { frames: '500' }, encode: { frames, seconds: String(Number(frames) / 25) } },
  steps: [
    { name: 'cut', running: 0 },
    { name: 'encode', running },
  ],
});

describe('the rates of counters in the live view', () => {
  it('are how much the counters of running steps grew in a second', () => {
    const pace = new CounterPace();
    expect(pace.take(encode('0'), 5_000)).to.deep.equal([]);
    expect(pace.take(encode('200'), 7_000)).to.deep.equal(['encode: frames 100/s, seconds 4.0/s']);
    expect(pace.take(encode('200', 0), 9_000)).to.deep.equal([]);
  });

  it('are those of the last minute, however long the job runs', () => {
    const pace = new CounterPace();
    for (let second = 0; second <= 600; second += 1) pace.take(encode(String(second * 10)), second * 1_000);
    expect(pace.take(encode('7210'), 660_000)).to.deep.equal(['encode: frames 20/s, seconds 0.8/s']);
  });

  it('are not shown before a second has passed, nor of a counter that does not grow', () => {
    const pace = new CounterPace();
    pace.take(encode('100'), 0);
    expect(pace.take(encode('200'), 900)).to.deep.equal([]);
    expect(pace.take(encode('100'), 2_000)).to.deep.equal([]);
  });
});
