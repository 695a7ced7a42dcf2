import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Kills the processes that name a directory, or another text, and those that they start meanwhile, and waits until they are gone. */
export async function killProcessesOf(directory, patienceMs = Number.POSITIVE_INFINITY) {
  const began = performance.now();
  for (let left = processesOf(directory); left.length > 0; left = processesOf(directory)) {
    if (performance.now() - began > patienceMs) return;
    for (const pid of left) kill(pid);
    await sleep(20);
  }
}

function processesOf(directory) {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid && names(pid, directory));
}

/**
 * Whether the text stands in the process's environment, arguments or working directory. Kernel threads and other users'
 * processes say nothing.
 */
function names(pid, directory) {
  const of = (name, read) => {
    try {
      return read(`/proc/${pid}/${name}`, 'latin1').includes(directory);
    } catch {
      return false;
    }
  };
  return of('environ', readFileSync) || of('cmdline', readFileSync) || of('cwd', readlinkSync);
}

function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}
