import { Fleet, type FleetOptions } from './fleet.ts';

export interface Scenario {
  readonly name: string;
  readonly options: FleetOptions;
  /** Called each ten seconds, from when the job was submitted: what AWS does. `at`: seconds since then. */
  readonly happens?: (fleet: Fleet, at: number) => void;
}

/** Requests that have one limit, and what AWS documents of it. */
interface Limited {
  readonly what: string;
  readonly kinds: RegExp;
  /** Requests a second; null where no number is published. */
  readonly limit: number | null;
  readonly source: string;
}

export const LIMITS: readonly Limited[] = [
  {
    ...{ what: 'S3 GET, HEAD and LIST', kinds: /^s3:(Get|Head|List)/, limit: 5_500 },
    source: 'a second and prefix (S3: optimizing-performance); here of the whole bucket',
  },
  {
    ...{ what: 'S3 PUT and DELETE', kinds: /^s3:(Put|Delete)/, limit: 3_500 },
    source: 'the same',
  },
  {
    ...{ what: 'SQS receive, send, delete, visibility', kinds: /^sqs:(Receive|Send|Delete|Change)/, limit: null },
    source: 'nearly unlimited (SQS: quotas-messages)',
  },
  {
    ...{ what: 'SQS GetQueueAttributes, GetQueueUrl', kinds: /^sqs:Get/, limit: null },
    source: 'none is published',
  },
  {
    ...{ what: 'Auto Scaling Describe*', kinds: /^autoscaling:Describe/, limit: null },
    source: 'none is published; the whole account shares it',
  },
  {
    ...{ what: 'Auto Scaling, what changes', kinds: /^autoscaling:(?!Describe)/, limit: null },
    source: 'none is published; the whole account shares it',
  },
  {
    what: 'STS GetCallerIdentity',
    kinds: /^sts:/,
    limit: 600,
    source: 'an account and Region (IAM: reference_iam-quotas)',
  },
  {
    what: 'SSM GetParameter',
    kinds: /^ssm:/,
    limit: 40,
    source: 'an account and Region by default (Systems Manager: quotas)',
  },
];

/** The result of a scenario. */
export interface Figures {
  readonly name: string;
  readonly published: number;
  readonly state: string;
  /** Attempts beyond one a task. */
  readonly reruns: number;
  /** Deliveries that were given back. */
  readonly released: number;
  readonly interrupted: number;
  readonly launched: number;
  /** Seconds from the submission until the last output was published. */
  readonly makespan: number;
  readonly hours: number;
  readonly leastHours: number;
  /** By `what` of the limits: the most in a second, on the mean of ten. */
  readonly peaks: ReadonlyMap<string, number>;
  readonly totals: ReadonlyMap<string, number>;
  /** Requests by their kind. */
  readonly kinds: ReadonlyMap<string, number>;
  /** US dollars of S3 and SQS. */
  readonly requestCost: number;
  readonly failures: readonly string[];
}

/** US dollars a million requests (S3 and SQS pricing, us-east-1). */
const PRICES: readonly (readonly [RegExp, number])[] = [
  [/^s3:(Put|List)/, 5],
  [/^s3:(Get|Head)/, 0.4],
  [/^sqs:/, 0.4],
];
const STEP = 10;
const LONGEST = 4 * 3_600;

/** Runs a scenario to its end: until every task is published and every instance gone. */
export async function runScenario({ options, name, happens }: Scenario): Promise<Figures> {
  const fleet = new Fleet(options);
  try {
    await fleet.submit();
    await fleet.scale(options.machines);
    const began = fleet.time.monotonic() / 1_000;
    let [seconds, makespan] = [0, 0];
    while (!fleet.isOver && seconds < LONGEST) {
      happens?.(fleet, seconds);
      seconds += STEP;
      await fleet.time.passTo((began + seconds) * 1_000);
      if (makespan === 0 && fleet.published === options.tasks) makespan = seconds;
    }
    fleet.bucket.slowDown = () => 0;
    const { requests } = fleet;
    const of = (kinds: RegExp): readonly string[] => requests.kinds.filter((kind) => kinds.test(kind));
    const cost = PRICES.map(([kinds, usd]) => (requests.total(of(kinds)) * usd) / 1e6);
    return {
      ...{ name, published: fleet.published, state: await fleet.state(), reruns: fleet.attempts - options.tasks },
      released: fleet.queue.released,
      interrupted: [...fleet.scaling.instances.values()].filter(({ taken }) => taken).length,
      launched: fleet.scaling.instances.size,
      ...{ makespan, hours: fleet.hours, leastHours: fleet.leastHours },
      peaks: new Map(LIMITS.map(({ what, kinds }) => [what, requests.peak(of(kinds), STEP)])),
      totals: new Map(LIMITS.map(({ what, kinds }) => [what, requests.total(of(kinds))])),
      kinds: new Map(requests.kinds.map((kind) => [kind, requests.total([kind])])),
      requestCost: cost.reduce((sum, usd) => sum + usd, 0),
      failures: fleet.failures,
    };
  } finally {
    await fleet.end();
  }
}

/** So many machines, and a part of the tasks, of each scenario. */
export function scenarios(machines: number, tasks: number): readonly Scenario[] {
  const options = { machines, slots: 2, tasks, seconds: 12 };
  const inService = (fleet: Fleet) => fleet.scaling.up.filter(({ state }) => state === 'InService');
  return [
    { name: 'calm', options },
    {
      ...{ name: '20 % interrupted an hour', options },
      happens: (fleet) => {
        for (const instance of inService(fleet))
          if (instance.action === null && Math.random() < (0.2 * STEP) / 3_600) fleet.scaling.take(instance);
      },
    },
    {
      ...{ name: 'rebalance: all are told at once', options },
      happens: (fleet, at) => {
        if (at !== 180) return;
        for (const instance of inService(fleet)) instance.rebalance = '{"noticeTime":"2026-11-30T06:03:00Z"}';
      },
    },
    {
      ...{ name: 'S3 SlowDown, 10 minutes', options },
      happens: (fleet, at) => {
        fleet.bucket.slowDown = () => (at >= 150 && at < 750 ? 0.7 : 0);
      },
    },
    { name: 'three SSM secrets', options: { ...options, secrets: 3 } },
  ];
}
