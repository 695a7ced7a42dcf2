import { setMaxListeners } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import type { startOwnWorkers } from '../platform/own-workers.ts';

export type Output = Writable & { readonly isTTY?: boolean; readonly columns?: number };

export type Input = Readable & { readonly isTTY?: boolean };

/** Everything that the command line uses of its environment. Injected, for tests. */
export interface Io {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly stdin: Input;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Calls back at each Ctrl-C or SIGTERM, until the returned function is called. */
  onInterrupt(callback: (signal: 'SIGINT' | 'SIGTERM') => void): () => void;
  /** Ends the process at once: only for the second Ctrl-C. */
  exit(code: number): void;
  /** Starts the workers of `run` and `rehearse`; by default, in processes of their own. */
  readonly startWorkers?: typeof startOwnWorkers;
}

/**
 * The real process. Its streams are created when first used, as each takes a millisecond or two. A message that can't be
 * written, to a full disk for instance, ends nothing.
 */
export function processIo(): Io {
  let isHeard = false;
  return {
    get stdout() {
      return process.stdout;
    },
    get stderr() {
      if (!isHeard) process.stderr.on('error', () => undefined);
      isHeard = true;
      return process.stderr;
    },
    get stdin() {
      return process.stdin;
    },
    env: process.env,
    cwd: process.cwd(),
    onInterrupt(callback) {
      process.on('SIGINT', callback).on('SIGTERM', callback);
      return () => process.off('SIGINT', callback).off('SIGTERM', callback);
    },
    exit: (code) => process.exit(code),
  };
}

/** First Ctrl-C: stop cleanly. Second: stop now. A SIGTERM counts as one. */
interface Interrupts {
  /** Aborted by the first interrupt. */
  readonly signal: AbortSignal;
  /** Aborted by the second interrupt. */
  readonly now: AbortSignal;
  /** True: the command handles the second itself, and only the third ends the process. */
  setHandlesSecond(yes: boolean): void;
  end(): void;
}

/** Listens until `end` is called. */
export function listenForInterrupts(io: Io): Interrupts {
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
    setHandlesSecond: (yes) => {
      itself = yes;
    },
    end: off,
  };
}
