import { paginateListObjectsV2 } from '@aws-sdk/client-s3';
import type { PolicyDocument } from '../../../src/infra/policy.ts';
import { randomId } from '../../../src/lib/id.ts';
import { type AnyDocument, allowsWithin, callsOf, idleActions, printedPolicy } from '../iam.ts';
import type { RequestFacts } from '../iam-query.ts';
import { nextProgram } from '../next-program.ts';
import { type Ended, Workspace } from '../workspace.ts';
import { type AccountClients, accountClients } from './account-clients.ts';
import type { Authorizer } from './authorizer.ts';
import { type Cloud, startCloud } from './cloud.ts';
import type { CloudCall } from './front.ts';
import { Supervisor, type SupervisorOptions } from './supervisor.ts';

const SECRET = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
/** Access keys, one for each role that a person can have. */
const ADMIN = 'AKIDADMIN';
export const OPERATOR = 'AKIDOPERATOR';
export const ROLLER = 'AKIDROLLER';

/** Seconds: short, but long enough for the heartbeats of many workers on a busy machine. */
const LEASE = 6;

/** An emulated account whose instances really run, and a workspace with a profile `lab` for a stack in it. */
export class GridWorld extends Workspace {
  readonly cloud: Cloud;
  readonly supervisor: Supervisor;
  readonly stack = `grid-${randomId(6)}`;
  /** The Auto Scaling group of the worker group `default`. */
  readonly group = `${this.stack}-default`;
  readonly #auditor: AccountClients;
  readonly #outputs = new Map<string, string[]>();
  /** Access keys of the manager's instances, past and present. */
  readonly #managers = new Set<string>();
  #seen = 0;

  private constructor(cloud: Cloud, supervisor: Supervisor) {
    super();
    this.cloud = cloud;
    this.supervisor = supervisor;
    cloud.grid.onLaunch(({ group, accessKeyId }) => {
      if (group === `${this.stack}-manager`) this.#managers.add(accessKeyId);
    });
    this.#auditor = accountClients(cloud, { accessKeyId: 'AKIDAUDITOR' });
  }

  /**
   * Idle workers leave after `idle` seconds. `env` is the environment of all programs on instances. With an `authorizer`,
   * people have only the printed policies of their roles, and instances only those of their role.
   */
  static async open(
    idle: number,
    profile: object = {},
    env: Readonly<Record<string, string>> = {},
    { instance, authorizer }: Pick<SupervisorOptions, 'instance'> & { readonly authorizer?: Authorizer } = {},
  ): Promise<GridWorld> {
    // A hook's second lasts 20 ms, so that an instance without a worker ends soon.
    const cloud = await startCloud({
      sqs: 'own',
      facts: true,
      ...(authorizer && { authorizer }),
      pace: { second: 20, boot: 50, wait: 20, end: 50, notice: 100 },
    });
    const supervisor = new Supervisor({
      cloud,
      ...(instance && { instance }),
      env: {
        BATCHCTL_TEST_LEASE_SECONDS: String(LEASE),
        BATCHCTL_TEST_NOTICE_SECONDS: '1',
        BATCHCTL_TEST_REST_SECONDS: '2',
        BATCHCTL_TEST_HOLD_SECONDS: '1',
        BATCHCTL_TEST_ROLE_SECONDS: '60',
        BATCHCTL_TEST_IDLE_SECONDS: String(idle),
        AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
        ...env,
      },
    });
    const world = new GridWorld(cloud, supervisor);
    world.write('batchctl.config.json', {
      profile: 'lab',
      profiles: {
        lab: {
          backend: 'aws',
          region: 'us-east-1',
          account: cloud.account,
          stack: world.stack,
          bucket: world.stack,
          groups: {
            default: { instances: ['c7g.large', 'm7g.large'], spot: true, max: 8, slots: 2, visibility: '30s' },
          },
          ...profile,
        },
      },
    });
    if (authorizer !== undefined) {
      const [admin, operator] = await Promise.all([printedPolicy(world, 'admin'), printedPolicy(world, 'operator')]);
      authorizer.admit(ADMIN, admin);
      authorizer.admit(OPERATOR, operator);
      authorizer.admit(ROLLER, admin, operator);
    }
    return world;
  }

  protected override environmentOf(args: readonly string[]): Readonly<Record<string, string>> {
    return {
      BATCHCTL_PROFILE: 'lab',
      AWS_ENDPOINT_URL: this.cloud.url,
      BATCHCTL_TEST_LEASE_SECONDS: String(LEASE),
      AWS_ACCESS_KEY_ID: keyFor(args),
      AWS_SECRET_ACCESS_KEY: SECRET,
    };
  }

  /** Terminates an instance in EC2, without its group. */
  async terminate(instance: string): Promise<void> {
    await this.#auditor.ec2.terminateInstances({ InstanceIds: [instance] });
  }

  /** The keys in the stack's bucket that begin with a prefix. */
  async keys(prefix: string): Promise<readonly string[]> {
    const keys: string[] = [];
    for await (const page of paginateListObjectsV2(
      { client: this.#auditor.s3 },
      { Bucket: this.stack, Prefix: prefix },
    )) {
      for (const { Key } of page.Contents ?? []) if (Key !== undefined) keys.push(Key);
    }
    return keys;
  }

  /** The tasks of a job's steps whose output was published, in the order of the requests that succeeded. */
  published(job: string): readonly string[] {
    const { calls } = this.cloud;
    for (; this.#seen < calls.length; this.#seen += 1) {
      const call = calls[this.#seen];
      if (call?.service !== 's3' || call.method !== 'PUT' || call.status !== 200) continue;
      const [, of, output] = /\/jobs\/([^/]+)\/steps\/[^/]+\/out\/(\d+)$/.exec(call.url.pathname) ?? [];
      if (of === undefined || output === undefined) continue;
      const outputs = this.#outputs.get(of) ?? [];
      outputs.push(output);
      this.#outputs.set(of, outputs);
    }
    return this.#outputs.get(job) ?? [];
  }

  /** Runs a batchctl of the next release. */
  async runNext(args: readonly string[]): Promise<Ended> {
    return this.start(args, {}, null, nextProgram(this)).ended;
  }

  /** The requests that the policies of this stack don't allow. `boundary`: the boundary of the instances' roles. */
  async findDeniedCalls(boundary: AnyDocument | null = null): Promise<readonly string[]> {
    const facts = { account: this.cloud.account, stack: this.stack };
    const [worker, operator, admin, manager] = await Promise.all([
      printedPolicy(this, 'worker'),
      printedPolicy(this, 'operator'),
      printedPolicy(this, 'admin'),
      printedPolicy(this, 'manager'),
    ]);
    const isManager = (key: string): boolean => this.#managers.has(key);
    const callers = [
      { who: 'worker', is: (key: string) => key.startsWith('ASIA') && !isManager(key), policies: [worker] },
      { who: 'manager', is: isManager, policies: [manager] },
      { who: OPERATOR, is: (key: string) => key.includes(OPERATOR), policies: [operator] },
      { who: ADMIN, is: (key: string) => key.includes(ADMIN), policies: [admin] },
      // Rolling out a release takes both roles (infra release --help).
      { who: ROLLER, is: (key: string) => key.includes(ROLLER), policies: [admin, operator] },
    ];
    return callers.flatMap(({ who, is, policies }) => {
      const calls = this.cloud.calls.filter(({ accessKeyId }) => is(accessKeyId));
      const within = who === 'worker' || who === 'manager' ? boundary : null;
      return deniedCalls(calls, policies, facts, within).map((call) => `${who}: ${call}`);
    });
  }

  /** Actions of the manager's policy that no manager of this stack has requested. */
  async findIdlePermissions(): Promise<readonly string[]> {
    const { account, grid, calls } = this.cloud;
    const facts = { account, stack: this.stack, groupOf: (instance: string) => grid.instance(instance).group };
    const own = calls.filter(({ accessKeyId }) => this.#managers.has(accessKeyId));
    return idleActions(
      await printedPolicy(this, 'manager'),
      own.flatMap((call) => callsOf(call, facts)),
    );
  }

  /** The ends of all consoles, for a test that failed. */
  consoles(): string {
    return this.supervisor.consoles.map(([id, text]) => `--- ${id}\n${text.slice(-3_000)}`).join('\n');
  }

  override async remove(): Promise<void> {
    await super.remove();
    this.#auditor.close();
    await this.supervisor.close();
    await this.cloud.close();
  }
}

function keyFor(args: readonly string[]): string {
  if (args.includes('--roll')) return ROLLER;
  return args[0] === 'infra' ? ADMIN : OPERATOR;
}

/** The requests that no policy allows within a boundary, each kind once: `s3:PutObject arn:...`. */
function deniedCalls(
  calls: readonly CloudCall[],
  policies: readonly PolicyDocument[],
  facts: Omit<RequestFacts, 'region'>,
  boundary: AnyDocument | null,
): readonly string[] {
  const denied = calls
    .flatMap((call) => callsOf(call, facts))
    .filter((call) => !policies.some((policy) => allowsWithin(boundary, policy, call)))
    // One of many tasks, parts and instances is enough.
    .map(({ action, resource }) => `${action} ${resource.replace(/\d{4,}/g, 'N')}`);
  return [...new Set(denied)];
}
