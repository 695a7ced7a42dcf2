/** The parts of a stack, which different people may have the right to make. */
export const STACK_PARTS = ['data', 'iam', 'grid', 'manager'] as const;
export type StackPart = (typeof STACK_PARTS)[number];

export type ResourceState =
  | { readonly state: 'absent' }
  /** `notes`: deviations from the configuration that a person chose, which are kept. */
  | { readonly state: 'asItShould'; readonly notes?: readonly string[] }
  /** It exists, and is ours to update. `newer`: a newer image that `up` would also use; alone it isn't drift. */
  | { readonly state: 'differs'; readonly differences: readonly string[]; readonly newer?: readonly string[] }
  /** It exists, and has another owner: what it lacks is reported with the fix, and never changed. */
  | { readonly state: 'lacks'; readonly lacks: readonly MissingItem[] }
  /** Can't be known before it is opened. `notes`: how it is opened. */
  | { readonly state: 'unknown'; readonly notes: readonly string[] };

export const stateFromDifferences = (differences: readonly string[]): ResourceState =>
  differences.length === 0 ? { state: 'asItShould' } : { state: 'differs', differences };

export interface MissingItem {
  readonly what: string;
  readonly fix: string;
}

export const KINDS = [
  ...['bucket', 'queue', 'domain', 'tables', 'role', 'profile', 'release', 'securityGroup', 'launchTemplate'],
  ...['group', 'address'],
] as const;
/**
 * `profile` is an instance profile, `group` an Auto Scaling group, `address` an Elastic IP, `release` the workers'
 * bundle.
 */
export type Kind = (typeof KINDS)[number];

export interface KeptReason {
  readonly why: string;
}

/** Names of users that a reason lists. */
const USERS_SHOWN = 3;

/** `users`: what uses the resource, with its article; at least one. */
export function inUse(users: readonly string[]): KeptReason {
  const more = users.length - USERS_SHOWN;
  const shown = users.slice(0, USERS_SHOWN).join(', ');
  return { why: `in use by ${shown}${more > 0 ? ` and ${more} more` : ''}` };
}

/** `kept`: it holds data, is in use, or belongs to someone else. `left`: it should have been removed, and wasn't. */
export type Outcome = 'removed' | 'kept' | 'left';

export interface RemovalOptions {
  /** True: also removes what holds data. */
  readonly deleteData: boolean;
  /** True: ends instances at once, whatever they run. */
  readonly force: boolean;
  /** The outcome of another resource that was handled before this one; null if it didn't exist, or is still to come. */
  readonly outcomeOf: (kind: Kind, name: string) => Outcome | null;
  /** Called with further information for the person: a sentence without its full stop. */
  readonly note: (text: string) => void;
}

export interface Resource {
  readonly part: StackPart;
  readonly kind: Kind;
  readonly name: string;
  /** The worker group that it belongs to, and is removed with; undefined if it belongs to the whole stack. */
  readonly group?: string;
  /** Looks without changing anything. Throws `refused` if another owner has it and it isn't configured as existing. */
  look(): Promise<ResourceState>;
  /** Creates or updates it. May be interrupted after any call, and repeated. */
  apply(): Promise<void>;
  /**
   * Removes it, if it is the stack's own; a missing one counts as removed. Returns what stays, null if nothing does: an
   * existing resource, another owner's, or one that holds data. May be interrupted after any call, and repeated.
   */
  remove(how: RemovalOptions): Promise<KeptReason | null>;
}
