import { mkdirSync } from 'node:fs';
import { createQueues } from '../../src/adapters/aws/sqs-queue.ts';
import { randomId } from '../../src/lib/id.ts';
import { KEYS, signWithAnyKeys } from './aws-keys.ts';
import { Workspace } from './workspace.ts';

export interface AwsPlaces {
  /** An S3 that is right about create-if-absent, and STS: moto. */
  readonly s3: string;
  /** An SQS that is right about leases: fauxqs. */
  readonly sqs: string;
  readonly simpledb?: string;
  readonly ledger?: Readonly<Record<string, unknown>>;
  /** In place of the S3 server's own; null: none is named, as with emulators that know no accounts. */
  readonly sts?: string | null;
  /** The account that the profile names; the emulators' unless given. */
  readonly account?: string;
  /** Further fields of the profile. */
  readonly profile?: Readonly<Record<string, unknown>>;
  /** What these processes need besides: the ledger's password. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether workers run in this process: for tests that don't depend on when a lease ends. */
  readonly worksHere?: boolean;
  /** Of a workspace on the same bucket and queues, by another way. */
  readonly stack?: string;
}

/** Seconds: short, and long enough for heartbeats through an emulator on a busy machine. */
export const AWS_LEASE = 5;

/** The account that moto answers for. */
export const ACCOUNT = '123456789012';

/** A directory with a profile `lab` on emulators, in which the built program runs. */
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

  /** With a bucket and queues of its own. */
  static async make({ s3, sqs, simpledb, ledger, env = {}, ...known }: AwsPlaces): Promise<AwsWorkspace> {
    const { sts = s3, account = ACCOUNT } = known;
    const stack = known.stack ?? `lab-${randomId(6)}`;
    const { worksHere = false } = known;
    const made = new AwsWorkspace(stack, { BATCHCTL_PROFILE: 'lab', ...KEYS, ...env }, worksHere);
    mkdirSync(made.path('tmp'));
    if (known.stack === undefined) {
      signWithAnyKeys();
      const answer = await fetch(`${s3}/${stack}`, { method: 'PUT' });
      if (!answer.ok) throw new Error(`the bucket ${stack} was not made: ${answer.status} ${await answer.text()}`);
      const clients = { region: 'us-east-1', profile: null, account: null, endpoints: { sqs }, env: {} };
      await createQueues({ clients, group: 'default', name: `${stack}-default`, leaseSeconds: AWS_LEASE });
    }
    made.write('batchctl.config.json', {
      profile: 'lab',
      profiles: {
        lab: {
          ...{ backend: 'aws', region: 'us-east-1', account, stack },
          bucket: { name: stack, prefix: 'batchctl/' },
          endpoints: { s3, sqs, ...(sts !== null && { sts }), ...(simpledb !== undefined && { simpledb }) },
          groups: { default: { visibility: '30s', slots: 2 } },
          ...(ledger !== undefined && { ledger }),
          ...known.profile,
        },
      },
    });
    return made;
  }

  /** `run` and `rehearse` have workers in processes of their own. */
  protected override worksHere([verb]: readonly string[]): boolean {
    return verb === 'worker' && this.#worksHere;
  }

  protected override environmentOf(): Readonly<Record<string, string>> {
    return { ...this.#env, BATCHCTL_TEST_LEASE_SECONDS: String(AWS_LEASE), TMPDIR: this.path('tmp') };
  }
}
