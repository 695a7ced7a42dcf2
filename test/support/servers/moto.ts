import { closeSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive } from '../../../src/lib/leftovers.ts';
import { installed } from '../run/lacking.ts';
import { until } from '../until.ts';
import { sharedForks } from './forks.ts';
import type { Running } from './program.ts';
import { type Endpoint, shared } from './shared.ts';

/** A moto server, which keeps everything in memory: S3 (with correct conditional puts), SQS, STS, SimpleDB's puts. */
export interface Moto extends Running {
  readonly url: string;
}

/** For a suite's `before` hook. Accepts any credentials: checks neither signature nor expiry. */
export async function startMoto(): Promise<Moto> {
  return startMotoScript('moto-plain.py');
}

/** The server of the whole test run, for suites that use their own buckets and names. */
export async function sharedMoto(): Promise<Endpoint> {
  installed('python3-moto');
  return shared('moto', async () => {
    const { url } = await startMotoScript('moto-plain.py', [], { lasting: true });
    return { url };
  });
}

/** A moto server whose SQS is corrected where it differs from AWS (see moto-sqs.py). */
export interface MotoSqs extends Moto {
  /** Moves the queues' clock forward. */
  pass(seconds: number): Promise<void>;
}

/** For a suite's `before` hook. Accepts any credentials. */
export async function startMotoSqs(): Promise<MotoSqs> {
  const directory = mkdtempSync(join(tmpdir(), 'batchctl-moto-'));
  const clock = join(directory, 'clock');
  let ahead = 0;
  const pass = async (seconds: number): Promise<void> => {
    ahead += seconds;
    writeFileSync(`${clock}.new`, String(ahead));
    renameSync(`${clock}.new`, clock);
  };
  await pass(0);
  const running = await startMotoScript('moto-sqs.py', [clock]);
  const stop = async (): Promise<void> => {
    await running.stop();
    rmSync(directory, { recursive: true });
  };
  return { ...running, pass, stop };
}

/**
 * Starts a script of this directory, a moto without some of its differences from AWS, on a free port. It ends with this
 * process unless it is `lasting`.
 */
export async function startMotoScript(
  script: string,
  args: readonly string[] = [],
  { lasting = false }: { readonly lasting?: boolean } = {},
): Promise<Moto> {
  const moto = installed('python3-moto');
  // Debian's moto needs Debian's Python.
  const socket = await sharedForks('moto-forks', moto.startsWith('/usr/bin/') ? '/usr/bin/python3' : 'python3');
  const log = join(mkdtempSync(join(tmpdir(), 'moto-')), 'log');
  closeSync(openSync(log, 'a'));
  const connection = connect(socket);
  connection.write(`${JSON.stringify({ script: join(import.meta.dirname, script), args, log, lasting })}\n`);
  const pid = Number(await firstLine(connection));
  const readLog = (): string => readFileSync(log, 'utf8').slice(-20_000);
  const stop = async (): Promise<void> => {
    connection.destroy();
    await until(`${script} has ended`, () => !isAlive(pid));
  };
  const url = await until(`${script} serves`, () => {
    if (!isAlive(pid)) throw new Error(`${script} did not come up; its log:\n${readLog()}`);
    return /Running on (http:\S+)/.exec(readLog())?.[1];
  });
  return { pid, log: readLog, stop, url };
}

async function firstLine(connection: Socket): Promise<string> {
  let text = '';
  for await (const chunk of connection.iterator({ destroyOnReturn: false })) {
    text += chunk;
    if (text.includes('\n')) break;
  }
  // The connection doesn't keep this process running.
  connection.unref();
  return text.trim();
}
