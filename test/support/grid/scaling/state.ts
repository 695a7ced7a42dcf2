/** A launch template as a group names it. */
export interface TemplateRef {
  readonly id: string;
  readonly name: string;
  /** As it was given: a number, `$Latest`, `$Default`. */
  readonly version: string;
}

export interface MixedPolicy {
  readonly template: TemplateRef;
  readonly types: readonly string[];
  /** OnDemandBaseCapacity: 0 unless given (CreateAutoScalingGroup: InstancesDistribution). */
  readonly base: number;
  /** OnDemandPercentageAboveBaseCapacity: 100 unless given (same page). */
  readonly percentage: number;
  readonly onDemandStrategy: string;
  readonly spotStrategy: string;
  readonly spotMaxPrice: string | undefined;
}

export interface GroupTag {
  readonly key: string;
  value: string;
  propagate: boolean;
}

export interface Hook {
  readonly name: string;
  /** Only `autoscaling:EC2_INSTANCE_TERMINATING` has an effect here. */
  readonly transition: string;
  /** Seconds: 30 to 7,200; 3,600 unless given (PutLifecycleHook). */
  readonly timeout: number;
  /** `ABANDON` unless given (same page). */
  readonly result: string;
  readonly metadata: string | undefined;
  readonly target: string | undefined;
  readonly role: string | undefined;
}

export interface Activity {
  readonly id: string;
  readonly group: Group;
  readonly cause: string;
  readonly start: Date;
  description: string;
  code: string;
  end: Date | undefined;
  message: string | undefined;
}

/** An instance of a group. */
export interface Member {
  readonly id: string;
  readonly group: Group;
  readonly type: string;
  readonly zone: string;
  readonly subnet: string;
  readonly lifeCycle: 'spot' | 'on-demand';
  readonly template: TemplateRef;
  /** The number of the template's version that it was launched from. */
  readonly version: string;
  readonly image: string;
  readonly address: string;
  /** As it was given to EC2, in base64. */
  readonly userData: string;
  /** Of its instance profile; null if it has none. */
  readonly role: string | null;
  /** Of the credentials that its metadata gives, so that a caller can be told by them. */
  readonly accessKeyId: string;
  readonly launchedAt: number;
  readonly tags: Record<string, string>;
  /** Whether its metadata tells its tags (InstanceMetadataTags). */
  readonly tagsInMetadata: boolean;
  state: string;
  protected: boolean;
  healthy: boolean;
  /** What its metadata says of where it goes; null before the group said it. */
  target: string | null;
  /** The spot interruption notice, and its instant. */
  interruptedAt: Date | null;
  rebalancedAt: Date | null;
  /** EC2 ended it, or it vanished. */
  gone: boolean;
  /** Resolves its wait for a hook, while it waits. */
  hold: { readonly activity: Activity; renew(): void; release(): void } | null;
  activity: Activity;
}

export interface Group {
  readonly name: string;
  readonly arn: string;
  readonly region: string;
  readonly created: Date;
  readonly members: Map<string, Member>;
  readonly hooks: Map<string, Hook>;
  readonly tags: Map<string, GroupTag>;
  readonly suspended: Set<string>;
  readonly metrics: Set<string>;
  /** Newest first. */
  readonly activities: Activity[];
  min: number;
  max: number;
  desired: number;
  template: TemplateRef | null;
  mixed: MixedPolicy | null;
  subnets: readonly string[];
  cooldown: number;
  graceSeconds: number;
  healthCheck: string;
  protectNew: boolean;
  capacityRebalance: boolean;
  warmup: number | undefined;
  maxLifetime: number | undefined;
  serviceRole: string | undefined;
  policies: readonly string[];
  /** `Delete in progress` once it is to go. */
  status: string | undefined;
  /** Why the next activities happen, as AWS words it. */
  cause: string;
  /** Milliseconds until a failed launch is tried again. */
  patience: number;
}

/** Those that count for the desired capacity: the ending ones do not. */
export const active = (group: Group): readonly Member[] =>
  [...group.members.values()].filter(({ state }) => !state.startsWith('Terminat'));
