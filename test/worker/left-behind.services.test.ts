// Protects: what only a command of root can leave (a protected file, a mount, a device) loses no slot and follows nothing.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { forEachTest } from '../support/fixture.ts';
import { installed, lacking, requireRoot } from '../support/run/lacking.ts';
import { until } from '../support/until.ts';
import { IN_OWN_DIRECTORIES, LeavingBench } from './left-behind.ts';

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

  for (const flag of ['+i', '+a'])
    for (const name of ['in', 'err', 'run'])
      it(`${name} protected by chattr ${flag} runs the next task as if it were new`, async () => {
        requireProtection(bench.directory);
        await bench.leave({ what: 'a file of its slot', script: `chattr ${flag} "$SLOT/${name}"` });
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

describe('a slot in which a command of another user left', () => {
  before(() => requireRoot('run commands as another user'));
  const bench = forEachTest(() => LeavingBench.open('nobody'));

  for (const leaving of IN_OWN_DIRECTORIES) {
    it(`${leaving.what} runs the next task as if it were new`, async () => {
      await bench.leave(leaving);
      expect(bench.warnings).to.deep.equal([]);
    });
  }

  it('what leads to files of root publishes and removes none of them', async () => {
    installed('python3');
    // Found by the commands' user: the first in the PATH may be closed to it.
    const python = ['/usr/bin/env', 'python3', '-c'];
    const worker = bench.startWorker(2);
    const helping = worker.run({ run: [...python, HELPER], timeout: 120 }, 1);
    try {
      await until('the helper listens', () => existsSync(join(bench.kept, 'socket')));
      let published = 0;
      for (let round = 0; round < ROUNDS; round += 1) {
        const output = round % 2 === 0 ? 'file' : 'files';
        const { outcome, task } = await worker.run({ output, run: [...python, ACCOMPLICE] });
        if (outcome.kind === 'published' && output === 'file') {
          published += 1;
          expect(await bench.output(task)).to.equal('mine\n');
        } else if (outcome.kind === 'failed') {
          // The helper had just moved it away.
          expect(outcome.failure.reason).to.equal('no-output');
        } else if (outcome.kind === 'retry') {
          expect(outcome.failure.error).to.match(
            /to be a regular file, found a symbolic link|not the command's own file|found a change/,
          );
        } else {
          expect(outcome.kind).to.equal('published');
        }
      }
      expect(published).to.be.greaterThan(0);
      expect(await bench.storedTexts()).to.not.include('untouched\n');
      bench.expectVictimUntouched();
    } finally {
      writeFileSync(join(bench.kept, 'stop'), '');
      await helping;
      await worker.close();
    }
  });
});

const ROUNDS = 30;

/** Gives the directories of its attempt to the helper in the other slot. */
const ACCOMPLICE = `
import os, socket
out = os.environ.get("BATCHCTL_OUTPUT_DIR") or os.path.dirname(os.environ["BATCHCTL_OUTPUT"])
for path in (out, os.getcwd()):
    os.makedirs(path + "/d/e", exist_ok=True)
    for at in (path, path + "/d", path + "/d/e"):
        os.chmod(at, 0o777)
        for name in ("output", "file", "counters"):
            with open(at + "/" + name, "w") as f: f.write("mine\\n")
if "BATCHCTL_OUTPUT_DIR" not in os.environ:
    os.replace(out + "/output", os.environ["BATCHCTL_OUTPUT"])
fds = [os.open(p, os.O_RDONLY) for p in (out, out + "/d", os.getcwd(), os.getcwd() + "/d")]
s = socket.socket(socket.AF_UNIX)
s.connect(os.environ["KEPT"] + "/socket")
socket.send_fds(s, [b"x"], fds)
s.recv(1)
`;

/** Swaps files and directories below the last received descriptors with links to the victim, until it is stopped. */
const HELPER = `
import os, socket
kept, victim = os.environ["KEPT"], os.environ["VICTIM"]
s = socket.socket(socket.AF_UNIX)
s.bind(kept + "/socket")
os.chmod(kept + "/socket", 0o777)
s.listen()
s.setblocking(False)
fds, n = [], 0
def swap(fd, name, target):
    global n
    n += 1
    try:
        os.rename(name, "x%d" % n, src_dir_fd=fd, dst_dir_fd=fd)
        os.symlink(target, name, dir_fd=fd)
    except OSError: pass
    try:
        os.unlink(name, dir_fd=fd)
        os.rename("x%d" % n, name, src_dir_fd=fd, dst_dir_fd=fd)
    except OSError: pass
while not os.path.exists(kept + "/stop"):
    try:
        c, _ = s.accept()
        c.setblocking(True)
        for fd in fds: os.close(fd)
        _, fds, _, _ = socket.recv_fds(c, 1, 9)
        c.send(b"x")
        c.close()
    except BlockingIOError: pass
    for fd in fds:
        swap(fd, "d", victim)
        swap(fd, "e", victim)
        for name in ("output", "file"): swap(fd, name, victim + "/file")
`;

function requireProtection(directory: string): void {
  const probe = mkdtempSync(join(directory, 'probe-'));
  const { status } = spawnSync('chattr', ['+i', probe]);
  spawnSync('chattr', ['-i', probe]);
  rmSync(probe, { recursive: true });
  if (status !== 0) throw lacking(`a file system below ${tmpdir()} that can protect files`);
}
