import { addDueSchedule, isDue, KEEPER_KILL_POINTS } from '../support/killed-runs.ts';
import { declareConcurrentTests } from '../support/sampling.ts';
import { Workspace } from '../support/workspace.ts';

/** Kills a keeper at a point, in a workspace whose schedule is due for processes with this environment. */
type KeeperTrial = (workspace: Workspace, point: string, env: Readonly<Record<string, string>>) => Promise<void>;

/** Declares a trial for each point at which a keeper that fires a period can be killed. */
export function declareKeeperTrials(atOnce: number, titleOf: (point: string) => string, trial: KeeperTrial): void {
  let workspaces: readonly Workspace[] = [];
  let env: Readonly<Record<string, string>> = {};
  before(async () => {
    // A lease that a busy machine can keep. What is in no queue is sent again after two of them.
    workspaces = KEEPER_KILL_POINTS.map(() => new Workspace(undefined, 6));
    for (const workspace of workspaces) await addDueSchedule(workspace);
    // The same for all: then what isn't killed can run in this process.
    env = isDue();
  });
  const trialAt = (point: string, index: number) => async (): Promise<void> => {
    const workspace = workspaces[index];
    if (workspace === undefined) throw new Error('its workspace is missing');
    await trial(workspace, point, env).finally(() => workspace.remove());
  };
  declareConcurrentTests(
    atOnce,
    Object.fromEntries(KEEPER_KILL_POINTS.map((point, index) => [titleOf(point), trialAt(point, index)])),
  );
}
