/**
 * A worker group's machines. It never ends work: a worker that leaves drains first, and takes its own place with it.
 *
 * Laws (`test/contracts/worker-group.ts`): `raise` never lowers, `resize` is idempotent, `drain` and `stop` of an
 * unknown worker fail with kind `notFound`, and a size survives the death of every process here.
 */
export interface WorkerGroup {
  readonly group: string;

  describe(): Promise<GroupStatus>;

  /** Sets size, bounds or mode; one request, whatever the difference. What is undefined stays as it is. */
  resize(change: GroupChange): Promise<GroupStatus>;

  /** Asks for at least `size` workers, unless the group is manual or asks for as many already (law 9). */
  raise(size: number): Promise<GroupStatus>;

  /** Tells a worker to finish what it runs and leave, or (`stop`) to give its tasks back now. */
  order(worker: string, order: 'drain' | 'stop'): Promise<void>;

  /** Marks a worker as busy, so that scaling in never takes it. Of no effect where nothing scales in by itself. */
  protect(worker: string, busy: boolean): Promise<void>;
}

export interface GroupStatus {
  readonly group: string;
  readonly desired: number;
  readonly min: number;
  readonly max: number;
  /** `manual`: only a person changes the size. */
  readonly mode: 'auto' | 'manual';
  /** Workers that are up now, as far as the group knows. */
  readonly running: number;
  /** Its workers are started one by one: it has no size that could be set. */
  readonly byHand?: true;
  /** When a temporary size (`--for`) ends, milliseconds since the epoch; null if it doesn't. */
  readonly until: number | null;
}

export interface GroupChange {
  readonly desired?: number;
  readonly min?: number;
  readonly max?: number;
  readonly mode?: 'auto' | 'manual';
  readonly until?: number | null;
  /** Slots each worker gets; undefined leaves it to the worker. */
  readonly slots?: number;
}
