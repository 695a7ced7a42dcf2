/**
 * A priority queue of events by time, as a binary heap. Events of equal time come out in the order they were put in.
 */
export class Agenda<T> {
  readonly #entries: { readonly at: number; readonly order: number; readonly what: T }[] = [];
  #order = 0;

  get next(): number {
    return this.#entries[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  put(at: number, what: T): void {
    const entries = this.#entries;
    const entry = { at, order: this.#order, what };
    this.#order += 1;
    let hole = entries.length;
    entries.push(entry);
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      const above = entries[parent];
      if (above === undefined || isBefore(above, entry)) break;
      entries[hole] = above;
      hole = parent;
    }
    entries[hole] = entry;
  }

  take(): { readonly at: number; readonly what: T } | null {
    const entries = this.#entries;
    const top = entries[0];
    const last = entries.pop();
    if (top === undefined || last === undefined) return null;
    if (entries.length === 0) return top;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      const [left, right] = [entries[child], entries[child + 1]];
      if (left === undefined) break;
      if (right !== undefined && isBefore(right, left)) child += 1;
      const least = child % 2 === 0 && right !== undefined ? right : left;
      if (isBefore(last, least)) break;
      entries[hole] = least;
      hole = child;
    }
    entries[hole] = last;
    return top;
  }
}

interface Entry {
  readonly at: number;
  readonly order: number;
}

const isBefore = (a: Entry, b: Entry): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);
