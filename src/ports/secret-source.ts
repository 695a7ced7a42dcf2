/**
 * Where a worker gets the secrets that are kept by a service. Whatever it throws names the reference, and never the
 * value or a part of it.
 */
export interface SecretSource {
  /**
   * The value of `ssm:NAME` or `secretsmanager:NAME[#json-key]`, as it is now: nothing is kept.
   * Throws `notFound`, `credentials` (denied: which action on what), `config` (not a text, no such key), all of which
   * only a person can mend; `unavailable` after all attempts, throttles among them.
   */
  read(reference: string): Promise<string>;
}
