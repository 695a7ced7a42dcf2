import { installed } from '../run/lacking.ts';
import { freePort, type Running, startProgram } from './program.ts';

/** A moto server: S3 (right about create-if-absent), SQS, STS, SimpleDB's puts; all state in memory. */
export interface Moto extends Running {
  readonly url: string;
}

/** For a suite's `before` hook. Checks no signature and no expiry: any credentials do. */
export async function startMoto(suite: Mocha.Context): Promise<Moto> {
  suite.timeout(60_000);
  const command = installed('python3-moto');
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const running = await startProgram({
    command,
    args: ['-H', '127.0.0.1', '-p', String(port)],
    ready: async () => {
      const answer = await fetch(`${url}/moto-api/`);
      await answer.arrayBuffer();
      return answer.ok;
    },
  });
  return { ...running, url };
}
