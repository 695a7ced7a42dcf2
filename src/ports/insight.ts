import type { CredentialsFacts, DiskSpace, SupervisorFacts } from '../model/machine-facts.ts';

/** Facts of a backend beyond the four ports, to explain why a job doesn't progress. Changes nothing. */
export interface Insight {
  disks(): Promise<readonly DiskSpace[]>;
  /** The supervisor of a group's workers; null if none runs on this machine. */
  supervisor(group: string): Promise<SupervisorFacts | null>;
  /** The credentials of requests from here; absent if none are needed. Throws `credentials` if there are none. */
  credentials?(): Promise<CredentialsFacts>;
}
