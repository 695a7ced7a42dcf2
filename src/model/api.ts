/** What the manager and those who ask it agree on. */

export const API = '/api/v1';

/** Each side tells its version; a manager that can't serve another's answers 426. */
export const VERSION_HEADER = 'x-batchctl-version';

/** The exit code that the verb would have had on the command line, beside a JSON answer. */
export const EXIT_HEADER = 'x-batchctl-exit-code';

/** Beside an answer that stands: the error that says what it comes to (`{"kind":"proof",...}`), as ASCII JSON. */
export const ERROR_HEADER = 'x-batchctl-error';

/** What the verb warned of, as an ASCII JSON list of texts. */
export const WARNINGS_HEADER = 'x-batchctl-warnings';

/** How a verb's run is streamed to a command line: one `Frame` a line. */
export const FRAMES_TYPE = 'application/x-ndjson';

/** What a token lets its holder do; each includes those before it. */
export const SCOPES = ['read', 'submit', 'operate'] as const;

export type Scope = (typeof SCOPES)[number];

export const covers = (held: Scope, needed: Scope): boolean => SCOPES.indexOf(held) >= SCOPES.indexOf(needed);

/** What goes wrong, as the API and `--json` tell it. */
export interface ApiError {
  readonly kind: string;
  readonly message: string;
  readonly hint: string | null;
  /** What to ask a person who may confirm it: the same call with `yes` then does it. */
  readonly question?: string;
}

/** A piece of a verb's run: what it printed (UTF-8 text), that it is still there, or how it ended. */
export type Frame = { readonly out: string } | { readonly err: string } | { readonly alive: true } | FrameEnd;

/** A piece of a declared verb's run: what it reports, a row of a list, its answer, and last how it ended. */
export type ValueFrame =
  | { readonly event: unknown }
  | { readonly notice: string }
  | { readonly warning: string }
  | { readonly row: unknown }
  | { readonly answer: unknown }
  | { readonly alive: true }
  | FrameEnd;

export type FrameEnd = { readonly exit: number; readonly error: ApiError | null };

/**
 * Whether a manager of version `own` serves a caller of version `other`: one of the same major version; before 1.0, where a
 * minor version may change anything, one of the same minor. A text that is no version is not served.
 */
export function isServed(own: string, other: string): boolean {
  const [mine, theirs] = [lineOf(own), lineOf(other)];
  return mine !== null && mine === theirs;
}

/** `0.1` of 0.1.7, `2` of 2.3.4: versions that understand each other. Null for what is no version. */
export function lineOf(version: string): string | null {
  const match = /^(\d{1,6})\.(\d{1,6})\.\d{1,6}(?:[-+][0-9A-Za-z.+-]{1,64})?$/.exec(version);
  if (match?.[1] === undefined) return null;
  return Number(match[1]) === 0 ? `0.${Number(match[2])}` : String(Number(match[1]));
}

/** What is to be put, raw data or code, by `/uploads`. A test compares these types with the API's document as it is compiled. */
export interface UploadAsked {
  readonly key: string;
  readonly size: number;
  readonly sha256: string;
  /** True: never in place of another object. */
  readonly ifAbsent?: boolean;
}

/** How. */
export type UploadWay =
  | { readonly way: 'present'; readonly etag: string }
  | {
      readonly way: 'put';
      readonly url: string;
      readonly headers: Readonly<Record<string, string>>;
      /** True: the URL is the manager's own, and wants the token. */
      readonly token: boolean;
    }
  | { readonly way: 'parts'; readonly upload: string; readonly partSize: number };

/** Parts that want a URL. */
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

/** All parts are there. */
export interface CompletionAsked {
  readonly key: string;
  readonly upload: string;
  readonly size: number;
  readonly ifAbsent?: boolean;
  readonly parts: readonly { readonly number: number; readonly etag: string; readonly sha256: string }[];
}
