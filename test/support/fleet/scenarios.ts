import { Fleet, type FleetOptions } from './fleet.ts';

export interface Scenario {
  readonly name: string;
  readonly options: FleetOptions;
  /** Lets AWS do something. Called every ten seconds, `at` seconds after the submission. */
  readonly happens?: (fleet: Fleet, at: number) => void;
}

/** Requests that share a limit, and AWS's documentation of it. */
interface Limited {
  readonly what: string;
  readonly kinds: RegExp;
  /** Requests per second; null if no number is published. */
  readonly limit: number | null;
  readonly source: string;
}

const limited = (what: string, kinds: RegExp, limit: number | null, source: string): Limited => {
  return { what, kinds, limit, source };
};

const S3_SOURCE = 'a second and prefix (S3: optimizing-performance); here of the whole bucket';
const SHARED = 'none is published; the whole account shares it';

export const LIMITS: readonly Limited[] = [
  limited('S3 GET, HEAD and LIST', /^s3:(Get|Head|List)/, 5_500, S3_SOURCE),
  limited('S3 PUT and DELETE', /^s3:(Put|Delete)/, 3_500, 'the same'),
  limited(
    'SQS receive, send, delete, visibility',
    /^sqs:(Receive|Send|Delete|Change)/,
    null,
    'nearly unlimited (SQS: quotas-messages)',
  ),
  limited('SQS GetQueueAttributes, GetQueueUrl', /^sqs:Get/, null, 'none is published'),
  limited('SQS ListQueueTags', /^sqs:ListQueueTags/, null, 'none is published'),
  limited('Auto Scaling Describe*', /^autoscaling:Describe/, null, SHARED),
  limited('Auto Scaling, what changes', /^autoscaling:(?!Describe)/, null, SHARED),
  limited('STS GetCallerIdentity', /^sts:/, 600, 'an account and Region (IAM: reference_iam-quotas)'),
  limited('SSM GetParameter', /^ssm:/, 40, 'an account and Region by default (Systems Manager: quotas)'),
];

/** The result of a scenario. */
export interface Figures {
  readonly name: string;
  readonly published: number;
  readonly state: string;
  /** Attempts beyond one per task. */
  readonly reruns: number;
  /** Released deliveries. */
  readonly released: number;
  readonly interrupted: number;
  readonly launched: number;
  /** Seconds from the submission until the last output was published. */
  readonly makespan: number;
  readonly hours: number;
  readonly leastHours: number;
  /** By `what` of the limits: the highest rate per second, as a mean over ten. */
  readonly peaks: ReadonlyMap<string, number>;
  readonly totals: ReadonlyMap<string, number>;
  /** The number of requests by kind. */
  readonly kinds: ReadonlyMap<string, number>;
  /** US dollars for S3 and SQS. */
  readonly requestCost: number;
  readonly failures: readonly string[];
}

/** US dollars per million requests (S3 and SQS pricing, us-east-1). */
const PRICES: readonly (readonly [RegExp, number])[] = [
  [/^s3:(Put|List)/, 5],
  [/^s3:(Get|Head)/, 0.4],
  [/^sqs:/, 0.4],
];
const STEP = 10;
const LONGEST = 4 * 3_600;

/** Runs a scenario until every task is published and every instance has ended. */
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
      name,
      published: fleet.published,
      state: await fleet.state(),
      reruns: fleet.attempts - options.tasks,
      released: fleet.queue.released,
      interrupted: [...fleet.scaling.instances.values()].filter(({ taken }) => taken).length,
      launched: fleet.scaling.instances.size,
      makespan,
      hours: fleet.hours,
      leastHours: fleet.leastHours,
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

/** The scenarios, each with this number of machines and tasks. */
export function scenarios(machines: number, tasks: number): readonly Scenario[] {
  const options = { machines, slots: 2, tasks, seconds: 12 };
  const inService = (fleet: Fleet) => fleet.scaling.up.filter(({ state }) => state === 'InService');
  return [
    { name: 'calm', options },
    {
      name: '20 % interrupted an hour',
      options,
      happens: (fleet) => {
        for (const instance of inService(fleet))
          if (instance.action === null && Math.random() < (0.2 * STEP) / 3_600) fleet.scaling.take(instance);
      },
    },
    {
      name: 'rebalance: all are told at once',
      options,
      happens: (fleet, at) => {
        if (at !== 180) return;
        for (const instance of inService(fleet)) instance.rebalance = '{"noticeTime":"2026-11-30T06:03:00Z"}';
      },
    },
    {
      name: 'S3 SlowDown, 10 minutes',
      options,
      happens: (fleet, at) => {
        fleet.bucket.slowDown = () => (at >= 150 && at < 750 ? 0.7 : 0);
      },
    },
    { name: 'three SSM secrets', options: { ...options, secrets: 3 } },
  ];
}
