import type { TellPoint } from '../jobs/notify/tell.ts';
import { Teller } from '../jobs/notify/teller.ts';
import type { Platform } from '../ports/platform.ts';
import type { WorkerLog } from './context.ts';

/** A worker tells what it made so, and asks for no counters. What it begins to tell as it leaves is told: that takes seconds. */
export function workersTeller(
  platform: Platform,
  log: WorkerLog,
  passed: ((point: TellPoint) => void) | undefined,
): Teller {
  return new Teller(platform, { watchful: false, onTrouble: ({ message }) => log.warn(message), passed });
}
