import { appendFileSync, cpSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TerminateInstancesCommand } from '@aws-sdk/client-ec2';
import { paginateListObjectsV2 } from '@aws-sdk/client-s3';
import type { PolicyDocument } from '../../../src/infra/policy.ts';
import { randomId } from '../../../src/lib/id.ts';
import { type AnyDocument, actionsOf, allows, allowsWithin, callsOf, without } from '../iam.ts';
import type { Asking } from '../iam-query.ts';
import { type Ended, Workspace } from '../workspace.ts';
import { type Cloud, startCloud } from './cloud.ts';
import type { CloudCall } from './front.ts';
import { type Others, othersIn } from './leftovers.ts';
import { Supervisor, type SupervisorOptions } from './supervise.ts';

const SECRET = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
/** Whose credentials which verbs are given. */
const ADMIN = 'AKIDADMIN';
export const OPERATOR = 'AKIDOPERATOR';
export const ROLLER = 'AKIDROLLER';

/** Seconds: short, and long enough for heartbeats of many workers on a busy machine. */
const LEASE = 6;

/** An account whose instances really run, and somebody with a profile `lab` of a stack there. */
export class GridWorld extends Workspace {
  readonly cloud: Cloud;
  readonly supervisor: Supervisor;
  readonly stack = `grid-${randomId(6)}`;
  /** The Auto Scaling group of the worker group `default`. */
  readonly group = `${this.stack}-default`;
  readonly #auditor: Others;
  readonly #outputs = new Map<string, string[]>();
  /** Access keys of instances that are, or were, the manager's. */
  readonly #managers = new Set<string>();
  #seen = 0;

  private constructor(cloud: Cloud, supervisor: Supervisor) {
    super();
    this.cloud = cloud;
    this.supervisor = supervisor;
    cloud.grid.onLaunch(({ group, accessKeyId }) => {
      if (group === `${this.stack}-manager`) this.#managers.add(accessKeyId);
    });
    this.#auditor = othersIn(cloud, 'us-east-1', 'AKIDAUDITOR');
  }

  /** Idle workers leave after so many seconds. `env` is of all that its instances run. */
  static async open(
    idle: number,
    profile: object = {},
    env: Readonly<Record<string, string>> = {},
    instance?: SupervisorOptions['instance'],
  ): Promise<GridWorld> {
    // A hook's second lasts 20 ms: what ends without its worker's word is gone soon.
    const cloud = await startCloud({
      sqs: 'own',
      facts: true,
      pace: { second: 20, boot: 50, wait: 20, end: 50, notice: 100 },
    });
    const supervisor = new Supervisor({
      ...{ cloud, ...(instance && { instance }) },
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
          ...{ backend: 'aws', region: 'us-east-1', account: cloud.account, stack: world.stack, bucket: world.stack },
          groups: {
            default: { instances: ['c7g.large', 'm7g.large'], spot: true, max: 8, slots: 2, visibility: '30s' },
          },
          ...profile,
        },
      },
    });
    return world;
  }

  protected override environmentOf(args: readonly string[]): Readonly<Record<string, string>> {
    return {
      ...{ BATCHCTL_PROFILE: 'lab', AWS_ENDPOINT_URL: this.cloud.url, BATCHCTL_TEST_LEASE_SECONDS: String(LEASE) },
      ...{ AWS_ACCESS_KEY_ID: keyFor(args), AWS_SECRET_ACCESS_KEY: SECRET },
    };
  }

  /** Ends an instance in EC2, past its group. */
  async terminate(instance: string): Promise<void> {
    await this.#auditor.ec2.send(new TerminateInstancesCommand({ InstanceIds: [instance] }));
  }

  /** What the stack's store holds below a prefix. */
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

  /** How many outputs of a job's step were published so far, in the order of the requests that were granted. */
  published(job: string): readonly string[] {
    const { calls } = this.cloud;
    for (; this.#seen < calls.length; this.#seen += 1) {
      const call = calls[this.#seen];
      if (call?.service !== 's3' || call.method !== 'PUT' || call.status !== 200) continue;
      const [, of, output] = /\/jobs\/([^/]+)\/steps\/[^/]+\/out\/(\d+)$/.exec(call.url.pathname) ?? [];
      if (of !== undefined && output !== undefined) (this.#outputs.get(of) ?? this.#newOutputs(of)).push(output);
    }
    return this.#outputs.get(job) ?? [];
  }

  /** A batchctl of another release, which differs in its bytes alone, started here like `start`. */
  async runNext(args: readonly string[]): Promise<Ended> {
    const next = this.path('next');
    if (!existsSync(next)) {
      for (const part of ['bin', 'dist', 'package.json', 'LICENSE']) {
        cpSync(fileURLToPath(new URL(`../../../${part}`, import.meta.url)), join(next, part), { recursive: true });
      }
      appendFileSync(join(next, 'bin', 'batchctl.js'), '// The next release.\n');
    }
    return this.start(args, {}, null, join(next, 'bin', 'batchctl.js')).ended;
  }

  /**
   * What was asked for that the policies of this stack don't allow to those who asked: none, if they are right. `boundary`: of
   * the roles that instances have.
   */
  async unallowed(boundary: AnyDocument | null = null): Promise<readonly string[]> {
    const asking = { account: this.cloud.account, stack: this.stack };
    const policy = async (role: string): Promise<PolicyDocument> =>
      JSON.parse((await this.well('infra', 'policies', '--for', role)).stdout);
    const roles = ['worker', 'operator', 'admin', 'manager'];
    const [worker, operator, admin, manager] = await Promise.all(roles.map(policy));
    if (!worker || !operator || !admin || !manager) throw new Error('a role has no policy');
    const callers = [
      { who: 'worker', is: (key: string) => key.startsWith('ASIA') && !this.#managers.has(key), policies: [worker] },
      { who: 'manager', is: (key: string) => this.#managers.has(key), policies: [manager] },
      { who: OPERATOR, is: (key: string) => key.includes(OPERATOR), policies: [operator] },
      { who: ADMIN, is: (key: string) => key.includes(ADMIN), policies: [admin] },
      // To roll a release out takes both (infra release --help).
      { who: ROLLER, is: (key: string) => key.includes(ROLLER), policies: [admin, operator] },
    ];
    return callers.flatMap(({ who, is, policies }) => {
      const calls = this.cloud.calls.filter(({ accessKeyId }) => is(accessKeyId));
      const within = who === 'worker' || who === 'manager' ? boundary : null;
      return unallowed(calls, policies, asking, within).map((what) => `${who}: ${what}`);
    });
  }

  /** Actions of the manager's policy that no manager of this stack has asked for. */
  async unasked(): Promise<readonly string[]> {
    const policy = JSON.parse((await this.well('infra', 'policies', '--for', 'manager')).stdout) as PolicyDocument;
    const { account } = this.cloud;
    const groupOf = (instance: string): string => this.cloud.grid.instance(instance).group;
    const calls = this.cloud.calls.filter(({ accessKeyId }) => this.#managers.has(accessKeyId));
    return idleActions(calls, policy, { account, stack: this.stack, groupOf });
  }

  /** What the instances said last, for a test that failed. */
  consoles(): string {
    return this.supervisor.said.map(([id, text]) => `--- ${id}\n${text.slice(-3_000)}`).join('\n');
  }

  override async remove(): Promise<void> {
    await super.remove();
    this.#auditor.close();
    await this.supervisor.close();
    await this.cloud.close();
  }

  #newOutputs(job: string): string[] {
    const made: string[] = [];
    this.#outputs.set(job, made);
    return made;
  }
}

function keyFor(args: readonly string[]): string {
  if (args.includes('--roll')) return ROLLER;
  return args[0] === 'infra' ? ADMIN : OPERATOR;
}

/** What of these requests no policy allows within a boundary, each kind once: `s3:PutObject arn:...`. */
function unallowed(
  calls: readonly CloudCall[],
  policies: readonly PolicyDocument[],
  asking: Asking,
  boundary: AnyDocument | null = null,
): readonly string[] {
  const refused = calls
    .flatMap((call) => callsOf(call, asking))
    .filter((call) => !policies.some((policy) => allowsWithin(boundary, policy, call)))
    // One of many tasks, parts and instances is enough.
    .map(({ action, resource }) => `${action} ${resource.replace(/\d{4,}/g, 'N')}`);
  return [...new Set(refused)];
}

/** Actions of a policy that none of these requests needs. */
function idleActions(calls: readonly CloudCall[], policy: PolicyDocument, asking: Asking): readonly string[] {
  const needed = calls.flatMap((call) => callsOf(call, asking)).filter((call) => allows(policy, call));
  return actionsOf(policy).filter((action) => {
    const rest = without(policy, action);
    return needed.every((call) => allows(rest, call));
  });
}
