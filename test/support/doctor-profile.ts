import { readFileSync } from 'node:fs';
import { S3 } from '@aws-sdk/client-s3';
import { SQS } from '@aws-sdk/client-sqs';
import { expect } from 'chai';
import { createQueues } from '../../src/adapters/aws/sqs-queue.ts';
import { AwsWorkspace } from './aws-workspace.ts';
import { clientConfig } from './grid/account-clients.ts';
import { FaultProxy } from './servers/fault-proxy.ts';
import type { Endpoint } from './servers/shared.ts';
import type { Ended } from './workspace.ts';

/** A line of `doctor --json`. */
interface DoctorLine {
  readonly code: string;
  readonly severity: 'pass' | 'warn' | 'fail';
  readonly message: string;
  readonly fix: string | null;
}

interface Examination extends Ended {
  readonly seconds: number;
  readonly lines: readonly DoctorLine[];
  /** The lines of checks that did not pass. */
  readonly problems: readonly DoctorLine[];
  /** The problems as `bucket fail`. */
  readonly names: readonly string[];
  /** The first line of a check. */
  of(check: string): DoctorLine;
}

/** A rule that removes unfinished uploads. */
const ABORT =
  '<Rule><ID>abort</ID><Filter><Prefix></Prefix></Filter><Status>Enabled</Status><AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>';

/** A profile on emulators for which all checks pass, until a test breaks something. */
export class DoctorProfile {
  readonly workspace: AwsWorkspace;
  /** The proxy in front of S3 and STS. */
  readonly proxy: FaultProxy;
  /** The profile, which a test may change before `examine`. */
  readonly profile: Record<string, unknown>;
  readonly #moto: Endpoint;
  readonly #sqs: Endpoint;

  private constructor(workspace: AwsWorkspace, proxy: FaultProxy, moto: Endpoint, sqs: Endpoint) {
    this.workspace = workspace;
    this.proxy = proxy;
    this.#moto = moto;
    this.#sqs = sqs;
    this.profile = JSON.parse(readFileSync(workspace.path('batchctl.config.json'), 'utf8')).profiles.lab;
    this.profile.endpoints = { s3: proxy.url, sqs: sqs.url, sts: proxy.url };
    this.profile.groups = { default: { visibility: '30s' } };
  }

  static async make(moto: Endpoint, sqs: Endpoint): Promise<DoctorProfile> {
    const workspace = await AwsWorkspace.make({ s3: moto.url, sqs: sqs.url });
    const doctor = new DoctorProfile(workspace, await FaultProxy.start(moto.url), moto, sqs);
    await doctor.setAttributes(`${workspace.stack}-default`, { VisibilityTimeout: '30' });
    const s3 = new S3({ ...clientConfig(moto), forcePathStyle: true });
    await s3.putPublicAccessBlock({
      Bucket: workspace.stack,
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        IgnorePublicAcls: true,
        BlockPublicPolicy: true,
        RestrictPublicBuckets: true,
      },
    });
    s3.destroy();
    await doctor.lifecycle('');
    return doctor;
  }

  /** Sets the bucket's lifecycle rules; by default one removes unfinished uploads. */
  async lifecycle(more: string, abort = ABORT): Promise<void> {
    const body = `<LifecycleConfiguration>${abort}${more}</LifecycleConfiguration>`;
    const answer = await fetch(`${this.#moto.url}/${this.workspace.stack}?lifecycle`, { method: 'PUT', body });
    if (!answer.ok) throw new Error(`lifecycle: ${answer.status} ${await answer.text()}`);
  }

  /** Creates queues of another stack, which `change` changes, and uses them. */
  async queues(change: (name: string) => Promise<void>): Promise<void> {
    const stack = `${this.workspace.stack}x`;
    const clients = { region: 'us-east-1', profile: null, account: null, endpoints: { sqs: this.#sqs.url }, env: {} };
    await createQueues({ clients, group: 'default', name: `${stack}-default`, leaseSeconds: 30 });
    await change(`${stack}-default`);
    this.profile.stack = stack;
  }

  async setAttributes(name: string, attributes: Readonly<Record<string, string>>): Promise<void> {
    const sqs = new SQS(clientConfig(this.#sqs));
    const { QueueUrl } = await sqs.getQueueUrl({ QueueName: name });
    await sqs.setQueueAttributes({ QueueUrl, Attributes: attributes });
    sqs.destroy();
  }

  /** Runs `doctor`. */
  async examine(env: Readonly<Record<string, string>> = {}): Promise<Examination> {
    this.workspace.write('batchctl.config.json', { profile: 'lab', profiles: { lab: this.profile } });
    const began = performance.now();
    const ended = await this.workspace.run(['doctor', '--json'], env);
    const seconds = (performance.now() - began) / 1_000;
    const written = ended.stdout.split('\n').filter((line) => line !== '');
    const lines = written.map((line) => JSON.parse(line) as DoctorLine);
    const unwell = lines.filter(({ severity }) => severity !== 'pass');
    const of = (check: string): DoctorLine => {
      const found = lines.find((line) => line.code === check);
      if (found === undefined) throw new Error(`no check ${check}: ${ended.stdout}${ended.stderr}`);
      return found;
    };
    return {
      ...ended,
      seconds,
      lines,
      problems: unwell,
      names: unwell.map(({ code, severity }) => `${code} ${severity}`),
      of,
    };
  }

  /** Runs `doctor`, and expects exactly these problems. Returns the first. */
  async finds(names: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<DoctorLine> {
    const found = await this.examine(env);
    expect(found.names, `${found.stdout}${found.stderr}`).to.deep.equal(names);
    expect(found.code).to.equal(names.some((name) => name.endsWith(' fail')) ? 3 : 0);
    const [first] = found.problems;
    if (first === undefined) throw new Error('all checks passed');
    expect(first.fix).to.be.a('string').and.not.equal('');
    return first;
  }

  async remove(): Promise<void> {
    await this.workspace.remove();
    await this.proxy.close();
  }
}
