import {
  type CreateAutoScalingGroupCommandInput,
  DescribeAutoScalingGroupsCommand,
} from '@aws-sdk/client-auto-scaling';
import { DRAIN_HOOK, DRAIN_HOOK_SECONDS } from '../../src/lib/stack-names.ts';
import type { AttemptEvent, LedgerWorker, StepCounts } from '../../src/model/ledger/records.ts';
import { AwsWorkspace } from '../support/aws-workspace.ts';
import { forEachTest, forSuite } from '../support/fixture.ts';
import type { Cloud, CloudOptions } from '../support/grid/cloud.ts';
import { type Account, openAccount } from '../support/grid/emulated-account.ts';
import type { GridInstance } from '../support/grid/grid.ts';
import { rangeJob } from '../support/range-job.ts';
import { until } from '../support/until.ts';
import { type Running, waitForSuccess } from '../support/workspace.ts';

/**
 * The times of a worker on a machine, seconds: short, except the rest, during which a worker must be able to be busy.
 */
const TIMES = {
  BATCHCTL_TEST_NOTICE_SECONDS: '0.2',
  BATCHCTL_TEST_REST_SECONDS: '60',
  BATCHCTL_TEST_HOLD_SECONDS: '0.3',
  BATCHCTL_TEST_IDLE_SECONDS: '300',
  BATCHCTL_TEST_ROLE_SECONDS: '60',
};

/** Leases that a busy machine keeps: a task whose lease expires is interrupted, and runs again only on another worker. */
export const LONG_LEASES = { BATCHCTL_TEST_LEASE_SECONDS: '30' };

/** Each run of a task adds its worker to the file `ran`, and ends once the file `go` exists. */
export const WAITING =
  'echo $BATCHCTL_WORKER_ID >> "$HOME/ran"; while [ ! -e "$HOME/go" ]; do sleep 0.05; done; echo done';

/** A stack of its own in the emulated cloud, with a group whose machines run real workers. */
export class MachineLab {
  readonly workspace: AwsWorkspace;
  readonly account: Account;
  readonly group: string;

  private constructor(account: Account, workspace: AwsWorkspace) {
    this.account = account;
    this.workspace = workspace;
    this.group = `${workspace.stack}-default`;
  }

  static async open(account: Account): Promise<MachineLab> {
    const { url } = account.cloud;
    const endpoints = { s3: url, sqs: url, sts: url, autoscaling: url, ec2: url };
    // By default, workers here ignore what the group isn't configured to obey; the real default is tested without a
    // cloud.
    const groups = { default: { visibility: '30s', slots: 2, rebalance: 'leave' } };
    return new MachineLab(account, await AwsWorkspace.make({ s3: url, sqs: url, profile: { endpoints, groups } }));
  }

  get cloud(): Cloud {
    return this.account.cloud;
  }

  /** The group, as `infra up` creates it, with this many instances in service. */
  machines(size: number, fields: Partial<CreateAutoScalingGroupCommandInput> = {}): Promise<readonly GridInstance[]> {
    return this.account.makeGroup(this.group, size, {
      LifecycleHookSpecificationList: [
        {
          LifecycleHookName: DRAIN_HOOK,
          LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
          HeartbeatTimeout: DRAIN_HOOK_SECONDS,
          DefaultResult: 'CONTINUE',
        },
      ],
      ...fields,
    });
  }

  async machine(fields: Partial<CreateAutoScalingGroupCommandInput> = {}): Promise<GridInstance> {
    const [instance] = await this.machines(1, fields);
    if (instance === undefined) throw new Error('no instance');
    return instance;
  }

  async twoMachines(fields: Partial<CreateAutoScalingGroupCommandInput> = {}): Promise<[GridInstance, GridInstance]> {
    const [first, second] = await this.machines(2, fields);
    if (first === undefined || second === undefined) throw new Error('no instances');
    return [first, second];
  }

  /** Starts a worker on an instance. */
  async work(
    instance: GridInstance,
    args: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ): Promise<Running> {
    const AWS_EC2_METADATA_SERVICE_ENDPOINT = await this.cloud.grid.imdsUrl(instance);
    const running = this.workspace.start(['worker', '--slots', '1', ...args], {
      ...TIMES,
      AWS_EC2_METADATA_SERVICE_ENDPOINT,
      ...env,
    });
    await until(`${instance.id} has a worker`, () => / starts: | waits for its role/.test(running.printed()));
    return running;
  }

  /** A machine of the group, with a worker that runs the only task of a job until `go`. */
  async busyMachine(
    fields: Partial<CreateAutoScalingGroupCommandInput> = {},
  ): Promise<{ readonly instance: GridInstance; readonly job: string; readonly worker: Running }> {
    const instance = await this.machine(fields);
    const job = await this.submit(WAITING);
    const worker = await this.work(instance, [], LONG_LEASES);
    await this.runs(1);
    return { instance, job, worker };
  }

  /** Submits a job with this many tasks that run this command. */
  async submit(run: string, tasks = 1, step: Readonly<Record<string, unknown>> = {}): Promise<string> {
    this.workspace.write('job.json', rangeJob('lab', tasks, { name: 'only', run, ...step }));
    return this.workspace.submit('--no-scale');
  }

  /** Lets tasks of `WAITING` end. */
  go(): void {
    this.workspace.write('go', '');
  }

  runs(count: number): Promise<true> {
    return until(`${count} runs`, () => this.workspace.lines('ran').length >= count);
  }

  async size(): Promise<number | undefined> {
    const command = new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [this.group] });
    return (await this.account.scaling.send(command)).AutoScalingGroups?.[0]?.DesiredCapacity;
  }

  gone(instance: GridInstance): Promise<true> {
    return until(`${instance.id} is gone`, () => this.cloud.grid.instance(instance).gone);
  }

  /** Waits until a worker has ended well, and its instance is gone. */
  async endsAndLeaves(worker: Running, instance: GridInstance): Promise<void> {
    await waitForSuccess(worker);
    await this.gone(instance);
  }

  /** Requests about this lab's queue and group since the last call, in order; on request including refused ones. */
  takeActions(refused = false): readonly string[] {
    const own = this.cloud.takeCalls().filter(({ body }) => body.includes(this.group));
    return own.filter(({ status }) => refused || status < 300).map(({ action }) => action);
  }

  /** How often an action of Auto Scaling was requested for this lab's group or the instance. */
  countRequests(action: string, instance?: GridInstance): number {
    const calls = this.cloud.calls.filter((call) => call.service === 'autoscaling' && call.action === action);
    return calls.filter(({ body }) => body.includes(instance?.id ?? this.group)).length;
  }

  async ledgerWorkers(): Promise<readonly LedgerWorker[]> {
    return (await this.#ledger()).workers({});
  }

  /** The first worker in the ledger, once there is one. */
  firstWorker(): Promise<LedgerWorker> {
    return until('a worker is in the ledger', async () => (await this.ledgerWorkers())[0]);
  }

  async counts(job: string): Promise<StepCounts | undefined> {
    return (await (await this.#ledger()).counts(job))[0];
  }

  async attempts(job: string, task = 0): Promise<readonly AttemptEvent[]> {
    return (await this.#ledger()).attempts(job, 'only', task);
  }

  /** The attempts that the store counts as failed (law 8). */
  async tries(job: string): Promise<number> {
    let count = 0;
    for await (const _ of (await this.workspace.platform()).store.keys(`jobs/${job}/steps/only/tries/`)) count += 1;
    return count;
  }

  close(): Promise<void> {
    return this.workspace.remove();
  }

  async #ledger() {
    return (await this.workspace.platform()).ledger();
  }
}

/** A lab for each test, in one cloud for all tests of the suite. */
export function labForEachTest(options: CloudOptions = {}): MachineLab {
  const account = forSuite(() => openAccount(options));
  return forEachTest(() => MachineLab.open(account));
}
