import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startProgram } from './program.ts';
import { shared } from './shared.ts';

/**
 * Starts, once in a run, a process that has loaded a Python program and forks for each client (see forks.py). `script` is in
 * this directory. Returns the path of its socket, which is in the run's directory and has the script's name.
 */
export async function sharedForks(script: 'aws-forks' | 'moto-forks', python: string): Promise<string> {
  const { socket } = await shared(script, async () => {
    const path = join(tmpdir(), script);
    await startProgram({
      command: python,
      args: [join(import.meta.dirname, `${script}.py`), path],
      // Otherwise Python writes compiled files beside the scripts.
      env: { PYTHONDONTWRITEBYTECODE: '1' },
      lasting: true,
      ready: async () => {
        const connection = connect(path);
        await new Promise((resolve, reject) => connection.once('connect', resolve).once('error', reject));
        connection.destroy();
        return true;
      },
    });
    return { socket: path };
  });
  return socket;
}
