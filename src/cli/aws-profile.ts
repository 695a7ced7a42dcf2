import type { AwsProfile } from '../config.ts';
import { BatchctlError } from '../errors.ts';
import type { Context } from './context.ts';

/** The profile, if it is on AWS. Throws `config` otherwise. */
export async function awsProfile(ctx: Context): Promise<AwsProfile> {
  const { profile } = await ctx.config();
  if (profile.backend === 'aws') return profile;
  throw new BatchctlError(
    'config',
    `expected a profile with "backend": "aws", found ${profile.name}: ${profile.backend} needs no infrastructure`,
    { hint: 'select one with --profile; docs/configuration.md shows how to write one' },
  );
}
