import type { AwsProfile, LocalProfile, Profile } from '../config.ts';
import { BatchctlError } from '../errors.ts';
import { isEc2 } from '../lib/is-ec2.ts';

/** Whether this machine works on a profile's jobs: always on local; on AWS if asked to, or where emulators stand in for it. */
export function worksHere(profile: Profile, here: boolean): boolean {
  if (profile.backend === 'local' || here) return true;
  return profile.backend === 'aws' && profile.endpoints.s3 !== undefined && profile.endpoints.sqs !== undefined;
}

/** Throws `usage` for a worker of AWS on a machine that is none of AWS's, unless that was said. */
export function requireHere(profile: LocalProfile | AwsProfile, here: boolean): void {
  if (worksHere(profile, here) || isEc2()) return;
  throw new BatchctlError('usage', `profile ${profile.name} is on AWS, and this machine is not an EC2 instance`, {
    hint: 'use --here to run its tasks on this machine',
  });
}
