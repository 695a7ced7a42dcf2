import type { Readable } from 'node:stream';
import { BatchctlError } from '../../errors.ts';

export type Compression = 'gzip' | 'zstd' | null;

/** Where an input's bytes come from, while it is being cut. */
export interface SplitSource {
  /** The input's number in the job. */
  readonly index: number;
  /** For people. */
  readonly name: string;
  /** Bytes as stored; null for a pipe, which ends when it ends. */
  readonly size: number | null;
  /** By the first bytes, never by the name. */
  readonly compression: Compression;
  /** Bytes at random; null for a pipe. */
  readonly random: RandomAccess | null;
  /** All bytes as stored, from the first. A pipe can be read once. */
  stream(signal?: AbortSignal): Readable;
  /** Throws `changed` if the input is no longer what it was when it was opened. */
  check(): Promise<void>;
  close(): Promise<void>;
}

export interface RandomAccess {
  /** True where each read costs a request, so that reading all is better done as a stream. */
  readonly remote: boolean;
  /** Fills the buffer from `offset`; answers with how many bytes there were: fewer only at the end. */
  readAt(offset: number, buffer: Buffer): number | Promise<number>;
  /** Ranges that will soon be asked for, so that requests can overlap. */
  ahead?(ranges: readonly { readonly offset: number; readonly length: number }[]): void;
}

/** The compression that the first bytes of an input tell. */
export function detectCompression(head: Uint8Array): Compression {
  if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
  if (head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd) return 'zstd';
  // A skippable frame, with which pzstd begins.
  if (((head[0] ?? 0) & 0xf0) === 0x50 && head[1] === 0x2a && head[2] === 0x4d && head[3] === 0x18) return 'zstd';
  return null;
}

/** The error for an input that isn't what it was. */
export function changedInput(name: string, what: string, cause?: unknown): BatchctlError {
  return new BatchctlError('changed', `${name} has changed since it was opened for this job: ${what}`, {
    hint: 'submit the job again when nothing writes to the file any more',
    ...(cause === undefined ? {} : { cause }),
  });
}

/** `readAt` that wants all of the range; less is a changed input. */
export async function readFully(name: string, access: RandomAccess, offset: number, buffer: Buffer): Promise<Buffer> {
  const got = await access.readAt(offset, buffer);
  if (got < buffer.length) throw changedInput(name, `it ends at byte ${offset + got}`);
  return buffer;
}
