/** Slots, memory and disk that a worker has, or a task needs. Bytes. */
export interface Resources {
  readonly slots: number;
  readonly memory: number;
  readonly disk: number;
}

interface Needs {
  readonly slots: number | 'all';
  readonly memory: number;
  readonly disk: number;
}

/** A task's needs on this worker: `all` means its number of slots. */
export function resolveNeeds(needs: Needs, total: Resources): Resources {
  return { slots: needs.slots === 'all' ? total.slots : needs.slots, memory: needs.memory, disk: needs.disk };
}

export function fits(needs: Resources, free: Resources): boolean {
  return needs.slots <= free.slots && needs.memory <= free.memory && needs.disk <= free.disk;
}

export function minus(free: Resources, used: Resources): Resources {
  return { slots: free.slots - used.slots, memory: free.memory - used.memory, disk: free.disk - used.disk };
}

export function plus(free: Resources, back: Resources): Resources {
  return { slots: free.slots + back.slots, memory: free.memory + back.memory, disk: free.disk + back.disk };
}
