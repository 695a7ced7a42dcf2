/** Which part of a stack something belongs to: what one person may be allowed to make, and another not. */
export const PARTS = ['data', 'iam', 'grid', 'manager'] as const;
export type Part = (typeof PARTS)[number];

/** What a look at something brought. */
export type Found =
  | { readonly state: 'absent' }
  /** `notes`: what a person chose otherwise than the configuration, and is left so. */
  | { readonly state: 'asItShould'; readonly notes?: readonly string[] }
  /**
   * It is there, and ours to bring into line. `newer`: what `up` would take besides, though nothing drifted: a newer
   * image. With `newer` alone it is no drift.
   */
  | { readonly state: 'differs'; readonly differences: readonly string[]; readonly newer?: readonly string[] }
  /** It is there, and somebody else's: what it lacks is said with what mends it, and never changed. */
  | { readonly state: 'lacks'; readonly lacks: readonly Lack[] }
  /** Nothing tells before it is opened. */
  | { readonly state: 'unknown' };

export interface Lack {
  readonly what: string;
  /** A command line that mends it. */
  readonly mend: string;
}

export const KINDS = [
  ...['bucket', 'queue', 'domain', 'tables', 'role', 'profile', 'release', 'securityGroup', 'launchTemplate'],
  ...['group', 'address'],
] as const;
/** `profile` is an instance profile, `group` an Auto Scaling group, `address` an Elastic IP, `release` the workers' bundle. */
export type Kind = (typeof KINDS)[number];

/** What a removal left, and why. */
export interface Left {
  readonly why: string;
}

/** How a removal goes about it. */
export interface Removal {
  /** True: what holds data goes too. */
  readonly deleteData: boolean;
  /** True: instances go at once, whatever they run. */
  readonly force: boolean;
  /** Is told what else a person should know: a sentence without its end. */
  readonly note: (text: string) => void;
}

/** Something that a stack has in its account. */
export interface Resource {
  readonly part: Part;
  readonly kind: Kind;
  readonly name: string;
  /** The worker group that it is for, and goes with; undefined where it is the whole stack's. */
  readonly group?: string;
  /** Looks, and changes nothing. Throws `refused` for what was made by someone else and isn't said to be. */
  look(): Promise<Found>;
  /** Makes it, or brings it into line. May be cut off after any call, and made again. */
  apply(): Promise<void>;
  /**
   * Removes it, if it is the stack's own; absent is as good as removed. Answers what stays, null if nothing does: what
   * is existing, somebody else's, or holds data. May be cut off after any call, and done again.
   */
  remove(how: Removal): Promise<Left | null>;
}
