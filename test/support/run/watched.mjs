// Loaded before any test, by typescript.mjs and by .ci/test.mjs. Gives the run a directory for temporary files
// (BATCHCTL_TEST_RUN), and leaves it to a cleanup process: nothing that tests started, no process and no file, outlives the run.
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, statfsSync } from 'node:fs';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';

/** A file system in memory: there to flush a file takes no time, and on a disk several milliseconds, in which a lane waits. */
const IN_MEMORY = '/dev/shm';
/** Bytes that a run's files may take, and twice that in memory. */
const ROOM = 4 * 2 ** 30;
/** Milliseconds between two looks for mocha's outer process. */
const LOOK = 500;

// A lane belongs to the run that started it, and so do its files.
if (process.env.BATCHCTL_TEST_RUN === undefined) {
  // Short: below it are sockets, whose paths may have 107 bytes.
  const directory = mkdtempSync(join(placeOfRuns(), 'tests-'));
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

/** In memory if there is room and programs may be run there; TMPDIR names another place. */
function placeOfRuns() {
  if (process.env.TMPDIR !== undefined) return tmpdir();
  try {
    const { bavail, bsize } = statfsSync(IN_MEMORY);
    const memory = Math.min(freemem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
    const mounted = readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .findLast((line) => line.split(' ')[1] === IN_MEMORY);
    const [, , type, options = ''] = mounted?.split(' ') ?? [];
    const fits =
      type === 'tmpfs' && !options.split(',').includes('noexec') && bavail * bsize >= ROOM && memory >= 2 * ROOM;
    if (fits) return IN_MEMORY;
  } catch {
    // There is none here, as on a Mac.
  }
  return tmpdir();
}

function isMocha(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('/mocha');
  } catch {
    return false;
  }
}
