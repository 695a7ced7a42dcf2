import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../until.ts';

/** A server that a test started on this machine. */
export interface Running {
  readonly pid: number;
  /** Its stdout and stderr so far. */
  log(): string;
  /** Kills it and waits for its end. */
  stop(): Promise<void>;
}

export interface ProgramOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
  /** Whether it outlives this process, and ends with the test run. */
  readonly lasting?: boolean;
  /** Whether it accepts requests. `log`: its output so far. */
  ready(log: string): Promise<boolean>;
}

/** Milliseconds that a server may take to start on a busy machine. */
const START_TIMEOUT = 60_000;

/** Starts a server and waits until it is ready. Throws with its log if it ends before, or takes more than a minute. */
export async function startProgram(options: ProgramOptions): Promise<Running> {
  const { command, args, ready, lasting = false, ...spawnOptions } = options;
  const file = join(mkdtempSync(join(tmpdir(), 'program-')), 'log');
  const output = openSync(file, 'a');
  const child = spawn(command, args, {
    ...spawnOptions,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', output, output],
    detached: lasting,
  });
  closeSync(output);
  const log = (): string => readFileSync(file, 'utf8').slice(-20_000);
  const stop = stopperOf(child, lasting);
  try {
    await until(
      `${command} is ready`,
      async () => {
        if (child.exitCode !== null) throw new Error(`${command} ended with exit ${child.exitCode}`);
        return ready(log()).catch(() => false);
      },
      START_TIMEOUT,
    );
  } catch (error) {
    const text = log();
    await stop();
    throw new Error(`${command} ${args.join(' ')} did not start; its log:\n${text}`, { cause: error });
  }
  return { pid: child.pid ?? 0, log, stop };
}

/** The function that stops a server. A server that is never stopped, because its suite failed, ends with this process. */
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

/** Below the ports that systems assign to programs that bind to port 0 (from 32768 on Linux), so that none gets these. */
const [LOWEST, HIGHEST] = [20_000, 32_000];

/** A free port of 127.0.0.1, for a program that can't report which port it was given. */
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
