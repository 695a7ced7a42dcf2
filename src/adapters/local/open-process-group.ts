import type { Ledger } from '../../ports/ledger.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import { ProcessGroup } from './process-group.ts';

export interface OpenProcessGroupOptions {
  readonly group: string;
  readonly root: string;
  readonly store: ObjectStore;
  readonly ledger: () => Promise<Ledger>;
}

/** A worker counts as up while its last sign of life is younger than this, milliseconds. */
const ALIVE_MS = 60_000;

/** The local group as the profile has it: who is up is told by the workers' heartbeats in the ledger. */
export function openProcessGroup({ group, store, ledger }: OpenProcessGroupOptions): ProcessGroup {
  const up = async () => (await (await ledger()).workers({ since: Date.now() - ALIVE_MS })).filter(({ state }) => state !== 'gone');
  return new ProcessGroup({
    group,
    store,
    isKnown: async (worker) => (await up()).some((known) => known.worker === worker),
    running: async () => (await up()).filter((known) => known.group.split(',').includes(group)).length,
  });
}
