import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import type { LoopThreadData } from './loop-watch.ts';
import { sharedMonotonic } from './thread.ts';

/** The entry of the thread that ends a process whose loop hangs. Started by `LoopWatch`. */
function main({ due, whole, parts, limitMs }: LoopThreadData): void {
  const signs = new BigInt64Array(due);
  const everyMs = limitMs / 10;
  let looked = sharedMonotonic();
  let patientUntil = 0;
  setInterval(() => {
    const now = sharedMonotonic();
    // This thread did not run either: the process or its machine was suspended, and gets the full limit again.
    if (now - looked > 3 * everyMs) patientUntil = now + limitMs;
    looked = now;
    if (now < patientUntil) return;
    const late = parts.findIndex((_, part) => {
      const by = Number(Atomics.load(signs, part));
      return by !== 0 && by < now;
    });
    if (late === -1) return;
    // A blocked loop silences all its parts, and any of them may be due first.
    const silentMs = now - (Number(Atomics.load(signs, 0)) - limitMs);
    const cause = silentMs > 0.8 * limitMs ? 0 : late;
    end(whole, `${parts[cause]} showed no activity for at least ${Math.round(limitMs / 1_000)} s`);
  }, everyMs);
}

/** The worker's tasks are delivered again when their leases expire; its commands end with this process (law 5). */
function end(whole: string, why: string): void {
  try {
    writeSync(2, `${new Date().toISOString()} ${whole} hangs and is terminated: ${why}\n`);
  } finally {
    process.kill(process.pid, 'SIGKILL');
  }
}

main(workerData);
