// Loaded before any test, by typescript.mjs and .ci/test.mjs. Makes the run's directory for temporary files (BATCHCTL_TEST_RUN),
// and starts a cleanup process, so that no process that tests started and no file outlives the run.
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, statfsSync } from 'node:fs';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';

/** A file system in memory, where flushing a file takes no time: on a disk, a lane waits several milliseconds. */
const IN_MEMORY = '/dev/shm';
/** Bytes of space that a run's files need; the machine needs twice as much free memory. */
const ROOM = 4 * 2 ** 30;
/** Milliseconds between two checks of mocha's outer process. */
const CHECK_INTERVAL = 500;

// A lane uses the directory of the run that started it.
if (process.env.BATCHCTL_TEST_RUN === undefined) {
  // A short name, because paths of sockets in it may have at most 107 bytes.
  const directory = mkdtempSync(join(placeOfRuns(), 'tests-'));
  // With /tmp's mode, because database servers and commands run as other users.
  chmodSync(directory, 0o1777);
  process.env.TMPDIR = directory;
  process.env.BATCHCTL_TEST_RUN = directory;

  // Detached into its own session, so that Ctrl-C doesn't end it.
  const cleanup = spawn(process.execPath, [join(import.meta.dirname, 'cleanup.mjs'), directory], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  cleanup.unref();
  cleanup.stdin.unref();
}

// Mocha runs the tests in a child, to set Node's options. If only the parent is killed, the child has to end, too.
const parent = process.ppid;
if (isMocha(parent)) {
  const check = () => {
    if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL');
  };
  setInterval(check, CHECK_INTERVAL).unref();
}

/** TMPDIR; otherwise memory, if there is enough and programs may run from it. */
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
    // This system has none, such as a Mac.
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
