import type { KeeperMark } from './keeper.ts';

/** Something that could not be done, while all else went on. */
export interface Trouble {
  /** What it is about: a job, a schedule, a group. */
  readonly about: string;
  readonly error: unknown;
  /** False: the same was told within the hour. */
  readonly news: boolean;
}

/** A trouble that lasts is told again after this: keepers come by each minute, and more often. */
const TELL_AGAIN_MS = 3_600_000;

/** What went wrong in a round, and what of it was told lately. */
export class Troubles {
  readonly #all: Trouble[] = [];
  readonly #told: KeeperMark['told'];
  readonly #now: number;
  readonly #onTrouble: ((trouble: Trouble) => void) | undefined;

  /** `told`: of the round before, each trouble with when it was told. `onTrouble` hears of each as it is added. */
  constructor(told: KeeperMark['told'], now: number, onTrouble?: (trouble: Trouble) => void) {
    this.#told = told;
    this.#now = now;
    this.#onTrouble = onTrouble;
  }

  add(about: string, error: unknown): void {
    const told = this.#told[textOf(about, error)];
    const news = told === undefined || this.#now - Date.parse(told) >= TELL_AGAIN_MS;
    const trouble = { about, error, news };
    this.#all.push(trouble);
    this.#onTrouble?.(trouble);
  }

  get all(): readonly Trouble[] {
    return this.#all;
  }

  /** Each trouble that lasts, with when it was told last. */
  get told(): KeeperMark['told'] {
    const now = new Date(this.#now).toISOString();
    const told = this.#all.map(({ about, error, news }): [string, string] => {
      const text = textOf(about, error);
      return [text, news ? now : (this.#told[text] ?? now)];
    });
    return Object.fromEntries(told);
  }
}

/** A trouble in a line. */
export const textOf = (about: string, error: unknown): string =>
  `${about}: ${error instanceof Error ? error.message : String(error)}`.slice(0, 500);
