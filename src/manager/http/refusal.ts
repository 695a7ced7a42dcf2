import { BatchctlError, type ErrorKind } from '../../errors.ts';

/** An error with an HTTP status of its own, whatever its kind, and with headers. */
export class Refusal extends BatchctlError {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    statusCode: number,
    kind: ErrorKind,
    message: string,
    { hint, headers = {} }: { readonly hint?: string; readonly headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(kind, message, hint === undefined ? {} : { hint });
    this.statusCode = statusCode;
    this.headers = headers;
  }
}
