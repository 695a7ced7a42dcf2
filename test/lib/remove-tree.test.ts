// Protects: removing what another process left follows no link, whatever its depth, names and modes, also without root's
// rights, and removes everything that it can.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { removeTree } from '../../src/lib/remove-tree.ts';
import { withoutRights } from '../support/without-rights.ts';

const SCRIPT = `mkdir -p tree/a/b/c tree/.removed-1/x tree/e "tree/$(printf 'd\\351')" && cd tree
touch a/b/c/f .removed-1/x/f "$(printf 'd\\351/f\\351')" "$(printf 'caf\\351')"
ln -s ../kept link; ln -s ../../kept a/link; ln -s a loop; mkfifo a/b/fifo; ln ../kept/file a/hard
perl -e 'mkdir "deep"; chdir "deep"; for (1..3000) { mkdir "d" or die; chdir "d" or die } open(F, ">f")'
chmod 0 a/b/c; chmod 500 a/b; chmod 300 a; chmod 400 e; chmod 0 .`;

describe('removing a tree', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'batchctl-remove-'));
    mkdirSync(join(directory, 'kept'));
    writeFileSync(join(directory, 'kept/file'), 'kept\n');
  });
  afterEach(() => {
    spawnSync('chmod', ['-R', 'u+rwx', directory]);
    rmSync(directory, { recursive: true, force: true });
  });
  const kept = (): string => readFileSync(join(directory, 'kept/file'), 'utf8');

  it('of any depth, names and kinds leaves nothing, and follows no link', () => {
    execFileSync('/bin/sh', ['-c', SCRIPT], { cwd: directory });
    removeTree(join(directory, 'tree'));
    expect(existsSync(join(directory, 'tree'))).to.equal(false);
    expect(kept()).to.equal('kept\n');
  });

  it("that is closed to its owner works without root's rights", async () => {
    const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
    if ('uid' in nobody) execFileSync('chown', ['-R', '65534:65534', directory]);
    execFileSync('/bin/sh', ['-c', SCRIPT], { cwd: directory, ...nobody });
    await withoutRights(async () => removeTree(join(directory, 'tree')));
    expect(existsSync(join(directory, 'tree'))).to.equal(false);
    expect(kept()).to.equal('kept\n');
  });

  it('removes a link, a file and nothing', () => {
    symlinkSync(join(directory, 'kept'), join(directory, 'link'));
    for (const name of ['link', 'missing']) removeTree(join(directory, name));
    expect(existsSync(join(directory, 'link'))).to.equal(false);
    expect(kept()).to.equal('kept\n');
    removeTree(join(directory, 'kept/file'));
    expect(existsSync(join(directory, 'kept/file'))).to.equal(false);
  });
});
