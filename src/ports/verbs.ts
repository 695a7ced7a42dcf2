import type { PartSizesJson } from '../model/forecast/part-sizes.ts';
import type { JobInput } from '../model/job.ts';

/** A command line's request to a manager. */
export interface VerbRequest {
  readonly name: string;
  /** Values by the names of the verb's `input`. */
  readonly input: Readonly<Record<string, unknown>>;
  readonly dryRun: boolean;
  /** True: the caller has confirmed what the verb would ask before it destroys anything. */
  readonly yes: boolean;
  /** An IANA zone; null: the profile's. */
  readonly tz: string | null;
  readonly attachments: Attachments | null;
}

/** The data that a command line sends with a verb, because its files aren't on the manager's machine. */
export interface Attachments {
  /** The job file that the verb names: its spec, and the hash of its files, which were put before. */
  readonly jobFile: { readonly path: string; readonly spec: unknown; readonly code: string | null } | null;
  /** Local inputs that were put into the store before: the requested name, and the location. */
  readonly inputs: readonly AttachedInput[];
  /** The entries that the local inputs and files leave out, a line each; the command line has warned of them. */
  readonly leftOut?: readonly string[];
  /** The content of small text files that options name (`--holidays`), by their paths as given. */
  readonly texts?: Readonly<Record<string, string>>;
  /** For a plan only, for which nothing was put: the result of the caller's own splitting. */
  readonly planned?: AttachedPlan | null;
}

export interface AttachedPlan {
  readonly files: readonly string[];
  /** The answer of `filesInArchive` about them; absent for a plan, which changes none. */
  readonly hashes?: Readonly<Record<string, string>>;
  /** Null: no input is local, and the manager splits them itself. */
  readonly cut: {
    readonly parts: number;
    readonly records: number | null;
    readonly inputs: readonly JobInput[];
    /** Bytes of pieces that would be stored. */
    readonly pieces: number;
    readonly sizes: PartSizesJson;
  } | null;
}

export interface AttachedInput {
  /** As in the job file or `--input`: a path, a pattern, a directory. */
  readonly asked: string;
  /** The name of one matching file. */
  readonly name: string;
  readonly key: string;
  /** `sha256:...` */
  readonly checksum: string;
  /** Bytes. */
  readonly size: number;
}
