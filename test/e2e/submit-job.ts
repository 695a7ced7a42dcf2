import { startWorkerInProcess } from '../support/inside-worker.ts';
import type { Workspace } from '../support/workspace.ts';

/** Writes `job.json` and submits it. Returns the job's id. */
export function submitJob(workspace: Workspace, job: unknown, ...flags: readonly string[]): Promise<string> {
  workspace.write('job.json', job);
  return workspace.submit(...flags);
}

/** Starts a worker in this process, which serves until it is stopped. */
export async function startWorker(workspace: Workspace, id: string, slots: number) {
  const platform = await workspace.platform(id);
  return { platform, worker: startWorkerInProcess(workspace, platform, { slots, untilEmpty: false }) };
}
