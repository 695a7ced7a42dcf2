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
