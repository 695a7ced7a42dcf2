import { statfsSync } from 'node:fs';
import { availableParallelism, tmpdir, totalmem } from 'node:os';
import type { AwsProfile, LocalProfile } from '../config/load-config.ts';
import { BatchctlError } from '../errors.ts';
import { ownValue } from '../lib/json.ts';
import { isEc2 } from '../lib/this-machine.ts';
import type { JobSpec } from '../model/job.ts';
import type { Platform } from '../ports/platform.ts';
import { fits, type Resources, resolveNeeds } from '../worker/resources.ts';

/** Throws `usage` for an AWS worker on a machine outside AWS, unless `--here` was given. */
export function requireHere(profile: LocalProfile | AwsProfile, { workplace }: Platform, here: boolean): void {
  if (workplace.worksHere || here || isEc2()) return;
  throw new BatchctlError('usage', `profile ${profile.name} is on AWS, and this machine is not an EC2 instance`, {
    hint: 'use --here to run its tasks on this machine',
  });
}

/**
 * The capacity of one worker on this machine: the requested slots (default: the profile's, on AWS the groups';
 * otherwise the number of processors), all memory, and the disk's free space.
 */
export function localResources(
  profile: LocalProfile | AwsProfile,
  slots: number | null,
  groups: readonly string[] = [],
): Resources {
  const disk = statfsSync(profile.root ?? tmpdir());
  return {
    slots: slots ?? slotsOf(profile, groups) ?? availableParallelism(),
    memory: totalmem(),
    disk: Number(disk.bavail) * Number(disk.bsize),
  };
}

function slotsOf(profile: LocalProfile | AwsProfile, groups: readonly string[]): number | null {
  if (profile.root !== null) return profile.slots;
  const said = groups.flatMap((group) => ownValue(profile.groups, group)?.slots ?? []);
  return said.length === 0 ? null : Math.max(...said);
}

/** Throws `refused` for a step that needs more than a worker has. Its tasks would wait forever. */
export function refuseTooLarge(spec: JobSpec, has: Resources): void {
  for (const { name, needs } of spec.steps) {
    if (fits(resolveNeeds(needs, has), has)) continue;
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
