// Protects: a wait of more days than a timer can handle doesn't end at once.
import { expect } from 'chai';
import { wait } from '../../src/lib/wait.ts';

describe('a wait', () => {
  it('of 30 days lasts until the signal ends it', async () => {
    const ended = new AbortController();
    const first = await Promise.race([
      wait(30 * 86_400_000, ended.signal).then(() => 'the long wait'),
      wait(50).then(() => 'the short one'),
    ]);
    ended.abort();
    expect(first).to.equal('the short one');
  });
});
