import type { Workspace } from '../support/workspace.ts';

/** Writes `job.json` and submits it. Returns the job's id. */
export function submitJob(workspace: Workspace, job: unknown, ...flags: readonly string[]): Promise<string> {
  workspace.write('job.json', job);
  return workspace.submit(...flags);
}
