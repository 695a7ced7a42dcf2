import type { BatchctlError } from '../../errors.ts';
import type { Nature } from './send-verb.ts';

export interface Loss {
  readonly error: BatchctlError;
  /** False: the manager provably never began. */
  readonly begun: boolean;
}

/** Milliseconds before a verb is asked again; they double up to the longest. */
const [FIRST_PAUSE, LONGEST_PAUSE] = [1_000, 30_000];
/** So often a verb is asked again that only looks; the connection itself has tried several times each time. */
const LOOKS = 2;

/** How often, and when, a verb whose answer was lost is asked again. */
export interface Patience {
  /** Milliseconds to wait; null: not again. `answered`: the manager was there before. */
  pause(loss: Loss, answered: boolean, printed: boolean): number | null;
  /** It was the first pause since the beginning: who waits is told once. */
  readonly isFirst: boolean;
}

export function patienceOf(nature: Nature): Patience {
  let tries = 0;
  return {
    pause(loss, answered, printed) {
      // Who was never there may never be: that is told at once.
      const mayAsk = {
        follows: answered,
        looks: loss.begun && !printed && tries < LOOKS,
        changes: false,
      }[nature];
      if (!mayAsk) return null;
      tries += 1;
      return Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (tries - 1));
    },
    get isFirst() {
      return tries === 1;
    },
  };
}
