import { statfsSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import type { LocalProfile } from '../config.ts';
import { BatchctlError } from '../errors.ts';
import type { JobSpec } from '../model/job.ts';
import { fits, needsHere, type Resources } from '../worker/fit.ts';

/** What one worker of this machine has: slots as asked for (default: the processors), all memory, the disk's room. */
export function localResources(profile: LocalProfile, slots: number | null): Resources {
  const disk = statfsSync(profile.root);
  return {
    slots: slots ?? profile.slots ?? availableParallelism(),
    memory: totalmem(),
    disk: Number(disk.bavail) * Number(disk.bsize),
  };
}

/** Throws `refused` for a step that needs more than a worker has: its tasks would wait for ever. */
export function refuseTooLarge(spec: JobSpec, has: Resources): void {
  for (const { name, needs } of spec.steps) {
    if (fits(needsHere(needs, has), has)) continue;
    throw new BatchctlError(
      'refused',
      `step ${name} needs ${needs.slots} slots, ${needs.memory} bytes of memory and ${needs.disk} of disk; this machine's worker has ${has.slots}, ${has.memory} and ${has.disk}`,
      {
        hint:
          typeof needs.slots === 'number' && needs.slots > has.slots
            ? `--slots ${needs.slots}`
            : 'lower needs in the job file',
      },
    );
  }
}
