import { join } from 'node:path';
import { installed } from '../run/lacking.ts';
import { type ProgramOptions, type Running, startProgram } from './program.ts';
import { type Endpoint, shared } from './shared.ts';

/** A moto server: S3 (right about create-if-absent), SQS, STS, SimpleDB's puts; all state in memory. */
export interface Moto extends Running {
  readonly url: string;
}

/** For a suite's `before` hook. Checks no signature and no expiry: any credentials do. */
export async function startMoto(): Promise<Moto> {
  return startMotoScript('moto-plain.py');
}

/** One for the whole run, for suites that take buckets and names of their own, as each takes seconds to start. */
export async function sharedMoto(): Promise<Endpoint> {
  installed('python3-moto');
  return shared('moto', async () => {
    const { url } = await startMotoScript('moto-plain.py', [], { lasting: true });
    return { url };
  });
}

/** Starts a script of this directory that is moto with some of its differences from AWS taken away, on any free port. */
export async function startMotoScript(
  script: string,
  args: readonly string[] = [],
  options: Pick<ProgramOptions, 'lasting'> = {},
): Promise<Moto> {
  const moto = installed('python3-moto');
  const urlIn = (log: string): string => /Running on (http:\S+)/.exec(log)?.[1] ?? '';
  const running = await startProgram({
    ...options,
    // Debian's moto belongs to Debian's Python.
    command: moto.startsWith('/usr/bin/') ? '/usr/bin/python3' : 'python3',
    args: [join(import.meta.dirname, script), ...args],
    // It would leave compiled Python beside the scripts.
    env: { PYTHONDONTWRITEBYTECODE: '1' },
    ready: async (log) => {
      const answer = await fetch(`${urlIn(log)}/moto-api/`);
      await answer.arrayBuffer();
      return answer.ok;
    },
  });
  return { ...running, url: urlIn(running.log()) };
}
