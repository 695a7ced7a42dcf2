// Protects: no value from outside runs as code in the text of a shell, however the shell is started.
import { expect } from 'chai';
import { shellTextAt } from '../../src/model/shell-text.ts';

const TEXT = 'echo {item}';

describe('the text that a shell in an argument list runs', () => {
  for (const argv of [
    ['sh', '-c', TEXT],
    ['/bin/sh', '-lc', TEXT],
    ['bash', '-c', TEXT, 'sh', '{item}'],
    ['bash', '-euo', 'pipefail', '-c', TEXT],
    ['bash', '-o', 'pipefail', '-c', TEXT],
    ['bash', '--norc', '--rcfile', '-c', '-c', TEXT],
    ['bash', '-ceuo', 'pipefail', TEXT],
    ['bash', '-c', '-e', TEXT],
    ['bash', '+x', '-c', TEXT],
    ['dash', '-c', '--', TEXT],
    ['/usr/bin/zsh', '-fc', TEXT],
    ['ksh', '-c', TEXT],
    ['env', 'sh', '-c', TEXT],
    ['/usr/bin/env', '-i', 'A=1', 'bash', '-c', TEXT],
    ['timeout', '-k', '5', '10', '/bin/sh', '-c', TEXT],
    ['nice', '-n', '5', 'env', 'sh', '-c', TEXT],
    ['busybox', 'sh', '-c', TEXT],
    ['xargs', '-n1', 'sh', '-c', TEXT],
  ]) {
    it(`is found in ${argv.join(' ')}`, () => {
      expect(shellTextAt(argv)).to.equal(argv.indexOf(TEXT));
    });
  }

  for (const argv of [
    ['sh', 'script.sh', '-c', TEXT],
    ['bash', '-e', 'script.sh', TEXT],
    ['bash', '-s', TEXT],
    ['bash', '--', '-c', TEXT],
    ['grep', '-c', TEXT],
    ['grep', 'sh', '-c', TEXT],
    ['python3', '-c', TEXT],
    ['env', 'python3', '-c', TEXT],
    ['push', '-c', TEXT],
    ['sh', '-c'],
    ['sh'],
    [],
  ]) {
    it(`is not in ${argv.join(' ') || 'nothing'}`, () => {
      expect(shellTextAt(argv)).to.equal(null);
    });
  }
});
