/** Something to wait for that happens again and again. */
export class Gate {
  #open: () => void = () => undefined;
  #next: Promise<void> = this.#renew();

  /** Resolves the next time that `open` is called. */
  next(): Promise<void> {
    return this.#next;
  }

  /** Lets everyone pass who waits now. */
  open(): void {
    this.#open();
    this.#next = this.#renew();
  }

  #renew(): Promise<void> {
    return new Promise((resolve) => {
      this.#open = resolve;
    });
  }
}
