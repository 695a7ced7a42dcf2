import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../until.ts';

/** A server that a test started, on this machine alone. */
export interface Running {
  readonly pid: number;
  /** What it wrote so far, both streams. */
  log(): string;
  /** Ends it and waits until it is gone. */
  stop(): Promise<void>;
}

export interface ProgramOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
  /** Whether it outlasts this process, and ends with the whole test run. */
  readonly lasting?: boolean;
  /** True once it serves. `log` is what it wrote so far. */
  ready(log: string): Promise<boolean>;
}

/** Milliseconds that a server may take to serve on a busy machine. */
const UP = 60_000;

/** Starts a server and waits until it serves. One that ends first, or takes a minute, fails with its log. */
export async function startProgram(options: ProgramOptions): Promise<Running> {
  const { command, args, ready, lasting = false, ...options_ } = options;
  const file = join(mkdtempSync(join(tmpdir(), 'program-')), 'log');
  const output = openSync(file, 'a');
  const child = spawn(command, args, {
    ...options_,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', output, output],
    detached: lasting,
  });
  closeSync(output);
  const log = (): string => readFileSync(file, 'utf8').slice(-20_000);
  const stop = stopperOf(child, lasting);
  try {
    await until(
      `${command} serves`,
      async () => {
        if (child.exitCode !== null) throw new Error(`${command} ended with exit ${child.exitCode}`);
        return ready(log()).catch(() => false);
      },
      UP,
    );
  } catch (error) {
    const said = log();
    await stop();
    throw new Error(`${command} ${args.join(' ')} did not come up; its log:\n${said}`, { cause: error });
  }
  return { pid: child.pid ?? 0, log, stop };
}

/** How to end it. One that is never stopped, as its suite failed, doesn't keep this process, and ends with it. */
function stopperOf(child: ChildProcess, lasting: boolean): () => Promise<void> {
  const kill = (): void => void child.kill('SIGKILL');
  child.unref();
  if (!lasting) process.once('exit', kill);
  const ended = once(child, 'exit').catch(() => undefined);
  return async () => {
    child.ref();
    if (child.exitCode === null && child.signalCode === null) kill();
    await ended;
    process.off('exit', kill);
  };
}

/** Below the ports that systems give to whoever binds to port 0 (32768 on Linux): nothing takes one of these by chance. */
const [LOWEST, HIGHEST] = [20_000, 32_000];

/** A port of 127.0.0.1 for a program that can't say itself which one it was given. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));
    const server = createServer();
    const free = await new Promise((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!free) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}
