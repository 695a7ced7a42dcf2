import type { UpdateAutoScalingGroupCommandInput } from '@aws-sdk/client-auto-scaling';
import { expect } from 'chai';
import { AwsClients } from '../../src/adapters/aws/clients.ts';
import type { AwsProfile } from '../../src/config/load-config.ts';
import { type GridParts, gridFacts, gridResources, managerResources } from '../../src/infra/grid.ts';
import { InstanceProfileResource } from '../../src/infra/instance-profile.ts';
import type { Resource, ResourceState, StackPart } from '../../src/infra/resource.ts';
import { RoleResource } from '../../src/infra/role.ts';
import { resourcesOf, type StackParts } from '../../src/infra/stack.ts';
import { validateStack } from '../../src/infra/validate.ts';
import { randomId } from '../../src/lib/id.ts';
import type { Finding } from '../../src/model/finding.ts';
import { useTestKeys } from '../support/aws-keys.ts';
import { awsProfile } from '../support/aws-profile.ts';
import { forSuite } from '../support/fixture.ts';
import { type AccountClients, accountClients, findScalingGroup } from '../support/grid/account-clients.ts';
import { type Cloud, startCloud } from '../support/grid/cloud.ts';

export type Settings = Readonly<Record<string, unknown>>;

export const RELEASE = { sha256: 'a'.repeat(64), setups: {}, ca: null };
export const UP_TO_DATE = { state: 'asItShould' };
export const ABSENT = { state: 'absent' };
/** A manager that people reach from one network. */
export const MANAGER = { allow: ['203.0.113.0/24'] };

/** The resources of a profile in an emulated account, without the command line. */
export interface StackResources {
  readonly profile: AwsProfile;
  readonly parts: GridParts;
  readonly grid: readonly Resource[];
  readonly manager: readonly Resource[];
  close(): Promise<void>;
}

/** `release`: what new instances run. */
export async function openResources(
  cloud: Pick<Cloud, 'url' | 'account'>,
  settings: Settings = {},
  release: Partial<typeof RELEASE> = {},
): Promise<StackResources> {
  useTestKeys();
  const lab = { region: 'us-east-1', account: cloud.account, stack: `s${randomId(5)}`, bucket: 'lab' };
  const profile = await awsProfile({ ...lab, ...settings }, { AWS_ENDPOINT_URL: cloud.url });
  const { region, endpoints } = profile;
  const clients = new AwsClients({ region, endpoints, profile: null, account: cloud.account });
  const parts = { profile, clients, release: async () => ({ ...RELEASE, ...release }) };
  const facts = gridFacts(parts);
  for (const role of ['worker', 'manager'] as const) {
    await new RoleResource(role, profile, clients).apply();
    await new InstanceProfileResource(role, profile, clients).apply();
  }
  return {
    profile,
    parts,
    grid: gridResources(parts, facts),
    manager: managerResources(parts, facts),
    close: () => clients.close(),
  };
}

/** Set-up of a suite: an emulated account with one stack at a time, which is removed after each test. */
export class GridLab {
  readonly cloud: Cloud;
  readonly clients: AccountClients;
  readonly #url: () => string;
  #resources: StackResources | null = null;

  /** `url`: of what stands between batchctl and the account. */
  constructor(url?: () => string) {
    this.cloud = forSuite(() => startCloud({ sqs: 'moto' }));
    this.clients = forSuite(() => accountClients(this.cloud));
    this.#url = url ?? (() => this.cloud.url);
    afterEach(async () => {
      await down(this.all);
      await this.#close();
    });
  }

  /** Opens a new stack. */
  async open(settings: Settings = {}, release: Partial<typeof RELEASE> = {}): Promise<void> {
    await this.#close();
    const { account } = this.cloud;
    this.#resources = await openResources({ url: this.#url(), account }, settings, release);
  }

  /** Opens the same stack with another configuration, and another release if given. */
  async reopen(settings: Settings, release: Partial<typeof RELEASE> = {}): Promise<void> {
    await this.open({ stack: this.stack, ...settings }, release);
  }

  /** Opens a stack and creates its worker group. */
  async create(settings: Settings = {}): Promise<void> {
    await this.open(settings);
    await up(this.grid);
  }

  /** Applies another configuration to the stack's worker group. */
  async reapply(settings: Settings): Promise<void> {
    await this.reopen(settings);
    await up(this.grid);
  }

  get resources(): StackResources {
    if (this.#resources === null) throw new Error('the test has opened no stack');
    return this.#resources;
  }

  get stack(): string {
    return this.resources.profile.stack;
  }

  get grid(): readonly Resource[] {
    return this.resources.grid;
  }

  get manager(): readonly Resource[] {
    return this.resources.manager;
  }

  get all(): readonly Resource[] {
    return [...this.grid, ...this.manager];
  }

  /** The first resource of a kind. */
  resource(kind: Resource['kind'], among = this.grid): Resource {
    const found = among.find((resource) => resource.kind === kind);
    if (found === undefined) throw new Error(`the stack has no ${kind}`);
    return found;
  }

  /** The state of the worker group, as batchctl sees it. */
  groupState(): Promise<ResourceState> {
    return this.resource('group').look();
  }

  /** The name of a group, of its launch template, and of a role with its security group. */
  name(group = 'default'): string {
    return `${this.stack}-${group}`;
  }

  /** A group as the account has it. */
  group(name = this.name()) {
    return findScalingGroup(this.clients, name);
  }

  /** The worker group's minimum, maximum and desired capacity. */
  async sizes(): Promise<readonly (number | undefined)[]> {
    const group = await this.group();
    return [group?.MinSize, group?.MaxSize, group?.DesiredCapacity];
  }

  /** Changes the worker group as a person may. */
  async update(change: Partial<UpdateAutoScalingGroupCommandInput>): Promise<void> {
    await this.clients.scaling.updateAutoScalingGroup({ AutoScalingGroupName: this.name(), ...change });
  }

  /** The version of the launch template from which the worker group launches instances. */
  async launchedVersion(): Promise<string | undefined> {
    return (await this.group())?.MixedInstancesPolicy?.LaunchTemplate?.LaunchTemplateSpecification?.Version;
  }

  /** The versions of a launch template, newest first. */
  async versions(template = this.name()) {
    const found = await this.clients.ec2.describeLaunchTemplateVersions({ LaunchTemplateName: template });
    return found.LaunchTemplateVersions ?? [];
  }

  async #close(): Promise<void> {
    await this.#resources?.close();
    this.#resources = null;
  }
}

const NO_RELEASES = {
  wanted: async () => RELEASE,
  inForce: async () => RELEASE,
  missing: async () => null,
  look: async () => ({ current: null, differences: [], note: null }),
  make: async () => null,
  remove: async () => {},
};
const NO_TABLES = { open: async () => null, drop: async () => null };

/** A stack whose ledger has no tables, with one release. */
export const stackParts = (profile: AwsProfile, clients: AwsClients): StackParts => ({
  profile,
  clients,
  tables: NO_TABLES,
  releases: NO_RELEASES,
});

/** All resources that `infra up` creates for a profile whose ledger has no tables, except the release. */
export function stackResources(profile: AwsProfile, clients: AwsClients): readonly Resource[] {
  const all = resourcesOf(stackParts(profile, clients), null, 'wanted');
  return all.filter(({ kind }) => kind !== 'release');
}

/** Creates or repairs what is not as it should be, in order. Returns the kinds of the resources that it changed. */
export async function up(resources: readonly Resource[]): Promise<readonly string[]> {
  const changed: string[] = [];
  for (const resource of resources) {
    if ((await resource.look()).state === 'asItShould') continue;
    await resource.apply();
    changed.push(resource.kind);
  }
  return changed;
}

/** Removes the resources, the last first. Returns those that stay, and why. */
export async function down(resources: readonly Resource[], force = true): Promise<readonly string[]> {
  const left: string[] = [];
  for (const resource of [...resources].reverse()) {
    const stays = await resource.remove({ deleteData: true, force, outcomeOf: () => null, note: () => {} });
    if (stays !== null) left.push(`${resource.kind} ${resource.name}: ${stays.why}`);
  }
  return left;
}

export const statesOf = (resources: readonly Resource[]): Promise<readonly ResourceState[]> =>
  Promise.all(resources.map((resource) => resource.look()));

/** Expects the same state of all resources. */
export async function expectAll(resources: readonly Resource[], state: object, label = ''): Promise<void> {
  expect(await statesOf(resources), label).to.deep.equal(resources.map(() => state));
}

/** Every difference of the resources from the configuration; `?` for a resource that is absent or foreign. */
export async function differencesOf(resources: readonly Resource[]): Promise<readonly string[]> {
  return (await statesOf(resources)).flatMap((each) =>
    each.state === 'differs' ? each.differences : each.state === 'asItShould' ? [] : ['?'],
  );
}

/** What the validation of a profile finds, of all parts or of one. */
export async function validate(
  cloud: Cloud,
  settings: Settings,
  only: StackPart | null = null,
): Promise<readonly Finding[]> {
  const { parts, close } = await openResources(cloud, settings);
  try {
    return await validateStack(parts, gridFacts(parts), only);
  } finally {
    await close();
  }
}
