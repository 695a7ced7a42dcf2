import { type BatchctlError, type ErrorKind, isKind } from '../../src/errors.ts';

/** The error with which the promise is rejected. Throws if it resolves, or is rejected with something else. */
export async function rejection(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return error;
    throw new TypeError(`rejected with ${String(error)}, expected an error`);
  }
  throw new Error('expected a rejection, but it resolved');
}

/** The error with which the promise is rejected. Throws unless it is an error of this kind. */
export async function failsWith(kind: ErrorKind, promise: Promise<unknown>): Promise<BatchctlError> {
  const error = await rejection(promise);
  if (isKind(error, kind)) return error;
  throw new Error(`expected an error of kind ${kind}`, { cause: error });
}
