import { PassThrough, Writable } from 'node:stream';
import { type Context, openContext } from '../../src/cli/context.ts';
import { splitGlobalFlags } from '../../src/cli/global-flags.ts';
import type { Input, Io, Output } from '../../src/cli/io.ts';
import { main } from '../../src/cli/main.ts';
import type { Clock } from '../../src/lib/clock.ts';

/** A stream that keeps the text written to it. */
export class FakeOutput extends Writable {
  readonly isTTY: boolean;
  columns: number;
  text = '';

  constructor(options: { readonly tty?: boolean; readonly columns?: number } = {}) {
    super();
    this.isTTY = options.tty ?? false;
    this.columns = options.columns ?? 80;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

export interface FakeWorld {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly tty?: boolean;
  readonly columns?: number;
  /** The text that is typed. */
  readonly stdin?: string;
}

export interface FakeIo extends Io {
  readonly stdout: FakeOutput;
  readonly stderr: FakeOutput;
  /** The requested exit codes. */
  readonly exits: readonly number[];
  interrupt(signal?: 'SIGINT' | 'SIGTERM'): void;
}

/** An environment under a test's control. */
export function fakeIo({
  cwd = process.cwd(),
  env = {},
  tty = false,
  columns = 80,
  stdin = '',
}: FakeWorld = {}): FakeIo {
  const callbacks = new Set<(signal: 'SIGINT' | 'SIGTERM') => void>();
  /** Interrupts that came before the command listened. */
  const early: ('SIGINT' | 'SIGTERM')[] = [];
  const exits: number[] = [];
  const input: Input = Object.assign(new PassThrough(), { isTTY: tty });
  (input as PassThrough).end(stdin);
  const stdout: FakeOutput & Output = new FakeOutput({ tty, columns });
  return {
    stdout,
    stderr: new FakeOutput({ tty, columns }),
    stdin: input,
    env,
    cwd,
    exits,
    onInterrupt(callback) {
      callbacks.add(callback);
      for (const signal of early.splice(0)) callback(signal);
      return () => callbacks.delete(callback);
    },
    exit: (code) => exits.push(code),
    interrupt: (signal = 'SIGINT') => {
      if (callbacks.size === 0) early.push(signal);
      for (const callback of callbacks) callback(signal);
    },
  };
}

/** The context of a command with these words in a fake environment, which nothing interrupts. */
export function fakeContext(
  argv: readonly string[] = [],
  world: FakeWorld = {},
  clock?: Clock,
): { readonly ctx: Context; readonly io: FakeIo } {
  const io = fakeIo(world);
  const { signal } = new AbortController();
  const { flags } = splitGlobalFlags(argv);
  return { io, ctx: openContext({ io, flags, signal, stopNow: signal, closed: signal, ...(clock && { clock }) }) };
}

/** Runs the command line in a fake environment. */
export async function runCli(
  argv: readonly string[],
  world: FakeWorld = {},
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const io = fakeIo(world);
  const code = await main(argv, io);
  return { code, stdout: io.stdout.text, stderr: io.stderr.text };
}
