import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installed } from '../run/lacking.ts';
import { freePort, type Running, startProgram } from './program.ts';

/** A moto server whose SQS is mended where it differs from AWS (moto-sqs.py says where); all state in memory. */
export interface MotoSqs extends Running {
  readonly url: string;
  /** Lets so many seconds pass for its queues, at once. */
  pass(seconds: number): Promise<void>;
}

/** For a suite's `before` hook. Any credentials do. */
export async function startMotoSqs(suite: Mocha.Context): Promise<MotoSqs> {
  suite.timeout(60_000);
  const moto = installed('python3-moto');
  const directory = mkdtempSync(join(tmpdir(), 'batchctl-moto-'));
  const clock = join(directory, 'clock');
  let ahead = 0;
  const pass = async (seconds: number): Promise<void> => {
    ahead += seconds;
    writeFileSync(`${clock}.new`, String(ahead));
    renameSync(`${clock}.new`, clock);
  };
  await pass(0);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const running = await startProgram({
    // Debian's moto belongs to Debian's Python.
    command: moto.startsWith('/usr/bin/') ? '/usr/bin/python3' : 'python3',
    args: [join(import.meta.dirname, 'moto-sqs.py'), String(port), clock],
    ready: async () => {
      const answer = await fetch(`${url}/moto-api/`);
      await answer.arrayBuffer();
      return answer.ok;
    },
  });
  const stop = async (): Promise<void> => {
    await running.stop();
    rmSync(directory, { recursive: true });
  };
  return { ...running, url, pass, stop };
}
