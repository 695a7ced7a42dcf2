/** Undoes at its end what a test did, the last step first. For `forEachTest` and `forSuite`. */
export class Cleanup {
  readonly #steps: (() => unknown)[] = [];

  defer(step: () => unknown): void {
    this.#steps.push(step);
  }

  use<T extends { close(): unknown }>(resource: T): T {
    this.defer(() => resource.close());
    return resource;
  }

  replace<T extends object, Key extends keyof T>(object: T, key: Key, value: T[Key]): void {
    const before = object[key];
    this.defer(() => {
      object[key] = before;
    });
    object[key] = value;
  }

  setEnv(variables: Readonly<Record<string, string>>): void {
    this.replace(process, 'env', { ...process.env, ...variables });
  }

  async close(): Promise<void> {
    for (const step of this.#steps.splice(0).reverse()) await step();
  }
}
