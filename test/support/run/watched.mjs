// Loaded before any test, by mocha (.mocharc.json) and by .ci/test.mjs. Gives the run a directory for temporary files
// (BATCHCTL_TEST_RUN), and leaves it to a cleanup process: nothing that tests started, no process and no file, outlives the run.
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Milliseconds between two looks for mocha's outer process. */
const LOOK = 500;

// A lane belongs to the run that started it, and so do its files.
if (process.env.BATCHCTL_TEST_RUN === undefined) {
  // Short: below it are sockets, whose paths may have 107 bytes.
  const directory = mkdtempSync(join(tmpdir(), 'tests-'));
  // As open as /tmp is: database servers and commands of other users have their files in it.
  chmodSync(directory, 0o1777);
  process.env.TMPDIR = directory;
  process.env.BATCHCTL_TEST_RUN = directory;

  // A session of its own: Ctrl-C is not for it.
  const cleanup = spawn(process.execPath, [join(import.meta.dirname, 'cleanup.mjs'), directory], {
    ...{ cwd: '/', detached: true, stdio: ['pipe', 'ignore', 'ignore'] },
  });
  cleanup.unref();
  cleanup.stdin.unref();
}

// To give Node its options mocha runs tests in a child, which would go on when only the parent is killed.
const parent = process.ppid;
if (isMocha(parent)) {
  const look = () => {
    if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL');
  };
  setInterval(look, LOOK).unref();
}

function isMocha(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('/mocha');
  } catch {
    return false;
  }
}
