/** The service that keeps a worker's secrets. Its errors contain the reference, never the value or a part of it. */
export interface SecretSource {
  /**
   * The current value of `ssm:NAME` or `secretsmanager:NAME[#json-key]`, not cached. Throws `notFound`, `credentials`
   * (denied: which action on what), `config` (not a text, no such key), all of which only a person can fix;
   * `unavailable` after all attempts, throttling included.
   */
  read(reference: string): Promise<string>;
}
