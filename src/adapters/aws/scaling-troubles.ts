import type { Activity } from '@aws-sdk/client-auto-scaling';
import type { LaunchTrouble, SpotTroubles } from '../../ports/worker-group.ts';

/**
 * What the words of a failed launch mean. They are those of EC2's error codes and messages as Auto Scaling hands them on
 * (Auto Scaling: troubleshoot launch failures; EC2: error codes). The first that fits counts.
 */
const MEANINGS: readonly (readonly [LaunchTrouble['code'], RegExp])[] = [
  // The state reason of an instance whose volumes a customer's key encrypts, without a grant to Auto Scaling's role.
  ['key', /kms|Client\.InternalError|Client error on launch|key pair|InvalidKeyPair/i],
  [
    'permission',
    /not authorized|Unauthorized|AccessDenied|permission|IamInstanceProfile|instance profile|AuthFailure|OptInRequired|service-linked role/i,
  ],
  ['price', /SpotMaxPriceTooLow|Spot (request )?price|max(imum)? price/i],
  [
    'quota',
    /vCPU limit|VcpuLimitExceeded|MaxSpotInstanceCountExceeded|Max spot instance count|(Instance|Volume|Address|Interface)LimitExceeded|LimitExceeded|quota|instances are already running|PendingVerification|currently (being|under) verif/i,
  ],
  [
    'capacity',
    /Insufficient\w*Capacity|UnfulfillableCapacity|(sufficient|no Spot|not enough)[^.]* capacity|not supported in your requested Availability Zone/i,
  ],
  [
    'image',
    /InvalidAMIID|image id|\bAMI\b|InvalidParameterCombination|architecture|snapshot|root device|requested configuration is currently not supported/i,
  ],
  ['network', /subnet|security ?group|InvalidGroup|\bVPC\b|free addresses|network interface|Elastic IP/i],
];

/** What a failed launch's message means. */
export function meaningOf(message: string): LaunchTrouble['code'] {
  return MEANINGS.find(([, words]) => words.test(message))?.[0] ?? 'other';
}

/** Why launches failed since the last that went well, newest first, each reason once. Activities come newest first. */
export function troublesOf(activities: readonly Activity[]): readonly LaunchTrouble[] {
  const found = new Map<string, LaunchTrouble>();
  for (const activity of activities) {
    if (!isLaunch(activity)) continue;
    if (activity.StatusCode === 'Successful') break;
    const message = activity.StatusMessage ?? '';
    const code = meaningOf(message);
    // A launch is also cancelled because nobody wants it any more.
    const failed = activity.StatusCode === 'Failed' || (activity.StatusCode === 'Cancelled' && code !== 'other');
    const reason = code === 'other' ? message : code;
    if (!failed || found.has(reason)) continue;
    found.set(reason, { code, message, at: (activity.EndTime ?? activity.StartTime)?.getTime() ?? 0 });
  }
  return [...found.values()];
}

/** So long what happened counts as lately, milliseconds. */
const LATELY_MS = 30 * 60_000;
/** Why an instance went that nobody ended (Auto Scaling: describe-scaling-activities, Cause). */
const TAKEN_BACK = /EC2 health check indicating it has been terminated|spot|rebalance/i;

/** How spot instances fared lately: launches since the last that went well, and instances taken back. `now`: milliseconds. */
export function spotTroublesOf(activities: readonly Activity[], now: number): SpotTroubles {
  const lately = activities.filter(({ StartTime }) => now - (StartTime?.getTime() ?? 0) < LATELY_MS);
  const launches = lately.filter(isLaunch);
  const well = launches.findIndex(({ StatusCode }) => StatusCode === 'Successful');
  const failed = launches
    .slice(0, well === -1 ? launches.length : well)
    .filter(({ StatusCode }) => StatusCode === 'Failed')
    .map(({ StatusMessage = '' }) => StatusMessage)
    .filter((message) => ['capacity', 'price', 'quota'].includes(meaningOf(message)));
  // A message that names neither kind is about what the group mostly buys; a quota has its own for spot.
  const onDemand = (message: string): boolean =>
    /On-Demand/i.test(message) || (meaningOf(message) === 'quota' && !/spot/i.test(message));
  return {
    refused: failed.some((message) => !onDemand(message)),
    refusedToo: failed.some(onDemand),
    takenBack: lately.filter((each) => isEnd(each) && TAKEN_BACK.test(each.Cause ?? '')).length,
  };
}

/** When the latest launches began, by instance. */
export function launchTimes(activities: readonly Activity[]): ReadonlyMap<string, number> {
  const times = new Map<string, number>();
  for (const activity of activities) {
    const instance = isLaunch(activity) ? /\bi-[0-9a-f]+/.exec(activity.Description ?? '')?.[0] : undefined;
    const began = activity.StartTime?.getTime();
    if (instance !== undefined && began !== undefined) times.set(instance, began);
  }
  return times;
}

/** `Terminating EC2 instance: i-0123`. */
const isEnd = ({ Description = '' }: Activity): boolean => /^Terminating EC2 instance/.test(Description);

/** `Launching a new EC2 instance: i-0123`; while it has no id, `Launching a new EC2 instance`. */
const isLaunch = ({ Description = '' }: Activity): boolean => /^Launching a new EC2 instance/.test(Description);
