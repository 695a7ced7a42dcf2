export interface PlatformOptions {
  readonly role: 'cli' | 'worker';
  /** The actor: a worker's id; by default a person's `user@host`. */
  readonly who?: string;
  /** Seconds; by default the profile's own. Tests shorten it. */
  readonly leaseSeconds?: number;
  /**
   * How long to wait for an unreachable queue (on the local profile also the ledger), milliseconds; by default the
   * profile's.
   */
  readonly patienceMs?: number;
  /** Receives problems that don't prevent work, such as a queue's attributes. */
  readonly onWarning?: (line: string) => void;
}

/** Crash tests run with leases of a second or two. */
export function leaseFromEnvironment(): number | null {
  const text = process.env.BATCHCTL_TEST_LEASE_SECONDS;
  return text === undefined ? null : Number(text);
}
