import { until } from '../until.ts';
import type { GridWorld } from './grid-world.ts';

/** For `GridWorld.open`: managers of many instances share this machine's addresses, and its port 443 is not theirs. */
export const MANAGER_ENV = { BATCHCTL_LISTEN: '0.0.0.0:0' } as const;

/** The stack's manager as it can be reached from here. */
export interface GridManager {
  readonly instance: string;
  readonly url: string;
  /** `sha256:...` */
  readonly fingerprint: string;
}

/** Waits until an instance's manager listens, and has begun to after `than` did, if given. */
export function gridManager(world: GridWorld, than?: GridManager): Promise<GridManager> {
  return until(
    'a manager listens',
    () => {
      const there = world.cloud.grid.instances(`${world.stack}-manager`).find(({ gone }) => !gone);
      if (there === undefined) return null;
      const console = world.supervisor.console(there.id);
      const port = [...console.matchAll(/listening at https:\/\/0\.0\.0\.0:(\d+)/g)].at(-1)?.[1];
      const fingerprint = [...console.matchAll(/fingerprint (sha256:[0-9a-f:]+)/g)].at(-1)?.[1];
      if (port === undefined || fingerprint === undefined) return null;
      const url = `https://127.0.0.1:${port}`;
      return url !== than?.url && { instance: there.id, url, fingerprint };
    },
    120_000,
  );
}
