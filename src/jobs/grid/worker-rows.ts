import { type BatchctlError, isOurs } from '../../errors.ts';
import type { Platform } from '../../ports/platform.ts';
import type { MachineSeen } from '../../ports/worker-group.ts';
import { knownGroups } from './groups.ts';
import { listWorkers, type SeenWorker } from './workers.ts';

/** A machine that has been launched for longer than this should have a worker by now: milliseconds. */
export const BOOT_MS = 600_000;

/** A worker, with the machine that it runs on where its group has machines; or a machine without a worker. */
export type WorkerRow =
  | { readonly worker: SeenWorker; readonly group: string; readonly machine: MachineSeen | null }
  | { readonly worker: null; readonly group: string; readonly machine: MachineSeen; readonly state: MachineState };

/** `booting`: its worker is to come · `noWorker`: it should have one by now · `ending`: it is on its way out. */
export type MachineState = 'booting' | 'noWorker' | 'ending';

export interface WorkerRows {
  readonly rows: readonly WorkerRow[];
  /** Groups whose machines could not be asked for: of these only workers are listed. */
  readonly unread: readonly { readonly group: string; readonly error: BatchctlError }[];
}

/** What the ledger knows of workers, joined with what each group's service knows of its machines. */
export async function joinWorkers(
  platform: Platform,
  { group, left }: { readonly group: string | undefined; readonly left: boolean },
): Promise<WorkerRows> {
  const groups = group === undefined ? await knownGroups(platform) : [group];
  const [workers, seen] = await Promise.all([
    listWorkers(platform, { group, left }),
    Promise.all(groups.map((name) => machinesOf(platform, name))),
  ]);
  const machines = new Map(seen.flatMap(({ found }) => found.map((machine) => [machine.instance, machine] as const)));
  const unread = seen.flatMap(({ group: name, error }) => (error === null ? [] : [{ group: name, error }]));
  const complete = unread.length === 0;
  const now = platform.clock.now();
  const rows = workers.map((worker): WorkerRow => {
    const machine = machines.get(worker.host) ?? null;
    const gone = machine === null && complete && now - worker.seenAt > platform.leaseSeconds * 500;
    return { worker: gone ? asGone(worker) : worker, group: worker.group, machine };
  });
  const taken = new Set(workers.filter(({ state }) => state !== 'gone').map(({ host }) => host));
  const without = seen.flatMap(({ group: name, found }) =>
    found
      .filter(({ instance }) => !taken.has(instance))
      .map((machine): WorkerRow => ({ worker: null, group: name, machine, state: machineState(machine, now) })),
  );
  return { rows: [...rows, ...without], unread };
}

/**
 * A worker of an instance that no group holds any more is lost, before four missing heartbeats show it; one is not
 * enough: it may run on an instance of its own, outside of groups.
 */
function asGone(worker: SeenWorker): SeenWorker {
  return isInstance(worker.host) && worker.state !== 'gone' ? { ...worker, state: 'lost' } : worker;
}

/** What a machine without a worker is up to. */
export function machineState({ state, launchedAt }: MachineSeen, now: number): MachineState {
  if (state.startsWith('Terminat')) return 'ending';
  if (state.startsWith('Pending')) return 'booting';
  return launchedAt !== null && now - launchedAt < BOOT_MS ? 'booting' : 'noWorker';
}

/** Whether that is an instance's id (EC2: `i-` and 8 or 17 hexadecimal digits). */
export const isInstance = (text: string): boolean => /^i-[0-9a-f]{8,17}$/.test(text);

async function machinesOf(platform: Platform, group: string) {
  try {
    return { group, found: await (await platform.group(group)).machines(), error: null };
  } catch (error) {
    if (!isOurs(error)) throw error;
    return { group, found: [], error };
  }
}
