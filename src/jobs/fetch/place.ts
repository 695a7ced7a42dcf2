import type { OutputFile } from '../../model/output.ts';

/** A place that takes outputs, one file each, with a manifest and a marker: a directory, or a prefix of a bucket. */
export interface Place {
  /** As it was named. */
  readonly text: string;
  /** True when nothing at all is there. */
  isEmpty(): Promise<boolean>;
  /** The bytes of a small file; null if it isn't there. */
  read(name: string): Promise<Uint8Array | null>;
  /** Writes a small file, over what is there. */
  write(name: string, bytes: Uint8Array): Promise<void>;
  remove(name: string): Promise<void>;
  /** True when a file is there with that size and checksum. */
  holds(name: string, file: Pick<OutputFile, 'size' | 'checksum'>, signal: AbortSignal): Promise<boolean>;
  /** Puts a task's output there, whole, over what is there. Throws `proof` for an altered one. */
  put(name: string, task: number, file: OutputFile, signal: AbortSignal): Promise<void>;
}
