import { mkdirSync } from 'node:fs';
import { createQueues } from '../../src/adapters/aws/sqs-queue.ts';
import { randomId } from '../../src/lib/id.ts';
import { KEYS, useTestKeys } from './aws-keys.ts';
import { Workspace } from './workspace.ts';

export interface AwsWorkspaceOptions {
  /** moto: an S3 that implements create-if-absent correctly, and STS. */
  readonly s3: string;
  /** fauxqs: an SQS that implements leases correctly. */
  readonly sqs: string;
  readonly simpledb?: string;
  readonly ledger?: Readonly<Record<string, unknown>>;
  /** Another STS than that of the S3 server; null: none, for emulators without accounts. */
  readonly sts?: string | null;
  /** The account in the profile; by default the emulators'. */
  readonly account?: string;
  /** Further fields of the profile. */
  readonly profile?: Readonly<Record<string, unknown>>;
  /** Additional environment of its processes, such as the ledger's password. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether workers run in this process: for tests that don't depend on when a lease expires. */
  readonly worksHere?: boolean;
  /** The stack of another workspace, whose bucket and queues this one uses through other endpoints. */
  readonly stack?: string;
}

/** Seconds: short, but long enough for heartbeats through an emulator on a busy machine. */
export const AWS_LEASE_SECONDS = 5;

/** The account that moto answers for. */
export const ACCOUNT = '123456789012';

/** A directory with a profile `lab` on emulators. */
export class AwsWorkspace extends Workspace {
  readonly stack: string;
  readonly #worksHere: boolean;
  readonly #env: Readonly<Record<string, string>>;

  private constructor(stack: string, env: Readonly<Record<string, string>>, worksHere: boolean) {
    super();
    this.#worksHere = worksHere;
    this.stack = stack;
    this.#env = env;
  }

  /** By default with a bucket and queues of its own. */
  static async make({ s3, sqs, simpledb, ledger, env = {}, ...options }: AwsWorkspaceOptions): Promise<AwsWorkspace> {
    const { sts = s3, account = ACCOUNT, stack = `lab-${randomId(6)}`, worksHere = false } = options;
    const workspace = new AwsWorkspace(stack, { BATCHCTL_PROFILE: 'lab', ...KEYS, ...env }, worksHere);
    mkdirSync(workspace.path('tmp'));
    if (options.stack === undefined) {
      useTestKeys();
      const answer = await fetch(`${s3}/${stack}`, { method: 'PUT' });
      if (!answer.ok) throw new Error(`the bucket ${stack} was not created: ${answer.status} ${await answer.text()}`);
      const clients = { region: 'us-east-1', profile: null, account: null, endpoints: { sqs }, env: {} };
      await createQueues({ clients, group: 'default', name: `${stack}-default`, leaseSeconds: AWS_LEASE_SECONDS });
    }
    workspace.write('batchctl.config.json', {
      profile: 'lab',
      profiles: {
        lab: {
          backend: 'aws',
          region: 'us-east-1',
          account,
          stack,
          bucket: { name: stack, prefix: 'batchctl/' },
          endpoints: { s3, sqs, ...(sts !== null && { sts }), ...(simpledb !== undefined && { simpledb }) },
          groups: { default: { visibility: '30s', slots: 2 } },
          ...(ledger !== undefined && { ledger }),
          ...options.profile,
        },
      },
    });
    return workspace;
  }

  /** The workers of `run` and `rehearse` always have processes of their own. */
  protected override worksHere([verb]: readonly string[]): boolean {
    return verb === 'worker' && this.#worksHere;
  }

  protected override environmentOf(): Readonly<Record<string, string>> {
    return { ...this.#env, BATCHCTL_TEST_LEASE_SECONDS: String(AWS_LEASE_SECONDS), TMPDIR: this.path('tmp') };
  }
}
