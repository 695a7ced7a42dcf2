import { availableParallelism } from 'node:os';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { parseStored } from '../../lib/json.ts';
import { changeSize, type GroupSize, sizeAt } from '../../model/group-size.ts';
import type { GroupChange, GroupMachine, GroupStatus, LaunchTrouble } from '../../model/group-status.ts';
import { groupKey } from '../../model/keys.ts';
import type { Ledger } from '../../ports/ledger.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import { putOrder, type WorkerGroup, type WorkerOrder } from '../../ports/worker-group.ts';
import { ensureSupervisor } from './ensure-supervisor.ts';

export interface ProcessGroupOptions {
  readonly group: string;
  readonly store: ObjectStore;
  /** Whether that worker is alive, as far as is known. */
  readonly isKnown: (worker: string) => Promise<boolean>;
  readonly running: () => Promise<number>;
  /** Called after each change with the wanted size: starts the supervisor that provides it. */
  readonly onChange?: (status: GroupStatus) => Promise<void>;
  readonly clock?: Clock;
}

/**
 * A group of worker processes on this machine. Its size is an object of the store, and a supervisor process provides
 * it. Of two concurrent changes the later one counts.
 */
export class ProcessGroup implements WorkerGroup {
  readonly group: string;
  readonly #options: ProcessGroupOptions;
  readonly #clock: Clock;

  constructor(options: ProcessGroupOptions) {
    this.group = options.group;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  async describe(): Promise<GroupStatus> {
    return await this.#status(await this.size());
  }

  /** The wanted size, with the slots per worker (null: the worker decides). Throws `newer`, `corrupt`. */
  async size(): Promise<GroupSize> {
    const key = groupKey(this.group);
    const bytes = await this.#options.store.read(key);
    if (bytes === null) return initialSize();
    const stored = parseStored<GroupSize & { readonly format: number }>(key, bytes);
    return sizeAt({ ...initialSize(), ...stored }, this.#clock.now());
  }

  /** Throws `usage` for a size outside the bounds, or bounds that cross. */
  async resize(change: GroupChange): Promise<GroupStatus> {
    const size = changeSize(this.group, await this.size(), change);
    await this.#options.store.put(groupKey(this.group), JSON.stringify({ ...size, format: 1 }));
    const status = await this.#status(size);
    await this.#options.onChange?.(status);
    return status;
  }

  async raise(size: number): Promise<GroupStatus> {
    const now = await this.size();
    const desired = Math.min(size, now.max);
    if (now.mode === 'manual' || desired <= now.desired) return await this.#status(now);
    return await this.resize({ desired });
  }

  /** Has no effect: the supervisor starts a process at once, or reports why it can't. */
  lower(): Promise<GroupStatus> {
    return this.describe();
  }

  async order(worker: string, order: WorkerOrder): Promise<void> {
    const known = await this.#options.isKnown(worker);
    await putOrder(this.#options.store, { group: this.group, worker, order }, { known, when: this.#clock.now() });
  }

  async machines(): Promise<readonly GroupMachine[]> {
    return [];
  }

  async launchTroubles(): Promise<readonly LaunchTrouble[]> {
    return [];
  }

  async #status(size: GroupSize): Promise<GroupStatus> {
    const { desired, min, max, mode, until } = size;
    return { group: this.group, desired, min, max, mode, until, running: await this.#options.running() };
  }
}

/** Manual, at zero: nothing starts on a person's machine unless they ask for it. */
function initialSize(): GroupSize {
  return { desired: 0, min: 0, max: availableParallelism() * 4, mode: 'manual', until: null, after: null, slots: null };
}

export interface OpenProcessGroupOptions {
  readonly group: string;
  readonly root: string;
  readonly store: ObjectStore;
  readonly ledger: () => Promise<Ledger>;
  /** The arguments of `node` that start the group's supervisor, and its working directory. */
  readonly supervisor: { readonly argv: readonly string[]; readonly cwd: string | undefined };
}

/** A worker counts as up if its last heartbeat is younger than this, milliseconds. */
const ALIVE_MS = 60_000;

/**
 * The profile's local group. The workers' heartbeats in the ledger show which are up. A size that asks for workers
 * starts the supervisor that keeps them up, unless one is alive.
 */
export function openProcessGroup({ group, root, store, ledger, supervisor }: OpenProcessGroupOptions): ProcessGroup {
  const liveWorkers = async () => {
    const seen = await (await ledger()).workers({ since: Date.now() - ALIVE_MS });
    return seen.filter(({ state }) => state !== 'gone');
  };
  const { argv, cwd } = supervisor;
  return new ProcessGroup({
    group,
    store,
    isKnown: async (worker) => (await liveWorkers()).some((known) => known.worker === worker),
    running: async () => (await liveWorkers()).filter((known) => known.group.split(',').includes(group)).length,
    onChange: async ({ desired }) => {
      // Not needed for a size of zero: a running supervisor sees the size by itself.
      if (desired > 0) await ensureSupervisor({ root, group, argv, ...(cwd === undefined ? {} : { cwd }) });
    },
  });
}
