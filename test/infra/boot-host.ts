import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AwsClients } from '../../src/adapters/aws/clients.ts';
import { createS3Store } from '../../src/adapters/aws/s3-store.ts';
import type { AwsProfile } from '../../src/config/load-config.ts';
import { type Bundle, packProgram } from '../../src/jobs/release/stack-release.ts';
import { DRAIN_HOOK, gridName } from '../../src/lib/stack-names.ts';
import { bootFileKey, bundleKey } from '../../src/model/keys.ts';
import type { ObjectStore } from '../../src/ports/object-store.ts';
import { useTestKeys } from '../support/aws-keys.ts';
import { awsProfile } from '../support/aws-profile.ts';
import { type Boot, bootIn } from '../support/boot/boot-in.ts';
import { findScalingGroup } from '../support/grid/account-clients.ts';
import { type Account, openAccount, terminationHook } from '../support/grid/emulated-account.ts';
import type { GridInstance } from '../support/grid/grid.ts';
import { until } from '../support/until.ts';

/** An emulated account whose instances boot in directories of this machine. */
export class BootHost {
  readonly account: Account;
  readonly dir = mkdtempSync(join(tmpdir(), 'batchctl-boot-'));
  readonly bundle: Bundle;
  #number = 0;

  private constructor(account: Account, bundle: Bundle) {
    this.account = account;
    this.bundle = bundle;
    useTestKeys();
  }

  static async open(): Promise<BootHost> {
    const bundle = await packProgram();
    return new BootHost(await openAccount({ pace: { retry: 30 } }), bundle);
  }

  async close(): Promise<void> {
    await this.account.close();
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** Creates a stack with a bucket that holds the bundle, and a group of `size` instances. */
  async stack(size: number, fields: Readonly<Record<string, unknown>> = {}, min = 0): Promise<BootStack> {
    this.#number += 1;
    const name = `boot-${this.#number}`;
    const { url } = this.account.cloud;
    await this.account.s3.createBucket({ Bucket: name });
    const profile = await this.profile(name, fields);
    const clients = new AwsClients({ region: 'us-east-1', profile: null, account: null, endpoints: { s3: url } });
    const store = await createS3Store({ clients, bucket: name, prefix: 'b/', kmsKey: null });
    await store.put(bundleKey(this.bundle.sha256), this.bundle.gzip);
    const instances = await this.account.makeGroup(gridName(name, 'default'), size, {
      MinSize: min,
      LifecycleHookSpecificationList: [terminationHook(DRAIN_HOOK, 7_200)],
    });
    return new BootStack(this, profile, store, clients, instances);
  }

  profile(stack: string, { group = {}, ...others }: Readonly<Record<string, unknown>> = {}): Promise<AwsProfile> {
    const bucket = { name: stack, prefix: 'b/' };
    return awsProfile({ region: 'us-east-1', stack, bucket, groups: { default: group }, ...others });
  }
}

export class BootStack {
  readonly profile: AwsProfile;
  readonly store: ObjectStore;
  readonly instances: readonly GridInstance[];
  readonly #host: BootHost;
  readonly #clients: AwsClients;

  constructor(
    host: BootHost,
    profile: AwsProfile,
    store: ObjectStore,
    clients: AwsClients,
    instances: readonly GridInstance[],
  ) {
    this.#host = host;
    this.profile = profile;
    this.store = store;
    this.#clients = clients;
    this.instances = instances;
  }

  /** The first instance of the group, which is often the only one. */
  get instance(): GridInstance {
    const [instance] = this.instances;
    if (instance === undefined) throw new Error('the group has no instance');
    return instance;
  }

  /** The name of its worker group. */
  get group(): string {
    return gridName(this.profile.stack, 'default');
  }

  /** The desired capacity of its worker group. */
  async desired(): Promise<number | undefined> {
    return (await findScalingGroup(this.#host.account, this.group))?.DesiredCapacity;
  }

  /** Waits until EC2 has terminated an instance. */
  gone(instance: GridInstance): Promise<true> {
    return until(`${instance.id} is gone`, () => this.#host.account.cloud.grid.instance(instance).gone);
  }

  /** Stores a file of the release. Returns its checksum. */
  async putFile(kind: 'setup' | 'ca', text: string): Promise<string> {
    const sha256 = createHash('sha256').update(text).digest('hex');
    await this.store.put(bootFileKey(kind, sha256), text);
    return sha256;
  }

  /** The directory that serves as an instance's root. */
  root(instance: GridInstance): string {
    return join(this.#host.dir, instance.id);
  }

  async boot(
    instance: GridInstance,
    userData: string,
    env: Readonly<Record<string, string>> = {},
    words: readonly string[] = [],
  ): Promise<Boot> {
    const { cloud } = this.#host.account;
    const services = {
      AWS_ENDPOINT_URL: cloud.url,
      AWS_EC2_METADATA_SERVICE_ENDPOINT: await cloud.grid.imdsUrl(instance),
    };
    return bootIn(this.root(instance), userData, { ...services, ...env }, words);
  }

  /** Boots an instance, and returns the exit code of the script. */
  async bootToEnd(...args: Parameters<BootStack['boot']>): Promise<number | null> {
    return (await (await this.boot(...args)).ended).code;
  }

  /** Null for missing files. */
  async read(key: string): Promise<string | null> {
    const bytes = await this.store.read(key);
    return bytes === null ? null : new TextDecoder().decode(bytes);
  }

  close(): Promise<void> {
    return this.#clients.close();
  }
}
