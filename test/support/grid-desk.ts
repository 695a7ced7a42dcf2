import { AwsClients } from '../../src/adapters/aws/clients.ts';
import { type AwsProfile, loadConfig } from '../../src/config.ts';
import type { Finding } from '../../src/infra/finding.ts';
import { type GridParts, gridFacts, gridResources, managerResources } from '../../src/infra/grid.ts';
import { InstanceProfileResource } from '../../src/infra/profile.ts';
import type { Found, Part, Resource } from '../../src/infra/resource.ts';
import { RoleResource } from '../../src/infra/role.ts';
import { validateStack } from '../../src/infra/validate.ts';
import { randomId } from '../../src/lib/id.ts';
import type { Cloud } from './grid/cloud.ts';
import { Workspace } from './workspace.ts';

const RELEASE = { sha256: 'a'.repeat(64), setups: {}, ca: null };

/** A profile's grid on an emulated account, without the command line. */
export interface GridDesk {
  readonly profile: AwsProfile;
  readonly parts: GridParts;
  readonly grid: readonly Resource[];
  readonly manager: readonly Resource[];
  close(): Promise<void>;
}

/** `release`: what new instances run. */
export async function gridDesk(
  cloud: Cloud,
  settings: Readonly<Record<string, unknown>> = {},
  release: Partial<typeof RELEASE> = {},
): Promise<GridDesk> {
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';
  process.env.AWS_ACCESS_KEY_ID ??= 'AKIDEXAMPLE';
  process.env.AWS_SECRET_ACCESS_KEY ??= 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
  const here = new Workspace();
  const lab = { backend: 'aws', region: 'us-east-1', account: cloud.account, stack: `s${randomId(5)}`, bucket: 'lab' };
  here.write('batchctl.config.json', { profile: 'lab', profiles: { lab: { ...lab, ...settings } } });
  const { profile } = await loadConfig({ cwd: here.path('.'), env: { AWS_ENDPOINT_URL: cloud.url } });
  await here.remove();
  if (profile.backend !== 'aws') throw new Error('the profile is not of AWS');
  const { region, endpoints } = profile;
  const clients = new AwsClients({ region, endpoints, profile: null, account: cloud.account });
  const parts = { profile, clients, release: async () => ({ ...RELEASE, ...release }) };
  const facts = gridFacts(parts);
  for (const who of ['worker', 'manager'] as const) {
    await new RoleResource(who, profile, clients).apply();
    await new InstanceProfileResource(who, profile, clients).apply();
  }
  return {
    ...{ profile, parts, grid: gridResources(parts, facts), manager: managerResources(parts, facts) },
    close: () => clients.close(),
  };
}

/** Makes all that isn't as it should be, in order; answers the kinds of what was made or changed. */
export async function up(resources: readonly Resource[]): Promise<readonly string[]> {
  const changed: string[] = [];
  for (const resource of resources) {
    if ((await resource.look()).state === 'asItShould') continue;
    await resource.apply();
    changed.push(resource.kind);
  }
  return changed;
}

/** Removes all of it, last made first. */
export async function down(resources: readonly Resource[], force = true): Promise<readonly string[]> {
  const left: string[] = [];
  for (const resource of [...resources].reverse()) {
    const stays = await resource.remove({ deleteData: true, force, note: () => {} });
    if (stays !== null) left.push(`${resource.kind} ${resource.name}: ${stays.why}`);
  }
  return left;
}

export const looks = (resources: readonly Resource[]): Promise<readonly Found[]> =>
  Promise.all(resources.map((resource) => resource.look()));

/** What validating a profile of these settings finds, of all parts or of one. */
export async function validated(
  cloud: Cloud,
  settings: Readonly<Record<string, unknown>>,
  only: Part | null = null,
): Promise<readonly Finding[]> {
  const { parts, close } = await gridDesk(cloud, settings);
  try {
    return await validateStack(parts, gridFacts(parts), only);
  } finally {
    await close();
  }
}
