import { appendFileSync } from 'node:fs';
import type { Failure } from '../model/failure.ts';
import type { TaskMessage } from '../model/message.ts';
import { shouldFail } from '../model/rehearsal.ts';
import type { WorkerFaults } from '../model/worker-faults.ts';

/** Faults that a rehearsal's worker injects into its own attempts; see `ports/worker-faults.ts`. */
export interface InjectedFaults {
  /** Why this attempt fails without running, at random; null: it runs. */
  failureFor(message: TaskMessage, number: number): Failure | null;
  /**
   * An attempt starts. Returns null, or a promise that never resolves, as this process is killed by then. Waiting for
   * it after the command has ended ensures that nothing is published.
   */
  onStart(): Promise<never> | null;
}

/** How long the command may run before its worker is killed, milliseconds. */
const KILL_AFTER = 20;

export function createInjectedFaults(faults: WorkerFaults): InjectedFaults {
  let begun = 0;
  // A repeated message restarts its task's count of attempts: it must not draw the same fault again.
  const failed = new Set<string>();
  const tally = (fault: string): void => appendFileSync(faults.tally, `${fault}\n`);
  return {
    failureFor: ({ step, task, round }, number) => {
      const name = `${step}/${task}/${number}`;
      if (failed.has(name) || !shouldFail(faults, { step, task, round, number })) return null;
      failed.add(name);
      tally('fail');
      return { reason: 'rehearsal', exitCode: null, error: 'failed on purpose: a rehearsal with --faults fail' };
    },
    onStart: () => {
      begun += 1;
      if (begun !== faults.killAt) return null;
      tally('kill');
      return new Promise<never>(() => {
        setTimeout(() => process.kill(process.pid, 'SIGKILL'), KILL_AFTER);
      });
    },
  };
}
