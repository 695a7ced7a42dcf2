export interface PlatformOptions {
  readonly role: 'cli' | 'worker';
  /** Who acts: a worker's id; by default a person's `user@host`. */
  readonly who?: string;
  /** Seconds; by default the profile's own. Tests shorten it. */
  readonly leaseSeconds?: number;
  /** Milliseconds to wait for an unreachable queue (locally also the ledger); by default the profile's. */
  readonly patienceMs?: number;
  /** Receives problems that don't prevent work, such as a queue's attributes. */
  readonly onWarning?: (line: string) => void;
}

/** Crash tests run with leases of a second or two. */
export function leaseFromEnvironment(): number | null {
  const text = process.env.BATCHCTL_TEST_LEASE_SECONDS;
  return text === undefined ? null : Number(text);
}
