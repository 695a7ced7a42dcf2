/** Values opened once per name. If opening fails, the next caller tries again. */
export class Opened<T extends { close(): Promise<void> }> {
  readonly #open: (name: string) => Promise<T>;
  readonly #known = new Map<string, Promise<T>>();

  constructor(open: (name: string) => Promise<T>) {
    this.#open = open;
  }

  get(name: string): Promise<T> {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const opening = this.#open(name);
    this.#known.set(name, opening);
    opening.catch(() => this.#known.delete(name));
    return opening;
  }

  /** Closes what is open, and waits for what is being opened. */
  async close(): Promise<void> {
    const known = [...this.#known.values()];
    this.#known.clear();
    await Promise.all(
      known.map(async (opening) => {
        // The error was already reported to the caller.
        const open = await opening.catch(() => null);
        await open?.close();
      }),
    );
  }
}
