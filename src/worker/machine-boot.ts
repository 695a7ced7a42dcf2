import { isKind } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import { isEc2 } from '../lib/is-ec2.ts';
import { jitter, wait } from '../lib/wait.ts';
import { ordersPrefix, workerLogKey } from '../model/keys.ts';
import type { Machine } from '../ports/machine.ts';
import type { Platform } from '../ports/platform.ts';
import { messageOf } from './judge.ts';
import type { MachineTimes } from './machine-times.ts';
import type { WorkerOptions } from './worker-options.ts';

const AGAIN_MS = 2_000;

/** Whether a refusal may pass: that of a role created with its instance. */
export class NewRole {
  /** Milliseconds from now; 0 if roles aren't new. */
  readonly patienceMs: number;
  readonly #until: number;
  readonly #clock: Clock;

  constructor(clock: Clock, { newRoleMs }: Pick<MachineTimes, 'newRoleMs'>) {
    this.patienceMs = isEc2() ? newRoleMs : 0;
    this.#clock = clock;
    this.#until = clock.monotonic() + this.patienceMs;
  }

  readonly mayPass = (error: unknown): boolean => isKind(error, 'credentials') && this.#clock.monotonic() < this.#until;

  /** Repeats the act while it is refused and that may pass. */
  async patiently<T>(work: () => Promise<T>, onRefused: (error: unknown) => void, signal: AbortSignal): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!this.mayPass(error) || signal.aborted) throw error;
        onRefused(error);
      }
      await wait(jitter(AGAIN_MS), signal);
    }
  }
}

/**
 * What a worker runs on; null if it isn't an instance of a group. On EC2 each service is called first, so that a role
 * that isn't known everywhere yet delays the worker instead of ending it.
 */
export async function findMachine(platform: Platform, options: WorkerOptions, role: NewRole): Promise<Machine | null> {
  let said = '';
  const say = (error: unknown): void => {
    const line = messageOf(error);
    if (line !== said) options.say(`waiting until its role is known: ${line}`);
    said = line;
  };
  const first = async (): Promise<Machine | null> => {
    const machine = (await platform.machine?.()) ?? null;
    if (role.patienceMs > 0) await askServices(platform, options);
    return machine;
  };
  return role.patiently(first, say, options.drain);
}

async function askServices(platform: Platform, { worker, groups }: WorkerOptions): Promise<void> {
  const { store } = platform;
  for await (const _ of store.list(ordersPrefix(worker))) break;
  // The worker's log starts here, and replaces this.
  await store.put(workerLogKey(worker), `${new Date(platform.clock.now()).toISOString()} worker ${worker} starts\n`);
  await platform.ledger();
  for (const group of groups) await (await platform.queue(group)).held();
}
