/**
 * The machine that a worker runs on, if a group started it and may terminate it. This port only informs and obeys; the
 * worker decides whether and when to leave (law 6).
 */
export interface Machine {
  /** The instance's id, used as the host name. */
  readonly instance: string;
  readonly type: string;
  readonly zone: string;
  readonly lifeCycle: 'spot' | 'on-demand';
  /** Start of its launch, milliseconds since the epoch, by the service's clock; null if unknown. */
  readonly launchedAt: number | null;
  /** The bundle that it was started with, from its tags; null if unknown. */
  readonly release: string | null;
  /** Whether it belongs to a group; otherwise the group operations below have no effect. */
  readonly inGroup: boolean;

  /** The notice for this machine, or null. Cheap: called every few seconds. Doesn't throw if the service is silent. */
  notice(): Promise<MachineNotice | null>;

  /**
   * Sets or removes its protection from scaling in. Returns false if it is too late, as the group is already
   * terminating it. Idempotent; calls the service only for a change. Throws `unavailable`, also before it is in
   * service.
   */
  protect(on: boolean): Promise<boolean>;

  /** Restarts the group's wait while the worker finishes its tasks (Auto Scaling: RecordLifecycleActionHeartbeat). */
  extendTermination(): Promise<void>;

  /** The worker has left, so the termination may continue (Auto Scaling: CompleteLifecycleAction). */
  completeTermination(): Promise<void>;

  /**
   * Terminates this machine through its group. `shrinkGroup`: the group's size shrinks by one (law 9); otherwise the
   * machine is replaced. Returns false if the group may not shrink (its minimum), or a person set its size: the worker
   * stays. `ordered`: a person ordered it, which may shrink a size set by a person.
   */
  leave(shrinkGroup: boolean, ordered?: boolean): Promise<boolean>;
}

export interface MachineNotice {
  /**
   * `interruption`: EC2 interrupts a spot instance at `at`. `rebalance`: it may do so soon. `terminating`: its group
   * terminates it, and waits for
   * `completeTermination`. `stopping`: it will be stopped, hibernated or put into standby, and takes
   * nothing meanwhile.
   */
  readonly kind: 'interruption' | 'rebalance' | 'terminating' | 'stopping';
  /** When running tasks are killed, milliseconds since the epoch; null: unknown. */
  readonly at: number | null;
}
