/**
 * The machine that a worker runs on, where a group started it and may end it. It is only asked and told; whether and
 * when to leave is the worker's own to decide (law 6).
 */
export interface Machine {
  /** The instance's id, which stands for the host. */
  readonly instance: string;
  readonly type: string;
  readonly zone: string;
  readonly lifeCycle: 'spot' | 'on-demand';
  /** When its launch began, milliseconds since the epoch, by the service's clock; null if it isn't said. */
  readonly launchedAt: number | null;
  /** The bundle that it was started with, as its tags tell; null if they don't. */
  readonly release: string | null;
  /** Whether a group holds it: what is asked of the group below is of no effect without. */
  readonly inGroup: boolean;

  /** What stands against this machine now; null: nothing. Cheap: asked every few seconds. Never throws for silence. */
  notice(): Promise<Notice | null>;

  /**
   * Marks it as one that scaling in never takes, or not. Answers false when it is too late: the group ends it already.
   * Idempotent; asks the service only when it changes. Throws `unavailable` also while it is not in service yet.
   */
  protect(on: boolean): Promise<boolean>;

  /** While the worker finishes its tasks: the group waits for it anew (Auto Scaling: RecordLifecycleActionHeartbeat). */
  holdOn(): Promise<void>;

  /** The worker has left: what holds the machine's end may let go (Auto Scaling: CompleteLifecycleAction). */
  letGo(): Promise<void>;

  /**
   * Ends this machine through its group. `takePlace`: the group's size goes down by it (law 9); else it is replaced.
   * Answers false when the group may not get smaller (its minimum), or a person holds its size: the worker stays.
   * `ordered`: a person said so, who may take a place of a size that a person holds.
   */
  leave(takePlace: boolean, ordered?: boolean): Promise<boolean>;
}

export interface Notice {
  /**
   * `interruption`: EC2 takes a spot instance back at `at`. `rebalance`: it may soon. `terminating`: its group ends it,
   * and waits for `letGo`. `stopping`: it is to be stopped, hibernated or held aside, and takes nothing meanwhile.
   */
  readonly kind: 'interruption' | 'rebalance' | 'terminating' | 'stopping';
  /** Milliseconds since the epoch when it ends whatever runs; null: not said. */
  readonly at: number | null;
}
