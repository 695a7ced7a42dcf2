import type { Clock } from '../lib/clock.ts';
import type { Ledger } from './ledger.ts';
import type { ObjectStore } from './object-store.ts';
import type { TaskQueue } from './task-queue.ts';
import type { WorkerGroup } from './worker-group.ts';

/** The four ports of a profile, opened lazily: what every verb and worker is given. */
export interface Platform {
  readonly store: ObjectStore;
  readonly clock: Clock;
  ledger(): Promise<Ledger>;
  queue(group: string): Promise<TaskQueue>;
  group(name: string): Promise<WorkerGroup>;
  /** Who acts: `user@host`, or the worker's id. */
  readonly who: string;
  close(): Promise<void>;
}
