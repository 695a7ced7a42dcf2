/** Which part of a stack something belongs to: what one person may be allowed to make, and another not. */
export type Part = 'data';

/** What a look at something brought. */
export type Found =
  | { readonly state: 'absent' }
  | { readonly state: 'asItShould' }
  /** It is there, and ours to bring into line. */
  | { readonly state: 'differs'; readonly differences: readonly string[] }
  /** It is there, and somebody else's: what it lacks is said with what mends it, and never changed. */
  | { readonly state: 'lacks'; readonly lacks: readonly Lack[] }
  /** Nothing tells before it is opened. */
  | { readonly state: 'unknown' };

export interface Lack {
  readonly what: string;
  /** A command line that mends it. */
  readonly mend: string;
}

/** Something that a stack has in its account. */
export interface Resource {
  readonly part: Part;
  readonly kind: 'bucket' | 'queue' | 'domain' | 'tables';
  readonly name: string;
  /** Looks, and changes nothing. Throws `refused` for what was made by someone else and isn't said to be. */
  look(): Promise<Found>;
  /** Makes it, or brings it into line. May be cut off after any call, and made again. */
  apply(): Promise<void>;
}
