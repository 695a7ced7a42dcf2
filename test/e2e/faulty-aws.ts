import { AwsWorkspace, type AwsWorkspaceOptions } from '../support/aws-workspace.ts';
import { FaultProxy, type SeenRequest } from '../support/servers/fault-proxy.ts';

/** Whether a request changes something: PUT, POST and DELETE of S3, and all actions of SQS except Get and List. */
export function isWrite({ method, headers }: SeenRequest): boolean {
  const action = String(headers['x-amz-target'] ?? '');
  if (action.startsWith('AmazonSQS.')) return !/\.(Get|List)/.test(action);
  return !['GET', 'HEAD'].includes(method);
}

/** A workspace whose requests to S3 and SQS pass proxies that inject faults, and another without proxies. */
export class FaultyAws {
  /** With proxies, except for STS. */
  readonly workspace: AwsWorkspace;
  /** The same bucket and queues, without proxies. */
  readonly past: AwsWorkspace;
  readonly s3: FaultProxy;
  readonly sqs: FaultProxy;

  private constructor(workspace: AwsWorkspace, past: AwsWorkspace, s3: FaultProxy, sqs: FaultProxy) {
    this.workspace = workspace;
    this.past = past;
    this.s3 = s3;
    this.sqs = sqs;
  }

  /** `more` applies only to the workspace with proxies. */
  static async make(
    places: Pick<AwsWorkspaceOptions, 's3' | 'sqs'>,
    more: Omit<Partial<AwsWorkspaceOptions>, 's3' | 'sqs' | 'stack'> = {},
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
