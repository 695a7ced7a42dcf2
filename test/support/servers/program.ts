import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, Socket } from 'node:net';
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
  // One that nobody stops, as its suite failed or was skipped half way, keeps no run from its end, and ends with it.
  const kill = (): void => {
    child.kill('SIGKILL');
  };
  child.unref();
  for (const stream of [child.stdout, child.stderr]) if (stream instanceof Socket) stream.unref();
  process.once('exit', kill);
  const ended = once(child, 'exit').catch(() => undefined);
  const stop = async (): Promise<void> => {
    child.ref();
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
