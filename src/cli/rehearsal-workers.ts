import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { killPlan } from '../model/faults.ts';
import type { OwnWorkers } from '../platform.ts';
import { FAULTS_VARIABLE, type Faults, type WorkerFaults } from '../ports/worker-faults.ts';
import type { Context } from './context.ts';

export interface RehearsalWorkersOptions {
  readonly group: string;
  readonly slots: number | null;
  readonly faults: Faults;
  readonly seed: number;
  /** Minimum number of tasks: at least as many attempts start. */
  readonly tasks: number;
  readonly tally: string;
}

/** The files to which rehearsals' workers append a line for each fault, by group; creates their directory. */
export async function tallyFiles(ctx: Context): Promise<(group: string) => string> {
  const { profile } = await ctx.config();
  const directory = join(profile.backend === 'local' ? profile.root : ctx.io.cwd, 'work');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return (group) => join(directory, `${group}.faults`);
}

/** Starts the workers of a rehearsal, the only ones with its faults. A worker killed by a fault is replaced. */
export async function startRehearsalWorkers(ctx: Context, options: RehearsalWorkersOptions): Promise<OwnWorkers> {
  const { group, slots, faults, seed, tasks, tally } = options;
  const [config, platform, { startOwnWorkers }] = await Promise.all([
    ctx.config(),
    ctx.platform(),
    import('../platform.ts'),
  ]);
  const { kills, every } = killPlan(faults.kill ? tasks : 0);
  let deaths = 0;
  return startOwnWorkers(config, platform, {
    groups: [group],
    slots,
    cwd: ctx.io.cwd,
    env: (start) => {
      const own: WorkerFaults = { ...faults, seed, killAt: start < kills ? every : null, tally };
      return { ...ctx.io.env, [FAULTS_VARIABLE]: JSON.stringify(own) };
    },
    onTrouble: (what) => {
      deaths += 1;
      if (deaths <= kills) ctx.detail(what);
      else ctx.warn(what);
    },
  });
}
