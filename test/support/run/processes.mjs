import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Kills all processes with the directory in environment, arguments or working directory, and waits for their end. */
export async function killProcessesOf(directory, timeoutMs = Number.POSITIVE_INFINITY) {
  const began = performance.now();
  for (let left = processesOf(directory); left.length > 0; left = processesOf(directory)) {
    if (performance.now() - began > timeoutMs) return;
    for (const pid of left) kill(pid);
    await sleep(20);
  }
}

function processesOf(directory) {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid && mentions(pid, directory));
}

/** Whether a process has the directory in its environment, arguments or working directory; false for other users' processes. */
function mentions(pid, directory) {
  const of = (name, read) => {
    try {
      return read(`/proc/${pid}/${name}`, 'latin1');
    } catch {
      return '';
    }
  };
  const line = of('cmdline', readFileSync);
  // Kernel threads, half of a machine's processes, have no arguments.
  if (line === '') return false;
  return (
    line.includes(directory) ||
    of('cwd', readlinkSync).includes(directory) ||
    of('environ', readFileSync).includes(directory)
  );
}

function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has already ended.
  }
}
