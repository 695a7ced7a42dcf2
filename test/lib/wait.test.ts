// Protects: a wait of more days than a timer can handle doesn't end at once, and a limit gives up work that takes longer.
import { getEventListeners } from 'node:events';
import { expect } from 'chai';
import { wait, within } from '../../src/lib/wait.ts';

describe('a wait', () => {
  it('of 30 days lasts until the signal ends it', async () => {
    const stop = new AbortController();
    const waiting = wait(30 * 86_400_000, stop.signal).then(() => 'ended');
    const result = await within(waiting, 50, () => 'still waiting');
    stop.abort();
    expect(result).to.equal('still waiting');
    expect(await waiting).to.equal('ended');
  });
});

describe('a limit', () => {
  it('passes on a value or an error in time, and reports neither as late', async () => {
    const late = () => expect.fail('it was in time');
    expect(await within(Promise.resolve(1), 1_000, late)).to.equal(1);
    const error = await within(Promise.reject(new Error('broken')), 1_000, late).catch(String);
    expect(error).to.equal('Error: broken');
  });

  it('ends when its signal aborts', async () => {
    const stop = AbortSignal.abort();
    expect(await within(new Promise(() => {}), 60_000, () => 'aborted', stop)).to.equal('aborted');
    const later = new AbortController();
    const limited = within(new Promise(() => {}), 60_000, () => 'aborted', later.signal);
    later.abort();
    expect(await limited).to.equal('aborted');
  });

  it('leaves no listener on its signal', async () => {
    const { signal } = new AbortController();
    await within(Promise.resolve(1), 60_000, () => 'late', signal);
    expect(getEventListeners(signal, 'abort')).to.deep.equal([]);
  });
});
