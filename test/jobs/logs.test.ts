// Protects: a followed log shows each line once, even when its beginning is cut off.

import { expect } from 'chai';
import { NOTHING_SHOWN, shownOf, unshownBytes } from '../../src/jobs/logs.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (some: Uint8Array): string => new TextDecoder().decode(some);
const news = (before: string, after: string): string => text(unshownBytes(shownOf(bytes(before)), bytes(after)));

describe('the unshown text of a log', () => {
  it('is the whole log at first', () => {
    expect(text(unshownBytes(NOTHING_SHOWN, bytes('one\n')))).to.equal('one\n');
  });

  it('is the text added at its end', () => {
    expect(news('one\n', 'one\n')).to.equal('');
    expect(news('one\n', 'one\ntwo\n')).to.equal('two\n');
    expect(news('o', 'one\n')).to.equal('ne\n');
  });

  it('is found in a log whose beginning was cut off meanwhile', () => {
    const lines = Array.from({ length: 2_000 }, (_, n) => `line ${n}\n`);
    const cut = `[batchctl: 999 bytes cut here]\n${lines.slice(1_200).join('')}`;
    expect(news(lines.slice(0, 1_500).join(''), cut)).to.equal(lines.slice(1_500).join(''));
  });

  it('is the whole log if the text shown last was cut off', () => {
    const after = '[batchctl: 999 bytes cut here]\nlater\n';
    expect(news('earlier\n'.repeat(300), after)).to.equal(after);
  });

  it('neither loses nor repeats a byte, however often a growing log is read', () => {
    const whole = Array.from({ length: 500 }, (_, n) => `${n % 7} same\n`).join('');
    let shown = NOTHING_SHOWN;
    let seen = '';
    for (let at = 0; at <= whole.length; at += 1 + ((at * 31) % 97)) {
      const log = bytes(whole.slice(0, at));
      seen += text(unshownBytes(shown, log));
      shown = shownOf(log);
    }
    expect(whole.startsWith(seen)).to.equal(true);
    expect(seen.length).to.be.at.least(whole.length - 97);
  });
});
