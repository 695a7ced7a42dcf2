import { type BatchctlError, type ErrorKind, isKind } from '../../src/errors.ts';

/** What the promise is rejected with; fails when it is not, or not with an error. */
export async function rejection(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return error;
    throw new TypeError(`rejected with ${String(error)}, which is no error`);
  }
  throw new Error('expected a rejection, but it resolved');
}

/** What it is rejected with; fails unless that is an error of a kind. */
export async function failsWith(kind: ErrorKind, promise: Promise<unknown>): Promise<BatchctlError> {
  const error = await rejection(promise);
  if (isKind(error, kind)) return error;
  throw new Error(`expected an error of kind ${kind}`, { cause: error });
}
