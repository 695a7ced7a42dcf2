import type { Ledger } from '../../ports/ledger.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import { ensureSupervisor } from './ensure-supervisor.ts';
import { ProcessGroup } from './process-group.ts';

export interface OpenProcessGroupOptions {
  readonly group: string;
  readonly root: string;
  readonly store: ObjectStore;
  readonly ledger: () => Promise<Ledger>;
  /** What follows `node` to become the group's supervisor, and where it is started. */
  readonly supervisor: { readonly argv: readonly string[]; readonly cwd: string | undefined };
}

/** A worker counts as up while its last sign of life is younger than this, milliseconds. */
const ALIVE_MS = 60_000;

/**
 * The local group as the profile has it: who is up is told by the workers' heartbeats in the ledger, and a size that
 * asks for workers starts the supervisor that keeps them up, unless one is alive.
 */
export function openProcessGroup({ group, root, store, ledger, supervisor }: OpenProcessGroupOptions): ProcessGroup {
  const up = async () => {
    const seen = await (await ledger()).workers({ since: Date.now() - ALIVE_MS });
    return seen.filter(({ state }) => state !== 'gone');
  };
  const { argv, cwd } = supervisor;
  return new ProcessGroup({
    group,
    store,
    isKnown: async (worker) => (await up()).some((known) => known.worker === worker),
    running: async () => (await up()).filter((known) => known.group.split(',').includes(group)).length,
    onChange: async ({ desired }) => {
      // Nothing to start for none: a supervisor that is alive sees the size by itself.
      if (desired > 0) await ensureSupervisor({ root, group, argv, ...(cwd === undefined ? {} : { cwd }) });
    },
  });
}
