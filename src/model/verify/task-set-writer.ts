/** Writes a set of tasks as text, `0-4,17`, while its numbers come in ascending order; memory is that of the text. */
export class TaskSetWriter {
  readonly #pieces: string[] = [];
  #from = -1;
  #to = -1;

  add(n: number): void {
    if (n === this.#to + 1 && this.#from >= 0) {
      this.#to = n;
      return;
    }
    this.#flush();
    this.#from = n;
    this.#to = n;
  }

  /** The set. Nothing may be added after it. */
  text(): string {
    this.#flush();
    this.#from = -1;
    return this.#pieces.join(',');
  }

  #flush(): void {
    if (this.#from >= 0) this.#pieces.push(this.#from === this.#to ? `${this.#from}` : `${this.#from}-${this.#to}`);
  }
}
