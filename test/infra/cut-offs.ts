import { expect } from 'chai';
import { AwsClients } from '../../src/adapters/aws/clients.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { resourcesOf } from '../../src/infra/stack.ts';
import { StackRelease } from '../../src/jobs/release/stack-release.ts';
import { openPlatform } from '../../src/platform/open-platform.ts';
import { useTestKeys } from '../support/aws-keys.ts';
import { type AccountClients, accountClients } from '../support/grid/account-clients.ts';
import { type Cloud, startCloud } from '../support/grid/cloud.ts';
import { isChange } from '../support/grid/front.ts';
import { stackLeftovers } from '../support/grid/leftovers.ts';
import { MANAGER } from './grid-lab.ts';
import { type Line, type Output, StackWorkspace } from './stack-workspace.ts';

type Command = () => Promise<Output>;

/** An account in which infra up and infra down lose their connection after any number of requests. */
export class CutOffs {
  readonly #cloud: Cloud;
  readonly #clients: AccountClients;
  readonly #workspace: StackWorkspace;
  readonly #ownClients: AwsClients;

  private constructor(cloud: Cloud) {
    const { url } = cloud;
    this.#cloud = cloud;
    this.#clients = accountClients(cloud);
    this.#workspace = new StackWorkspace(cloud);
    useTestKeys();
    const endpoints = { s3: url, sqs: url, ec2: url, autoscaling: url, iam: url, ssm: url };
    this.#ownClients = new AwsClients({ region: 'us-east-1', profile: null, account: null, endpoints });
  }

  static async open(): Promise<CutOffs> {
    return new CutOffs(await startCloud({ pace: { second: 10 } }));
  }

  async close(): Promise<void> {
    await this.#workspace.remove();
    await this.#ownClients.close();
    this.#clients.close();
    await this.#cloud.close();
  }

  readonly up: Command = () => this.#workspace.output('infra', 'up', '--yes');
  readonly down: Command = () => this.#workspace.downOutput();
  readonly plan: Command = () => this.#workspace.output('infra', 'plan');

  /** Configures a new stack with a manager. */
  configure(): void {
    this.#workspace.configure({ groups: { default: {} }, manager: MANAGER });
  }

  /** Creates what infra up creates, in the same order, without looking or validating first: a third less CPU. */
  async create(): Promise<void> {
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
      const parts = { profile, clients: this.#ownClients, tables, releases };
      for (const resource of resourcesOf(parts, null, 'wanted')) await resource.apply();
    } finally {
      await platform.close();
    }
  }

  /** Runs a command that must succeed. */
  async succeed(command: Command): Promise<readonly Line[]> {
    const { code, stderr, lines } = await command();
    expect(code, stderr).to.equal(0);
    return lines;
  }

  /** The changes that infra up would make. */
  async planned(): Promise<readonly Line[]> {
    return (await this.succeed(this.plan)).filter(({ action }) => action !== 'keep');
  }

  /** The numbers, from 0, of a command's requests that change something. */
  async changesOf(command: Command): Promise<readonly number[]> {
    this.#cloud.takeCalls();
    await this.succeed(command);
    return this.#cloud.takeCalls().flatMap((call, number) => (isChange(call) ? [number] : []));
  }

  /** Runs a command of which only the first `requests` requests pass. */
  async cut(requests: number, command: Command): Promise<void> {
    const cut = this.#cloud.cutAfter(requests);
    const { code } = await command();
    cut.end();
    expect(code, `cut off after ${requests} requests`).not.to.equal(0);
  }

  leftovers(): Promise<readonly string[]> {
    return stackLeftovers(this.#workspace.stack, this.#clients);
  }
}
