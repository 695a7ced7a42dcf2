/** What a backend can tell of itself beyond the four ports, for whoever asks why a job doesn't move. Looking changes nothing. */
export interface Insight {
  /** The file systems that this profile writes to, of this machine. */
  disks(): Promise<readonly DiskSpace[]>;
  /** The process that keeps a group's workers up. */
  supervisor(group: string): Promise<SupervisorFacts>;
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

export interface SupervisorFacts {
  readonly alive: boolean;
  /** Where it writes; null if it never did. */
  readonly log: string | null;
  /** The last lines that it wrote, at most 5, oldest first. */
  readonly said: readonly string[];
}
