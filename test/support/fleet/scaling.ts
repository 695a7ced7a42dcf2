import type { AutoScalingGroup, Instance } from '@aws-sdk/client-auto-scaling';
import { GROUP_TAG, MODE_TAG } from '../../../src/lib/stack-names.ts';
import { wait } from '../../../src/lib/wait.ts';
import type { Requests } from './requests.ts';

/** An instance of a simulated group. */
export interface FleetInstance {
  readonly id: string;
  readonly launchedAt: number;
  state: 'Pending' | 'InService' | 'Terminating:Wait' | 'Terminated';
  protected: boolean;
  endedAt: number | null;
  /** The answers of its metadata service. */
  action: string | null;
  rebalance: string | null;
  /** EC2 has reclaimed it. */
  taken: boolean;
}

/** Milliseconds that Auto Scaling takes to answer, approximately. */
const TAKES_MS = 60;
/** Launches per second. */
const LAUNCHES = 50;
/** Milliseconds from launch to InService, without cooldown and health checks. */
const IN_SERVICE_MS = 15_000;

interface Command {
  readonly constructor: { readonly name: string };
  readonly input: {
    readonly InstanceId?: string;
    readonly InstanceIds?: readonly string[];
    readonly DesiredCapacity?: number;
    readonly ShouldDecrementDesiredCapacity?: boolean;
    readonly ProtectedFromScaleIn?: boolean;
  };
}

/**
 * An Auto Scaling group in simulated time. Requests are counted and take time. (grid/scaling, which launches instances of
 * moto over HTTP, needs real time.)
 */
export class FleetScaling {
  readonly name: string;
  readonly requests: Requests;
  readonly max: number;
  readonly instances = new Map<string, FleetInstance>();
  readonly #now: () => number;
  readonly #boot: (instance: FleetInstance) => void;
  #desired = 0;
  #count = 0;

  constructor(o: {
    readonly name: string;
    readonly requests: Requests;
    readonly max: number;
    readonly now: () => number;
    /** Called when an instance was launched. */
    readonly boot: (instance: FleetInstance) => void;
  }) {
    this.name = o.name;
    this.requests = o.requests;
    this.max = o.max;
    this.#now = o.now;
    this.#boot = o.boot;
    setInterval(() => this.#launch(), 1_000);
  }

  get up(): readonly FleetInstance[] {
    return [...this.instances.values()].filter(({ state }) => state !== 'Terminated');
  }

  /** Like a client of the SDK. */
  readonly send = async (command: Command): Promise<Record<string, unknown>> => {
    const action = command.constructor.name.replace(/Command$/, '');
    this.requests.count(`autoscaling:${action}`);
    await wait(TAKES_MS);
    return this.#do(action, command.input);
  };

  /** EC2 reclaims an instance, with two minutes' notice. */
  take(instance: FleetInstance): void {
    instance.action = JSON.stringify({ action: 'terminate', time: new Date(this.#now() + 120_000).toISOString() });
    setTimeout(() => this.lose(instance), 120_000);
  }

  /** An instance ends without notice. */
  lose(instance: FleetInstance): void {
    instance.taken = true;
    this.#end(instance);
  }

  #do(action: string, input: Command['input']): Record<string, unknown> {
    const instance = this.instances.get(input.InstanceId ?? input.InstanceIds?.[0] ?? '');
    switch (action) {
      case 'DescribeAutoScalingGroups':
        return { AutoScalingGroups: [this.#group()] };
      case 'DescribeAutoScalingInstances':
        return {
          AutoScalingInstances:
            instance === undefined || instance.state === 'Terminated'
              ? []
              : [{ InstanceId: instance.id, AutoScalingGroupName: this.name, LifecycleState: instance.state }],
        };
      case 'DescribeScalingActivities':
        return { Activities: [] };
      case 'DescribeTags':
        return { Tags: [{ Key: MODE_TAG, Value: 'auto' }] };
      case 'SetInstanceProtection':
        if (instance?.state !== 'InService') throw validation('is not in InService');
        instance.protected = input.ProtectedFromScaleIn === true;
        return {};
      case 'SetDesiredCapacity':
      case 'UpdateAutoScalingGroup':
        this.#desired = Math.min(this.max, input.DesiredCapacity ?? this.#desired);
        return {};
      case 'TerminateInstanceInAutoScalingGroup':
        if (instance === undefined || instance.state.startsWith('Terminat')) throw validation('is not in a group');
        if (input.ShouldDecrementDesiredCapacity) this.#desired -= 1;
        instance.state = 'Terminating:Wait';
        return {};
      case 'CompleteLifecycleAction':
        if (instance?.state !== 'Terminating:Wait') throw validation('No active Lifecycle Action found');
        this.#end(instance);
        return {};
      default:
        return {};
    }
  }

  #end(instance: FleetInstance): void {
    if (instance.state === 'Terminated') return;
    instance.state = 'Terminated';
    instance.endedAt = this.#now();
  }

  #launch(): void {
    const staying = this.up.filter(({ state }) => state !== 'Terminating:Wait');
    for (let n = staying.length; n < Math.min(this.#desired, staying.length + LAUNCHES); n += 1) {
      this.#count += 1;
      const id = `i-${String(this.#count).padStart(17, '0')}`;
      const instance: FleetInstance = {
        id,
        launchedAt: this.#now(),
        state: 'Pending',
        protected: true,
        endedAt: null,
        action: null,
        rebalance: null,
        taken: false,
      };
      this.instances.set(id, instance);
      setTimeout(() => {
        if (instance.state === 'Pending') instance.state = 'InService';
      }, IN_SERVICE_MS);
      this.#boot(instance);
    }
  }

  #group(): Partial<AutoScalingGroup> {
    const tag = { ResourceId: this.name, ResourceType: 'auto-scaling-group', PropagateAtLaunch: false };
    return {
      AutoScalingGroupName: this.name,
      MinSize: 0,
      MaxSize: this.max,
      DesiredCapacity: this.#desired,
      Tags: [
        { ...tag, Key: MODE_TAG, Value: 'auto' },
        { ...tag, Key: GROUP_TAG, Value: 'default' },
      ],
      Instances: this.up.map(
        ({ id, state, protected: isProtected }): Instance => ({
          InstanceId: id,
          AvailabilityZone: 'eu-west-1a',
          HealthStatus: 'Healthy',
          LifecycleState: state,
          ProtectedFromScaleIn: isProtected,
        }),
      ),
    };
  }
}

const validation = (message: string): Error => Object.assign(new Error(message), { name: 'ValidationError' });
