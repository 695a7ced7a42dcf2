export interface PlatformOptions {
  readonly role: 'cli' | 'worker';
  /** Who acts: a worker's id; a person's `user@host` unless given. */
  readonly who?: string;
  /** Seconds; the profile's own unless given. Tests shorten it. */
  readonly leaseSeconds?: number;
  /** How long a queue (on the local profile also the ledger) that is away is waited for, milliseconds; as the profile has it unless given. */
  readonly patienceMs?: number;
  /** Told of what is not as it should be, and can be worked with all the same: a queue's attributes. */
  readonly onWarning?: (line: string) => void;
}

/** Crash tests run with leases of a second or two. */
export function leaseFromEnvironment(): number | null {
  const text = process.env.BATCHCTL_TEST_LEASE_SECONDS;
  return text === undefined ? null : Number(text);
}
