// Protects: what only a command of root can leave (a protected file, a mount, a device) loses no slot and follows nothing.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { forEachTest } from '../support/fixture.ts';
import { lacking, requireRoot } from '../support/run/lacking.ts';
import { LeavingBench } from './left-behind.ts';

describe('a slot in which a command of root left', () => {
  before(() => requireRoot('leave what only root can'));
  const bench = forEachTest(() => LeavingBench.open(null));
  afterEach(() => {
    spawnSync('sh', ['-c', `grep -o ' ${bench.directory}[^ ]*' /proc/mounts | xargs -r -n1 umount -l`]);
    spawnSync('chattr', ['-R', '-f', '-i', '-a', bench.directory]);
  });

  it('a device as its output runs the next task as if it were new', async () => {
    await bench.leave({
      what: 'a device',
      output: 'file',
      script: 'mknod "$BATCHCTL_OUTPUT" c 1 5',
      error: /^expected \$BATCHCTL_OUTPUT to be a regular file, found a device$/,
    });
  });

  it('a protected file runs the next task in the same directory', async () => {
    requireProtection(bench.directory);
    await bench.leave({
      what: 'a protected file',
      script: 'mkdir d; echo x >d/f; chattr +i d/f; echo y >a; chattr +a a .',
    });
    expect(bench.warnings).to.deep.equal([]);
  });

  it('a mount runs the next task in a new directory, and the old one is named', async () => {
    await bench.leave({ what: 'a mount', script: 'mkdir m; mount -t tmpfs none m' });
    expect(bench.warnings).to.have.length(1);
    expect(bench.warnings[0]).to.match(
      /^slot 0 uses a new directory, because \S+ can't be emptied \(EBUSY.*\): remove it$/,
    );
  });
});

function requireProtection(directory: string): void {
  const probe = mkdtempSync(join(directory, 'probe-'));
  const { status } = spawnSync('chattr', ['+i', probe]);
  spawnSync('chattr', ['-i', probe]);
  rmSync(probe, { recursive: true });
  if (status !== 0) throw lacking(`a file system below ${tmpdir()} that can protect files`);
}
