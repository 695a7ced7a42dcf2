// Protects: a wait of more days than a timer can handle doesn't end at once, and a limit gives up what takes longer.
import { expect } from 'chai';
import { wait, within } from '../../src/lib/wait.ts';

describe('a wait', () => {
  it('of 30 days lasts until the signal ends it', async () => {
    const ended = new AbortController();
    const first = await within(
      wait(30 * 86_400_000, ended.signal).then(() => 'the long wait'),
      50,
      () => 'the short one',
    );
    ended.abort();
    expect(first).to.equal('the short one');
  });
});

describe('a limit', () => {
  it('passes on a value or an error in time, without calling what is for a late one', async () => {
    const late = () => expect.fail('it was in time');
    expect(await within(Promise.resolve(1), 1_000, late)).to.equal(1);
    const error = await within(Promise.reject(new Error('broken')), 1_000, late).catch(String);
    expect(error).to.equal('Error: broken');
  });

  it('ends when its signal aborts', async () => {
    const stop = AbortSignal.abort();
    expect(await within(new Promise(() => {}), 60_000, () => 'aborted', stop)).to.equal('aborted');
  });
});
