import { join } from 'node:path';
import { freePort, type Running, startProgram } from './program.ts';

/** A fauxqs server: SQS, right about leases, long polls and volume; all state in memory. */
export interface Fauxqs extends Running {
  readonly url: string;
  /** Lets so many seconds pass for its queues, at once. */
  pass(seconds: number): Promise<void>;
}

/** For a suite's `before` hook. Any credentials do. */
export async function startFauxqs(): Promise<Fauxqs> {
  const [port, control] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${port}`;
  const clock = async (seconds: number): Promise<void> => {
    const answer = await fetch(`http://127.0.0.1:${control}/pass/${seconds}`);
    await answer.arrayBuffer();
  };
  const running = await startProgram({
    command: process.execPath,
    args: [join(import.meta.dirname, 'fauxqs-server.mjs'), String(port), String(control)],
    ready: async () => {
      await clock(0);
      return (await fetch(`${url}/health`)).ok;
    },
  });
  return { ...running, url, pass: clock };
}
