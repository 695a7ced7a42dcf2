import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { AwsWorkspace, type AwsWorkspaceOptions } from '../support/aws-workspace.ts';
import { sharedFauxqs } from '../support/servers/fauxqs.ts';
import { sharedMoto } from '../support/servers/moto.ts';
import { keysBelow } from '../support/stored.ts';
import type { Workspace } from '../support/workspace.ts';

/** The addresses of the emulators that all tests of a run share. */
export async function emulators(): Promise<{ readonly s3: string; readonly sqs: string }> {
  const [moto, fauxqs] = await Promise.all([sharedMoto(), sharedFauxqs()]);
  return { s3: moto.url, sqs: fauxqs.url };
}

/** A workspace with its own bucket and queues on these emulators, unless `places` names others. */
export async function emulatedWorkspace(places: Partial<AwsWorkspaceOptions> = {}): Promise<AwsWorkspace> {
  return AwsWorkspace.make({ ...(await emulators()), ...places });
}

/** Changes the profile `lab` in a workspace's configuration. */
export function editProfile(workspace: Workspace, edit: (profile: ReturnType<typeof JSON.parse>) => void): void {
  const config = JSON.parse(readFileSync(workspace.path('batchctl.config.json'), 'utf8'));
  edit(config.profiles.lab);
  workspace.write('batchctl.config.json', config);
}

/**
 * Makes the AWS profile `lab` provide credentials that expire then. Returns the environment of processes that use them.
 */
export function writeCredentials(workspace: Workspace, expiration: Date): Readonly<Record<string, string>> {
  workspace.write('credentials.json', {
    Version: 1,
    AccessKeyId: 'AKIDEXAMPLE',
    SecretAccessKey: 'secret',
    SessionToken: 'x',
    Expiration: expiration.toISOString(),
  });
  workspace.write('aws-config', `[profile lab]\ncredential_process = cat ${workspace.path('credentials.json')}\n`);
  return { AWS_CONFIG_FILE: workspace.path('aws-config'), AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' };
}

/** Checks that no attempt of a job was charged to its tasks. */
export async function expectNothingSpent(workspace: Workspace, job: string): Promise<void> {
  const keys = await keysBelow((await workspace.platform()).store, `jobs/${job}/steps/`);
  expect(keys.filter((key) => /\/(tries|failed)\//.test(key))).to.deep.equal([]);
}
