export interface DiskSpace {
  /** The data stored there: `the store and the workers' scratch`. */
  readonly what: string;
  readonly path: string;
  /** Bytes that this user can still write. */
  readonly free: number;
  readonly total: number;
  /** Files that can still be created; null if the file system doesn't count them. */
  readonly freeFiles: number | null;
}

export interface CredentialsFacts {
  /** Expiry, milliseconds since the epoch; null if they don't expire or don't say so. */
  readonly endsAt: number | null;
  /** This machine renews them automatically: an instance, a container. */
  readonly renewed: boolean;
  readonly signIn: string;
}

export interface SupervisorFacts {
  readonly alive: boolean;
  /** Path of its log; null if it never wrote one. */
  readonly log: string | null;
  /** The last lines of its log, at most 5, oldest first. */
  readonly said: readonly string[];
}
