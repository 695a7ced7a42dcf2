import { DescribeAutoScalingInstancesCommand } from '@aws-sdk/client-auto-scaling';
import { BatchctlError, isKind } from '../../errors.ts';
import { GROUP_TAG } from '../../lib/stack-names.ts';
import { jitter, wait } from '../../lib/wait.ts';
import type { Machine } from '../../ports/machine.ts';
import type { AwsClients } from './clients.ts';
import { translateAwsError } from './errors.ts';
import { Imds, imdsEndpoint } from './imds.ts';
import { AwsMachine } from './machine.ts';
import { readFacts } from './machine-facts.ts';

/** How long a group that launched an instance may not know it yet, milliseconds. */
const UNKNOWN_MS = 60_000;
const AGAIN_MS = 2_000;

/**
 * The instance that this process runs on; null where its metadata service is said to be disabled. Throws `unavailable`
 * when that doesn't answer, `credentials` where the group can't be asked for.
 */
export async function openMachine(
  clients: AwsClients,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<(Machine & { close(): void }) | null> {
  const endpoint = imdsEndpoint(env);
  if (endpoint === null) return null;
  const imds = new Imds(endpoint);
  try {
    const facts = await readFacts(imds);
    const scalingGroup = await groupOf(clients, imds, facts.instance);
    const machine = new AwsMachine({ clients, imds, facts, scalingGroup });
    return Object.assign(machine, { close: () => imds.close() });
  } catch (error) {
    imds.close();
    if (!isKind(error, 'unavailable')) throw error;
    throw new BatchctlError('unavailable', error.message, {
      hint: `${error.hint}; or set AWS_EC2_METADATA_DISABLED=true to do without`,
      cause: error,
    });
  }
}

/** The name of the Auto Scaling group that holds the instance; null if none does. */
async function groupOf(clients: AwsClients, imds: Imds, instance: string): Promise<string | null> {
  const end = performance.now() + UNKNOWN_MS;
  for (;;) {
    // Either says that a group launched it; the state is missing for a moment after that.
    const [target, tag] = await Promise.all([
      imds.get('meta-data/autoscaling/target-lifecycle-state'),
      imds.get(`meta-data/tags/instance/${GROUP_TAG}`),
    ]);
    const launched = target !== null || tag !== null;
    try {
      const { AutoScalingInstances: [found] = [] } = await (await clients.autoScaling()).send(
        new DescribeAutoScalingInstancesCommand({ InstanceIds: [instance] }),
      );
      if (found?.AutoScalingGroupName !== undefined) return found.AutoScalingGroupName;
      if (!launched || performance.now() >= end) return null;
    } catch (error) {
      const translated = translateAwsError(error, {
        what: `find the Auto Scaling group of ${instance}`,
        action: 'autoscaling:DescribeAutoScalingInstances',
        resource: '*',
        profile: clients.profile,
      });
      // An instance that somebody started by hand needs no right to ask for groups.
      if (!launched && isKind(translated, 'credentials') && translated.denied !== undefined) return null;
      throw translated;
    }
    await wait(jitter(AGAIN_MS));
  }
}
