import { statfsSync } from 'node:fs';
import { availableParallelism, tmpdir, totalmem } from 'node:os';
import type { AwsProfile, LocalProfile } from '../config.ts';
import { BatchctlError } from '../errors.ts';
import type { JobSpec } from '../model/job.ts';
import { fits, needsHere, type Resources } from '../worker/fit.ts';

/**
 * The capacity of one worker on this machine: requested slots (default: the profile's, on AWS the groups'; otherwise
 * the processors), all memory, the disk's free space.
 */
export function localResources(
  profile: LocalProfile | AwsProfile,
  slots: number | null,
  groups: readonly string[] = [],
): Resources {
  const disk = statfsSync(profile.backend === 'local' ? profile.root : tmpdir());
  return {
    slots: slots ?? slotsOf(profile, groups) ?? availableParallelism(),
    memory: totalmem(),
    disk: Number(disk.bavail) * Number(disk.bsize),
  };
}

function slotsOf(profile: LocalProfile | AwsProfile, groups: readonly string[]): number | null {
  if (profile.backend === 'local') return profile.slots;
  const said = groups.flatMap((group) => profile.groups[group]?.slots ?? []);
  return said.length === 0 ? null : Math.max(...said);
}

/** Throws `refused` for a step that needs more than a worker has, as its tasks would wait forever. */
export function refuseTooLarge(spec: JobSpec, has: Resources): void {
  for (const { name, needs } of spec.steps) {
    if (fits(needsHere(needs, has), has)) continue;
    throw new BatchctlError(
      'refused',
      `step ${name} needs ${needs.slots} slots, ${needs.memory} bytes of memory and ${needs.disk} of disk, but this machine's worker has ${has.slots}, ${has.memory} and ${has.disk}`,
      {
        hint:
          typeof needs.slots === 'number' && needs.slots > has.slots
            ? `--slots ${needs.slots}`
            : 'reduce needs in the job file',
      },
    );
  }
}
