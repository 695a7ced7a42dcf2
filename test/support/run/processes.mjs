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

/** Whether the text stands in the process's environment, arguments or working directory. Other users' processes say nothing. */
function names(pid, directory) {
  const of = (name, read) => {
    try {
      return read(`/proc/${pid}/${name}`, 'latin1');
    } catch {
      return '';
    }
  };
  const line = of('cmdline', readFileSync);
  // Kernel threads, half of a machine's processes, have none, nor anything else.
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
    // It has ended meanwhile.
  }
}
