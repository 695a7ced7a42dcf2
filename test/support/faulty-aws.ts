import { type AwsPlaces, AwsWorkspace } from './aws-workspace.ts';
import { FaultProxy, type Seen } from './servers/fault-proxy.ts';

/** Requests that would change something: puts, copies and deletes of S3, and SQS's verbs but those that ask. */
export function isWrite({ method, headers }: Seen): boolean {
  const action = String(headers['x-amz-target'] ?? '');
  if (action.startsWith('AmazonSQS.')) return !/\.(Get|List)/.test(action);
  return !['GET', 'HEAD'].includes(method);
}

/** A directory whose requests to S3 and SQS pass proxies that fail as a test says, and another with a way of its own. */
export class FaultyAws {
  /** Its STS is asked without a proxy. */
  readonly workspace: AwsWorkspace;
  /** The same bucket and queues, past the proxies. */
  readonly past: AwsWorkspace;
  readonly s3: FaultProxy;
  readonly sqs: FaultProxy;

  private constructor(workspace: AwsWorkspace, past: AwsWorkspace, s3: FaultProxy, sqs: FaultProxy) {
    this.workspace = workspace;
    this.past = past;
    this.s3 = s3;
    this.sqs = sqs;
  }

  /** `more` is of the workspace behind the proxies alone. */
  static async make(
    places: Pick<AwsPlaces, 's3' | 'sqs'>,
    more: Omit<Partial<AwsPlaces>, 's3' | 'sqs' | 'stack'> = {},
  ): Promise<FaultyAws> {
    const [s3, sqs] = await Promise.all([FaultProxy.start(places.s3), FaultProxy.start(places.sqs)]);
    const past = await AwsWorkspace.make(places);
    const through = { s3: s3.url, sqs: sqs.url, sts: places.s3, stack: past.stack };
    return new FaultyAws(await AwsWorkspace.make({ ...through, ...more }), past, s3, sqs);
  }

  async remove(): Promise<void> {
    await this.workspace.remove();
    await this.past.remove();
    await Promise.all([this.s3.close(), this.sqs.close()]);
  }
}
