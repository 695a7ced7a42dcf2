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

/** The same for values that are to be closed. */
export class OpenMap<T extends { close(): Promise<void> }> {
  readonly #open: (name: string) => Promise<T>;
  readonly #made = new OnceMap<T>();

  constructor(open: (name: string) => Promise<T>) {
    this.#open = open;
  }

  get(name: string): Promise<T> {
    return this.#made.get(name, () => this.#open(name));
  }

  async close(): Promise<void> {
    await Promise.all(
      this.#made.takeAll().map(async (opening) => {
        // The error was already reported to the caller.
        const open = await opening.catch(() => null);
        await open?.close();
      }),
    );
  }
}
