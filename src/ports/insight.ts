/** What a backend can tell of itself beyond the four ports, for whoever asks why a job doesn't move. Looking changes nothing. */
export interface Insight {
  /** The file systems that this profile writes to, of this machine. */
  disks(): Promise<readonly DiskSpace[]>;
  /** The process that keeps a group's workers up; null where none of this machine does. */
  supervisor(group: string): Promise<SupervisorFacts | null>;
  /** What signs requests from here; absent where nothing does. Throws `credentials` when there are none. */
  credentials?(): Promise<CredentialsFacts>;
}

export interface DiskSpace {
  /** What lies there: `the store and the workers' scratch`. */
  readonly what: string;
  readonly path: string;
  /** Bytes that this user may still write. */
  readonly free: number;
  readonly total: number;
  /** Files that can still be made; null where the file system doesn't count them. */
  readonly freeFiles: number | null;
}

export interface CredentialsFacts {
  /** When they end, milliseconds since the epoch; null where they have no end, or don't tell it. */
  readonly endsAt: number | null;
  /** This machine gets new ones by itself: an instance, a container. */
  readonly renewed: boolean;
  /** What a person types for new ones. */
  readonly signIn: string;
}

export interface SupervisorFacts {
  readonly alive: boolean;
  /** Where it writes; null if it never did. */
  readonly log: string | null;
  /** The last lines that it wrote, at most 5, oldest first. */
  readonly said: readonly string[];
}
