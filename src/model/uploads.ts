/**
 * How raw data and code are put through the API (`/uploads`): what the manager and its client say to each other. The API's
 * document says the same, and a test compares the two as it is compiled.
 */

/** What is to be put. */
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
