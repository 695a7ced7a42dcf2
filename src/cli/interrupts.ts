import { setMaxListeners } from 'node:events';
import type { Io } from './io.ts';

/** First Ctrl-C: stop cleanly. Second: stop now. A SIGTERM counts as one. */
export interface Interrupts {
  /** Aborted by the first. */
  readonly signal: AbortSignal;
  /** Aborted by the second. */
  readonly now: AbortSignal;
  /** True: the command handles the second itself, and only the third ends the process. */
  selfStopping(yes: boolean): void;
  end(): void;
}

/** Listens until `end` is called. */
export function interrupts(io: Io): Interrupts {
  const first = new AbortController();
  const second = new AbortController();
  setMaxListeners(0, first.signal, second.signal); // One listener per request in flight is not a leak.
  let itself = false;
  const off = io.onInterrupt((signal) => {
    if (!first.signal.aborted) {
      first.abort();
      return;
    }
    const again = second.signal.aborted;
    second.abort();
    if (again || !itself) io.exit(signal === 'SIGINT' ? 130 : 143);
  });
  return {
    signal: first.signal,
    now: second.signal,
    selfStopping: (yes) => {
      itself = yes;
    },
    end: off,
  };
}
