/** Runs the work once: later calls get the same result. After an error, the next call tries again. */
export function once<T>(work: () => Promise<T>): () => Promise<T> {
  const made = new OnceMap<T>();
  return () => made.get('', work);
}

/** Values that are made once per name. If making one fails, the next caller tries again. */
export class OnceMap<T> {
  readonly #made = new Map<string, Promise<T>>();

  get(name: string, make: () => Promise<T>): Promise<T> {
    const known = this.#made.get(name);
    if (known !== undefined) return known;
    const making = make();
    this.#made.set(name, making);
    making.catch(() => this.#made.delete(name));
    return making;
  }

  takeAll(): readonly Promise<T>[] {
    const all = [...this.#made.values()];
    this.#made.clear();
    return all;
  }
}
