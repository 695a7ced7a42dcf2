/** What SimpleDB answers in place of a result: a code with its HTTP status (developer guide, API Error Codes). */
export class SdbError extends Error {
  readonly code: string;
  readonly status: number;

  constructor(code: string, status: number, message = code) {
    super(message);
    this.code = code;
    this.status = status;
  }
}
