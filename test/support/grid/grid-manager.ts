import { until } from '../until.ts';
import type { GridWorld } from './grid-world.ts';

/** For `GridWorld.open`. The managers of all instances share this machine's addresses, so they can't all use port 443. */
export const MANAGER_ENV = { BATCHCTL_LISTEN: '0.0.0.0:0' } as const;

/** The stack's manager, as this process reaches it. */
export interface GridManager {
  readonly instance: string;
  readonly url: string;
  /** `sha256:...` */
  readonly fingerprint: string;
}

/** Waits until a manager listens; if `previous` is given, until one listens that is not `previous`. */
export function gridManager(world: GridWorld, previous?: GridManager): Promise<GridManager> {
  return until(
    'a manager listens',
    () => {
      const instance = world.cloud.grid.instances(`${world.stack}-manager`).find(({ gone }) => !gone);
      if (instance === undefined) return null;
      const console = world.supervisor.console(instance.id);
      const port = [...console.matchAll(/listening at https:\/\/0\.0\.0\.0:(\d+)/g)].at(-1)?.[1];
      const fingerprint = [...console.matchAll(/fingerprint (sha256:[0-9a-f:]+)/g)].at(-1)?.[1];
      if (port === undefined || fingerprint === undefined) return null;
      const url = `https://127.0.0.1:${port}`;
      return url !== previous?.url && { instance: instance.id, url, fingerprint };
    },
    120_000,
  );
}
