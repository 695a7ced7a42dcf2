/** The API that the manager and its clients share. */

import type { ListedGroup, ListedQueue, ListedWorker } from './answers/grid.ts';
import type { UpcomingFiring } from './answers/schedules.ts';
import type { JobStatus } from './answers/status.ts';
import type { GridBand } from './period-grid.ts';

export const API = '/api/v1';

/** Each side sends its version; a manager that can't serve the other's answers 426. */
export const VERSION_HEADER = 'x-batchctl-version';

/** With a JSON answer: the exit code that the verb would have had on the command line. */
export const EXIT_HEADER = 'x-batchctl-exit-code';

/** With an answer that is a finding: the error that it amounts to (`{"kind":"proof",...}`), as ASCII JSON. */
export const ERROR_HEADER = 'x-batchctl-error';

/** The verb's warnings, as an ASCII JSON list of texts. */
export const WARNINGS_HEADER = 'x-batchctl-warnings';

/** The stream of a verb's run to a command line: one `ValueFrame` per line. */
export const FRAMES_TYPE = 'application/x-ndjson';

/** The rights of a token's holder; each includes those before it. */
export const SCOPES = ['read', 'submit', 'operate'] as const;

export type Scope = (typeof SCOPES)[number];

export const hasScope = (held: Scope, needed: Scope): boolean => SCOPES.indexOf(held) >= SCOPES.indexOf(needed);

/** An error in the API and in `--json`. */
export interface ApiError {
  readonly kind: string;
  readonly message: string;
  readonly hint: string | null;
  /** The question for a person who may confirm it: the same call with `yes` then does it. */
  readonly question?: string;
  /** The manager is leaving: the same call may be made again, here or at its successor. */
  readonly again?: true;
}

/** A piece of a declared verb's run: an event, a notice or warning, a row of a list, the answer, and last its end. */
export type ValueFrame =
  | { readonly event: unknown }
  | { readonly notice: string }
  | { readonly warning: string }
  | { readonly row: unknown }
  | { readonly answer: unknown }
  | { readonly alive: true }
  | FrameEnd;

export interface FrameEnd {
  readonly exit: number;
  readonly error: ApiError | null;
  /** The `after` of the page that follows in a list; absent: the answer is complete. */
  readonly next?: string;
}

/** A page of a list: its rows unless the caller gives a `limit`, at most so many, and at most so many bytes and a row. */
export const PAGE = { rows: 1_000, most: 10_000, bytes: 8 * 2 ** 20 } as const;

/**
 * Whether a manager of version `own` serves a caller of version `other`: one of the same major version; before 1.0,
 * where a minor version may change anything, of the same minor version. False for a text that isn't a version.
 */
export function isVersionCompatible(own: string, other: string): boolean {
  const [mine, theirs] = [releaseLineOf(own), releaseLineOf(other)];
  return mine !== null && mine === theirs;
}

/** `0.1` for 0.1.7, `2` for 2.3.4: versions that understand each other. Null for a text that isn't a version. */
export function releaseLineOf(version: string): string | null {
  const match = /^(\d{1,6})\.(\d{1,6})\.\d{1,6}(?:[-+][0-9A-Za-z.+-]{1,64})?$/.exec(version);
  if (match?.[1] === undefined) return null;
  return Number(match[1]) === 0 ? `0.${Number(match[2])}` : String(Number(match[1]));
}

/** The request to put raw data or code, by `/uploads`. A test compares these types with the API's document. */
export interface UploadAsked {
  readonly key: string;
  readonly size: number;
  readonly sha256: string;
  /** True: never replaces another object. */
  readonly ifAbsent?: boolean;
}

export type UploadWay =
  | { readonly way: 'present'; readonly etag: string }
  | {
      readonly way: 'put';
      readonly url: string;
      readonly headers: Readonly<Record<string, string>>;
      /** True: the URL is the manager's own, and needs the token. */
      readonly token: boolean;
    }
  | { readonly way: 'parts'; readonly upload: string; readonly partSize: number };

export interface PartsAsked {
  readonly key: string;
  readonly upload: string;
  readonly parts: readonly { readonly number: number; readonly size: number; readonly sha256: string }[];
}

export interface PartUrls {
  readonly items: readonly {
    readonly number: number;
    readonly url: string;
    readonly headers: Readonly<Record<string, string>>;
  }[];
}

/** The request to complete an upload once all parts are there. */
export interface CompletionAsked {
  readonly key: string;
  readonly upload: string;
  readonly size: number;
  readonly ifAbsent?: boolean;
  readonly parts: readonly { readonly number: number; readonly etag: string; readonly sha256: string }[];
}

/** One page of the keys below a prefix, in order. */
export interface ObjectPage {
  readonly items: readonly {
    readonly key: string;
    readonly size: number;
    readonly etag: string;
    /** ISO-8601 UTC. */
    readonly modified: string;
  }[];
  /** The `after` of the next page; null: this is the last. */
  readonly next: string | null;
}

export interface Me {
  /** The token's name. */
  readonly name: string;
  readonly scope: Scope;
  readonly version: string;
  readonly profile: string;
  readonly location: string;
}

/** An event of `/events`: everything that is going on. */
export interface ApiOverview {
  /** The manager's clock at the update that found a change. */
  readonly now: string;
  /** The manager or tick that was active in the last 15 minutes. */
  readonly keeper: string | null;
  /** Open jobs, and those closed within a day: the newest 200. */
  readonly jobs: readonly JobStatus[];
  /** There are more of them. */
  readonly more: boolean;
  readonly workers: readonly ListedWorker[];
  readonly groups: readonly ListedGroup[];
  readonly queues: readonly ListedQueue[];
  readonly firings: readonly UpcomingFiring[];
  /** The unreadable sources: their fields are unchanged, or empty. */
  readonly troubles: readonly ApiError[];
}

/** The answer of `/periods`: the latest runs by job and period. */
export interface ApiPeriods {
  readonly bands: readonly GridBand[];
  /** Older runs exist that were not looked at. */
  readonly more: boolean;
  /** The unreadable items, which are left out. */
  readonly troubles: readonly ApiError[];
}
