import type { InferOutput } from 'valibot';
import type { bareGroup, profileSchemas } from './schema.ts';

/** Where and how jobs run: one profile of the configuration with all defaults, units resolved and paths absolute. */
export type Profile = LocalProfile | AwsProfile | ManagerProfile;

/** The embedded default: files, SQLite and worker processes of this machine. */
export type LocalProfile = Named<LocalFields>;

/** Names of the stack and the bucket are given or derived; `bucket.owner` is null if any account may own it. */
export type AwsProfile = Named<AwsFields> &
  Elsewhere & {
    readonly stack: string;
    readonly bucket: { readonly name: string };
  };

/** A manager used instead of AWS. */
export type ManagerProfile = Named<ManagerFields> & Elsewhere;

export type AwsGroup = Frozen<ReturnType<typeof bareGroup>>;

export type AwsLedger = AwsProfile['ledger'];

export type LedgerServer = Extract<AwsLedger, { readonly url: string }>;

export type CommandSettings = LocalProfile['groups'][string];

/** A profile as the schema returns it: with paths and names as written. */
export type ProfileFields = LocalFields | AwsFields | ManagerFields;
export type LocalFields = InferOutput<(typeof profileSchemas)['local']>;
export type AwsFields = InferOutput<(typeof profileSchemas)['aws']>;
export type ManagerFields = InferOutput<(typeof profileSchemas)['manager']>;

/** Nothing of the profile is in a directory of this machine. */
interface Elsewhere {
  readonly root: null;
}

type Named<Fields> = Frozen<Fields> & { readonly name: string };

type Frozen<T> = T extends readonly (infer Item)[]
  ? readonly Frozen<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Frozen<T[Key]> }
    : T;
