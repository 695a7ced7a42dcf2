import { join } from 'node:path';
import { type ProgramOptions, type Running, startProgram } from './program.ts';
import { type Endpoint, shared } from './shared.ts';

/** A fauxqs server: SQS, right about leases, long polls and volume; all state in memory. */
export interface Fauxqs extends Running {
  readonly url: string;
  /** Lets so many seconds pass for its queues, at once. */
  pass(seconds: number): Promise<void>;
}

/** One for the whole run, for suites that take queues of their own and let no time pass. */
export function sharedFauxqs(): Promise<Endpoint> {
  return shared('fauxqs', async () => {
    const { url } = await startFauxqs({ lasting: true });
    return { url };
  });
}

/** For a suite's `before` hook. Any credentials do. */
export async function startFauxqs(options: Pick<ProgramOptions, 'lasting'> = {}): Promise<Fauxqs> {
  const portIn = (log: string, of: string): string => new RegExp(`${of} at port (\\d+)`).exec(log)?.[1] ?? '';
  const running = await startProgram({
    ...options,
    command: process.execPath,
    args: [join(import.meta.dirname, 'fauxqs-server.mjs')],
    ready: async (log) => (await fetch(`http://127.0.0.1:${portIn(log, 'queues')}/health`)).ok,
  });
  const [url, control] = ['queues', 'clock'].map((of) => `http://127.0.0.1:${portIn(running.log(), of)}`);
  if (url === undefined) throw new Error('fauxqs said no port');
  return {
    ...running,
    url,
    pass: async (seconds) => void (await (await fetch(`${control}/pass/${seconds}`)).arrayBuffer()),
  };
}
