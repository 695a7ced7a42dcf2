import { BatchctlError } from '../../errors.ts';
import { MANAGER_GROUP } from '../../lib/stack-names.ts';
import { type CommandDefinition, defineCommand, groupFlag } from '../command.ts';
import type { Context } from '../context.ts';
import { awsProfile, openReleases } from '../infra-stack.ts';
import { answer } from '../render.ts';

export function infraUserDataCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: {
      '--group <group>': groupFlag('the group of the instances (default: default)'),
      '--address <allocation>': `for --group ${MANAGER_GROUP}: allocation id of the Elastic IP that it takes`,
    },
    writes: false,
    output: {
      type: 'object',
      required: ['group', 'release', 'userData'],
      properties: {
        group: { type: 'string' },
        release: { type: 'string', description: 'SHA-256 of the bundle that it fetches' },
        userData: { type: 'string' },
      },
    },
    help: {
      about:
        "Prints the script that instances of a group run at their first boot. It installs Node, fetches and verifies the current release, runs the group's setup and starts the worker. It contains no secrets and may be run twice. Use it for review, or for instances started by other means; these need the role of infra policies --for worker.",
      examples: [
        'batchctl infra user-data --group default',
        'batchctl infra user-data > boot.sh && shellcheck boot.sh',
      ],
      exitCodes: [0, 3, [4, 'no such group, or no release so far'], 8],
      related: ['infra release', 'infra up', 'workers logs', 'infra policies'],
    },
    run: (input) => infraUserData({ ctx, ...input }),
  });
}

export interface InfraUserDataOptions {
  readonly ctx: Context;
  readonly group: string | undefined;
  readonly address: string | undefined;
}

/** Prints the user-data of a group for the current release. */
export async function infraUserData({ ctx, group = 'default', address }: InfraUserDataOptions): Promise<void> {
  const profile = await awsProfile(ctx);
  const isManager = group === MANAGER_GROUP && profile.groups[group] === undefined;
  if (isManager && address === undefined) {
    throw new BatchctlError('usage', "expected --address for the manager's user-data, found none", {
      hint: 'aws ec2 describe-addresses lists the allocation ids of Elastic IPs',
    });
  }
  const [{ userDataFor, managerUserData }, releases] = await Promise.all([
    import('../../infra/user-data.ts'),
    openReleases(ctx, profile),
  ]);
  if ((await releases.current()) === null) {
    throw new BatchctlError('notFound', `stack ${profile.stack} has no release yet`, {
      hint: 'run batchctl infra release to make one',
    });
  }
  const release = await releases.inForce();
  const userData =
    isManager && address !== undefined
      ? managerUserData({ profile, release, allocation: address })
      : userDataFor({ profile, group, release });
  await answer(ctx, { json: { group, release: release.sha256, userData }, text: userData });
}
