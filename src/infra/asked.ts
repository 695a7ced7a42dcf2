import type { AwsClients } from '../adapters/aws/clients.ts';
import { translateAwsError } from '../adapters/aws/errors.ts';
import type { AwsProfile } from '../config/load-config.ts';
import { partitionOf } from '../lib/stack-names.ts';

export interface GridPlace {
  readonly profile: AwsProfile;
  readonly clients: AwsClients;
}

/**
 * Sends a request to EC2, Auto Scaling or IAM, and translates its errors. `resource` is the end of an ARN:
 * `security-group/*`.
 */
export async function asked<T>(
  { profile, clients }: GridPlace,
  { what, action, resource }: { readonly what: string; readonly action: string; readonly resource: string },
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const service = action.slice(0, action.indexOf(':'));
    const { region, account } = profile;
    const arn = `arn:${partitionOf(region)}:${service}:${region}:${account ?? '*'}:${resource}`;
    throw translateAwsError(error, { what, action, resource: arn, profile: clients.profile });
  }
}

/** Null if the resource doesn't exist, which EC2 reports by an error of one of these names. */
export async function ifKnown<T>(answer: Promise<T>, ...names: readonly string[]): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof Error && names.includes(error.name)) return null;
    throw error;
  }
}
