import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
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
  /** True once it serves. */
  ready(): Promise<boolean>;
}

/** Milliseconds that a server may take to serve. */
const UP = 30_000;

/** Starts a server and waits until it serves. One that ends first, or takes 30 s, fails with its log. */
export async function startProgram({ command, args, ready, ...options }: ProgramOptions): Promise<Running> {
  const child = spawn(command, args, {
    ...options,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  const keep = (chunk: Buffer): void => {
    log = (log + chunk.toString()).slice(-20_000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  // A test process that ends badly leaves no server behind.
  const kill = (): void => {
    child.kill('SIGKILL');
  };
  process.once('exit', kill);
  const ended = once(child, 'exit').catch(() => undefined);
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) kill();
    await ended;
    process.off('exit', kill);
  };
  try {
    await until(
      `${command} serves`,
      async () => {
        if (child.exitCode !== null) throw new Error(`${command} ended with exit ${child.exitCode}`);
        return ready().catch(() => false);
      },
      UP,
    );
  } catch (error) {
    await stop();
    throw new Error(`${command} ${args.join(' ')} did not come up; its log:\n${log}`, { cause: error });
  }
  return { pid: child.pid ?? 0, log: () => log, stop };
}

/** A port of 127.0.0.1 that nobody uses at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('the probe has no port');
  return address.port;
}

/** The first of these programs that is here: a path, or a name in PATH. */
export function findProgram(...names: readonly string[]): string | null {
  const candidates = names.flatMap((name) =>
    name.includes('/') ? [name] : (process.env.PATH ?? '').split(delimiter).map((dir) => join(dir, name)),
  );
  return candidates.find(isExecutable) ?? null;
}

/** Without the program the suite is skipped, with a line that says what to install; under CI that is a failure. */
export function needProgram(suite: Mocha.Context, program: string | null, install: string): string {
  if (program !== null) return program;
  const line = `skipped: ${install} is not installed (apt-get install ${install})`;
  if (process.env.CI) throw new Error(line);
  console.warn(line);
  return suite.skip();
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
