import { expect } from 'chai';
import { AwsClients } from '../../src/adapters/aws/clients.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { resourcesOf } from '../../src/infra/stack.ts';
import { StackRelease } from '../../src/jobs/release/stack-release.ts';
import { openPlatform } from '../../src/platform/open-platform.ts';
import { signWithAnyKeys } from '../support/aws-keys.ts';
import { type Cloud, startCloud } from '../support/grid/cloud.ts';
import { type Others, othersIn, remainsOf } from '../support/grid/leftovers.ts';
import { type Answered, type Line, StackWorkspace, well } from './stack-workspace.ts';

const MANAGED = { groups: { default: {} }, manager: { allow: ['203.0.113.0/24'] } };
/** Requests that change nothing. */
const LOOK = /^(Get|List|Describe|HEAD)/;

type Act = () => Promise<Answered>;

/** An account in which infra up and infra down lose their connection after any number of requests. */
export class CutOffs {
  readonly #cloud: Cloud;
  readonly #others: Others;
  readonly #workspace: StackWorkspace;
  readonly #clients: AwsClients;

  private constructor(cloud: Cloud) {
    const { url } = cloud;
    this.#cloud = cloud;
    this.#others = othersIn(cloud);
    this.#workspace = new StackWorkspace(cloud);
    signWithAnyKeys();
    const endpoints = { s3: url, sqs: url, ec2: url, autoscaling: url, iam: url, ssm: url };
    this.#clients = new AwsClients({ region: 'us-east-1', profile: null, account: null, endpoints });
  }

  static async open(): Promise<CutOffs> {
    return new CutOffs(await startCloud({ pace: { second: 10 } }));
  }

  async close(): Promise<void> {
    await this.#workspace.remove();
    await this.#clients.close();
    this.#others.close();
    await this.#cloud.close();
  }

  readonly up: Act = () => this.#workspace.here('infra', 'up', '--yes');
  readonly down: Act = () => this.#workspace.downHere();
  readonly plan: Act = () => this.#workspace.here('infra', 'plan');

  /** A new stack with a manager. */
  configure(): void {
    this.#workspace.configure(MANAGED);
  }

  /** Makes what infra up makes, in the same order; looks at and validates nothing before, which saves a third of the CPU. */
  async make(): Promise<void> {
    const env = { AWS_ENDPOINT_URL: this.#cloud.url };
    const config = await loadConfig({ env, cwd: this.#workspace.dir, home: '', etc: '' });
    const { profile } = config;
    if (profile.backend !== 'aws') throw new Error('expected a profile on AWS');
    const platform = await openPlatform(config, { role: 'cli', who: 'test@here' });
    try {
      const { store, clock, who } = platform;
      const setups = Object.fromEntries(Object.keys(profile.groups).map((group) => [group, null]));
      const releases = new StackRelease({ store, clock, who, paths: { setups, ca: null } });
      const tables = { open: async () => null, drop: async () => null };
      const parts = { profile, clients: this.#clients, tables, releases };
      for (const resource of resourcesOf(parts, null, 'wanted')) await resource.apply();
    } finally {
      await platform.close();
    }
  }

  well(act: Act): Promise<readonly Line[]> {
    return well(act());
  }

  /** The positions, from 0, of the requests of `act` that change something. */
  async changesOf(act: Act): Promise<readonly number[]> {
    this.#cloud.takeCalls();
    await this.well(act);
    const calls = this.#cloud.takeCalls();
    return calls.flatMap(({ action }, at) => (LOOK.test(action) || action === 'GET' ? [] : [at]));
  }

  /** Nothing passes after this many requests. */
  async cut(requests: number, act: Act): Promise<void> {
    const ends = this.#cloud.cutAfter(requests);
    const { code } = await act();
    ends.end();
    expect(code, `cut off after ${requests} requests`).not.to.equal(0);
  }

  /** The stack's resources that are left in the account. */
  remains(): Promise<readonly unknown[]> {
    return remainsOf(this.#workspace.stack, this.#others);
  }
}
