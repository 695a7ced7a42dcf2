import { installed } from '../run/lacking.ts';
import { type Fauxqs, sharedFauxqs, startFauxqs } from '../servers/fauxqs.ts';
import { sharedForks } from '../servers/forks.ts';
import { startMotoScript } from '../servers/moto.ts';
import { AccountFacts } from './account-facts.ts';
import type { Authorizer } from './authorizer.ts';
import { type Cut, type CutKind, Faults, type Match } from './faults.ts';
import { type CloudCall, isChange, type Reply, startFront } from './front.ts';
import { Grid } from './grid.ts';
import type { Shape } from './query.ts';
import type { Pace } from './scaling/engine.ts';
import { Scaling } from './scaling/scaling.ts';

export interface CloudOptions {
  /**
   * What answers for SQS. `shared` (the default): the run's fauxqs, which emulates leases correctly and is fast. `own`: a
   * fauxqs for each region of this account, for tests that list all queues or use fixed names. `moto`: moto.
   */
  readonly sqs?: 'shared' | 'own' | 'moto';
  /** How fast Auto Scaling works. By default, the seconds of a hook's timeout are real ones. */
  readonly pace?: Partial<Pace>;
  /** Whether EC2 doesn't know an instance profile yet that exists in IAM; by default, it knows all at once. */
  readonly isNewProfile?: (name: string) => boolean;
  /** Called with each answer of Auto Scaling, before it is written as XML. */
  readonly onScalingAnswer?: (action: string, answer: Shape) => void;
  /** Called with each answer of any service, also with those of faults. */
  readonly onAnswer?: (call: CloudCall, reply: Reply) => void;
  /** The URL of a SimpleDB in place of moto's, which lacks most operations. */
  readonly simpledb?: string;
  /** Decides on every request, by the policies of its caller. */
  readonly authorizer?: Authorizer;
  /** Records the tags and boundaries of what calls name (`CloudCall.known`), which costs another request per change. */
  readonly facts?: boolean;
}

/** An emulated AWS account on this machine: every service at one address. */
export interface Cloud {
  /** For AWS_ENDPOINT_URL. */
  readonly url: string;
  readonly account: string;
  readonly grid: Grid;
  /** Every answered request, oldest first, without those of the emulation itself. */
  readonly calls: readonly CloudCall[];
  /** The requests since the last call of this method or of `takeChanges`. */
  takeCalls(): readonly CloudCall[];
  /** Those of `takeCalls` that create, change or remove something. */
  takeChanges(): readonly CloudCall[];
  /** Lets `requests` more requests through, and none after them until its `end`. */
  cutAfter(requests: number, kind?: CutKind): Cut;
  /** Answers the next requests that match (`ec2:DeleteSecurityGroup`, or a function) with an error, and does nothing. */
  failNext(match: Match, status: number, code: string, message?: string, times?: number): void;
  /** The number of requests that wait for an answer that `cutAfter` or `Grid.partition` withholds. */
  held(): number;

  close(): Promise<void>;
}

/** The account that moto answers for. */
const ACCOUNT = '123456789012';

const PACE: Pace = { second: 1_000, boot: 5, wait: 5, end: 5, notice: 5, retry: 250 };

/**
 * moto answers for most services (corrected by moto-grid.py), fauxqs for SQS. Auto Scaling is emulated here, because moto's
 * groups have no lifecycle, protection, bounds or failures. It takes some seconds to start.
 */
export async function startCloud(options: CloudOptions = {}): Promise<Cloud> {
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';
  installed('python3-moto');
  const aws = installed('awscli');
  const [moto] = await Promise.all([
    startMotoScript('moto-grid.py'),
    // For the boots of instances. Another AWS CLI than Debian's is loaded each time, because its Python is unknown.
    aws === '/usr/bin/aws' ? sharedForks('aws-forks', '/usr/bin/python3') : null,
  ]);
  const calls: CloudCall[] = [];
  const faults = new Faults((accessKeyId) => grid.partitioned.has(accessKeyId));
  const grid: Grid = new Grid(
    () => scaling,
    ACCOUNT,
    (accessKeyId) => faults.drop((call) => call.accessKeyId === accessKeyId),
  );
  const startScaling = (): Scaling =>
    new Scaling({
      url: moto.url,
      account: ACCOUNT,
      watchers: grid,
      pace: { ...PACE, ...options.pace },
      isNewProfile: options.isNewProfile ?? (() => false),
      ...(options.onScalingAnswer !== undefined && { onAnswer: options.onScalingAnswer }),
    });
  const scaling = startScaling();
  // Groups of one name in two regions are two groups. The grid knows the instances of the first region that is used.
  const regions = new Map<string, Scaling>();
  const scalingIn = (region: string): Scaling => {
    const known = regions.get(region) ?? (regions.size === 0 ? scaling : startScaling());
    regions.set(region, known);
    return known;
  };
  const queues = new Map<string, Promise<Pick<Fauxqs, 'url' | 'stop'>>>();
  const queuesIn = async (region: string): Promise<string> => {
    if (options.sqs === 'moto') return moto.url;
    const started = queues.get(region) ?? (options.sqs === 'own' ? startFauxqs() : sharedQueues());
    queues.set(region, started);
    return (await started).url;
  };
  const sources = { moto: moto.url, sqs: queuesIn, scaling: scalingIn };
  const { authorizer } = options;
  authorizer?.open({ moto: moto.url, account: ACCOUNT, grid });
  const facts = options.facts === true || authorizer !== undefined ? new AccountFacts(sources) : null;
  const front = await startFront({
    faults,
    ...(facts !== null && { knownOf: (call) => facts.of(call) }),
    ...(authorizer !== undefined && {
      refuse: (call, known) => authorizer.refuse(call, known),
      amend: (call, reply) => authorizer.amend(call, reply),
    }),
    backendOf: ({ service, region }) => {
      if (service === 'sqs') return queuesIn(region);
      if (service === 'sdb' && options.simpledb !== undefined) return options.simpledb;
      if (service !== 'autoscaling') return moto.url;
      return async (call) => {
        const { status, body } = await scalingIn(call.region).answer(call.body, call.region);
        return { status, headers: { 'content-type': 'text/xml' }, body: Buffer.from(body) };
      };
    },
    onAnswer: (call, reply) => {
      calls.push(call);
      options.onAnswer?.(call, reply);
      if (call.status < 300) notice(call);
    },
  });
  /** Notices instances that someone terminates in EC2. */
  const notice = ({ service, action, body }: CloudCall): void => {
    if (service !== 'ec2' || action !== 'TerminateInstances') return;
    for (const [name, value] of new URLSearchParams(body)) if (name.startsWith('InstanceId.')) grid.ended(value);
  };
  let taken = 0;
  const takeCalls = (): readonly CloudCall[] => {
    const fresh = calls.slice(taken);
    taken = calls.length;
    return fresh;
  };
  return {
    url: front.url,
    account: ACCOUNT,
    grid,
    calls,
    takeCalls,
    takeChanges: () => takeCalls().filter(isChange),
    cutAfter: (requests, kind = 'refuse') => faults.cutAfter(requests, kind),
    failNext: (match, status, code, message = code, times = 1) => faults.failNext(match, status, code, message, times),
    held: () => faults.held,

    close: async () => {
      for (const each of new Set([scaling, ...regions.values()])) each.close();
      await facts?.close();
      authorizer?.close();
      await grid.close();
      await front.close();
      await Promise.all([moto.stop(), ...(await Promise.all(queues.values())).map((each) => each.stop())]);
    },
  };
}

const sharedQueues = async (): Promise<Pick<Fauxqs, 'url' | 'stop'>> => ({
  ...(await sharedFauxqs()),
  stop: async () => undefined,
});
