import { installed } from '../run/lacking.ts';
import { type Fauxqs, sharedFauxqs, startFauxqs } from '../servers/fauxqs.ts';
import { sharedForks } from '../servers/forks.ts';
import { startMotoScript } from '../servers/moto.ts';
import type { Cut, CutKind, Match } from './faults.ts';
import { Faults } from './faults.ts';
import { type CloudCall, startFront } from './front.ts';
import { Grid } from './grid.ts';
import { AccountFacts } from './known.ts';
import type { Pace } from './scaling/engine.ts';
import { Scaling } from './scaling/scaling.ts';

export interface CloudOptions {
  /**
   * Who answers for SQS: the run's fauxqs, right about leases and volume (unless given), one of this account alone, for those
   * who count all its queues or name them as others do, or moto.
   */
  readonly sqs?: 'shared' | 'own' | 'moto';
  /** How fast things go; a hook's timeouts take real seconds unless given. */
  readonly pace?: Partial<Pace>;
  /** Milliseconds during which EC2 doesn't know a new instance profile. */
  readonly profileDelay?: number;
  /** A SimpleDB in place of moto's, which knows little of it. */
  readonly simpledb?: string;
  /** Calls say what the account knew of what they name: tags, boundaries (`CloudCall.known`). A look more for each change. */
  readonly facts?: boolean;
}

/** An emulated AWS account on this machine: every service at one address. */
export interface Cloud {
  /** For AWS_ENDPOINT_URL. */
  readonly url: string;
  readonly account: string;
  readonly grid: Grid;
  /** Every request that was answered, oldest first. Those of the emulation itself are not among them. */
  readonly calls: readonly CloudCall[];
  /** The requests since the last time. */
  takeCalls(): readonly CloudCall[];
  /** Nothing goes through after so many further requests, until its `end`. */
  cutAfter(requests: number, kind?: CutKind): Cut;
  /** Answers the next requests that match (`ec2:DeleteSecurityGroup`, or a function) with an error, and does nothing. */
  failNext(match: Match, status: number, code: string, message?: string, times?: number): void;
  /** Requests that are kept without an answer now. */
  held(): number;
  /** What moto wrote: where an answer makes no sense, its traceback. */
  motoLog(): string;
  close(): Promise<void>;
}

/** The account that moto answers for. */
const ACCOUNT = '123456789012';

const PACE: Pace = { second: 1_000, boot: 5, wait: 5, end: 5, notice: 5, retry: 250 };

/**
 * moto answers for most (mended: moto-grid.py), fauxqs for SQS, and Auto Scaling is emulated here, since moto's groups
 * know no lifecycle, no protection, no bounds and no failure. Takes some seconds to start.
 */
export async function startCloud(options: CloudOptions = {}): Promise<Cloud> {
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';
  installed('python3-moto');
  const aws = installed('awscli');
  const [moto, sqs] = await Promise.all([
    startMotoScript('moto-grid.py'),
    queuesOf(options.sqs),
    // For the instances' boots. Of another than Debian's the Python isn't known: that is loaded each time.
    aws === '/usr/bin/aws' ? sharedForks('aws-forks', '/usr/bin/python3') : null,
  ]);
  const profiles = new Map<string, number>();
  const calls: CloudCall[] = [];
  const faults = new Faults((accessKeyId) => grid.partitioned.has(accessKeyId));
  const grid: Grid = new Grid(
    () => scaling,
    ACCOUNT,
    (accessKeyId) => faults.drop((call) => call.accessKeyId === accessKeyId),
  );
  const scaling = new Scaling({
    ...{ url: moto.url, account: ACCOUNT, watchers: grid, pace: { ...PACE, ...options.pace } },
    isNewProfile: (name) =>
      performance.now() < (profiles.get(name) ?? Number.NEGATIVE_INFINITY) + (options.profileDelay ?? 0),
  });
  const looksUp = { moto: moto.url, sqs: sqs?.url ?? moto.url, scaling: () => scaling };
  const facts = options.facts === true ? new AccountFacts(looksUp) : null;
  const front = await startFront({
    faults,
    ...(facts !== null && { knownOf: (call) => facts.of(call) }),
    backendOf: ({ service }) => {
      if (service === 'sqs' && sqs !== null) return sqs.url;
      if (service === 'sdb' && options.simpledb !== undefined) return options.simpledb;
      if (service !== 'autoscaling') return moto.url;
      return async (call) => {
        const { status, body } = await scaling.answer(call.body, call.region);
        return { status, headers: { 'content-type': 'text/xml' }, body: Buffer.from(body) };
      };
    },
    onAnswer: (call) => {
      calls.push(call);
      if (call.status < 300) notice(call);
    },
  });
  /** What others do to what groups hold, or launch with. */
  const notice = ({ service, action, body }: CloudCall): void => {
    if (service !== 'ec2' && service !== 'iam') return;
    const form = new URLSearchParams(body);
    if (action === 'AddRoleToInstanceProfile') profiles.set(form.get('InstanceProfileName') ?? '', performance.now());
    if (action !== 'TerminateInstances') return;
    for (const [name, value] of form) if (name.startsWith('InstanceId.')) grid.ended(value);
  };
  let taken = 0;
  return {
    ...{ url: front.url, account: ACCOUNT, grid, calls },
    takeCalls: () => {
      const fresh = calls.slice(taken);
      taken = calls.length;
      return fresh;
    },
    cutAfter: (requests, kind = 'refuse') => faults.cutAfter(requests, kind),
    failNext: (match, status, code, message = code, times = 1) => faults.failNext(match, status, code, message, times),
    held: () => faults.held,
    motoLog: () => moto.log(),
    close: async () => {
      scaling.close();
      facts?.close();
      await grid.close();
      await front.close();
      await Promise.all([moto.stop(), sqs?.stop()]);
    },
  };
}

async function queuesOf(which: CloudOptions['sqs'] = 'shared'): Promise<Pick<Fauxqs, 'url' | 'stop'> | null> {
  if (which === 'moto') return null;
  if (which === 'own') return startFauxqs();
  return { ...(await sharedFauxqs()), stop: async () => undefined };
}
