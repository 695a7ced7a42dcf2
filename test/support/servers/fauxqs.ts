import { join } from 'node:path';
import { type ProgramOptions, type Running, startProgram } from './program.ts';
import { type Endpoint, shared } from './shared.ts';

/** A fauxqs server: an SQS in memory that handles leases, long polls and many messages as AWS does. */
export interface Fauxqs extends Running {
  readonly url: string;
  /** Moves the queues' clock forward. */
  pass(seconds: number): Promise<void>;
}

/** The server of the whole test run, for suites that use their own queues and don't move the clock. */
export function sharedFauxqs(): Promise<Endpoint> {
  return shared('fauxqs', async () => {
    const { url } = await startFauxqs({ lasting: true });
    return { url };
  });
}

/** For a suite's `before` hook. Accepts any credentials. */
export async function startFauxqs(options: Pick<ProgramOptions, 'lasting'> = {}): Promise<Fauxqs> {
  const portIn = (log: string, name: string): string => new RegExp(`${name} at port (\\d+)`).exec(log)?.[1] ?? '';
  const running = await startProgram({
    ...options,
    command: process.execPath,
    args: [join(import.meta.dirname, 'fauxqs-server.mjs')],
    ready: async (log) => (await fetch(`http://127.0.0.1:${portIn(log, 'queues')}/health`)).ok,
  });
  const [url, control] = ['queues', 'clock'].map((name) => `http://127.0.0.1:${portIn(running.log(), name)}`);
  if (url === undefined) throw new Error('fauxqs printed no port');
  return {
    ...running,
    url,
    pass: async (seconds) => void (await (await fetch(`${control}/pass/${seconds}`)).arrayBuffer()),
  };
}
