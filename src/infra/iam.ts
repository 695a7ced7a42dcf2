import type * as sdk from '@aws-sdk/client-iam';
import type { IAMClient } from '@aws-sdk/client-iam';
import type { AwsClients } from '../adapters/aws/clients.ts';
import { nullOnError, translateErrors } from '../adapters/aws/errors.ts';
import type { AwsProfile } from '../config/load-config.ts';
import { BatchctlError } from '../errors.ts';
import { ownerHint } from './owner.ts';

export class IamAccess {
  readonly #clients: AwsClients;
  readonly #kind: 'role' | 'profile';
  readonly #name: string;

  constructor(clients: AwsClients, { kind, name }: { readonly kind: 'role' | 'profile'; readonly name: string }) {
    this.#clients = clients;
    this.#kind = kind;
    this.#name = name;
  }

  open(): Promise<readonly [typeof sdk, IAMClient]> {
    return Promise.all([import('@aws-sdk/client-iam'), this.#clients.iam()]);
  }

  get what(): string {
    return `the ${this.#kind === 'role' ? 'role' : 'instance profile'} ${this.#name}`;
  }

  /** Null if it doesn't exist in IAM. */
  nullIfMissing<T>(answer: Promise<T>): Promise<T | null> {
    return nullOnError(answer, /^NoSuchEntity/);
  }

  ownerError(owner: string, profile: AwsProfile): BatchctlError {
    const field = this.#name.endsWith('-manager') ? 'managerProfile' : 'workerProfile';
    return new BatchctlError('refused', `${this.what} exists, and ${owner}`, {
      hint: ownerHint(profile, `, or your own instance profile: "iam": { "${field}": "..." }`),
    });
  }

  translated<T>(verb: string, action: string, work: () => Promise<T>): Promise<T> {
    const resource = `${this.#kind === 'role' ? 'role' : 'instance-profile'}/${this.#name}`;
    return translateErrors({ what: `${verb} ${this.what}`, action, resource, profile: this.#clients.profile }, work);
  }
}
