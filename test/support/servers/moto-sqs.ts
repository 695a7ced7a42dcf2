import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Moto, startMotoScript } from './moto.ts';

/** A moto server whose SQS is mended where it differs from AWS (moto-sqs.py says where); all state in memory. */
export interface MotoSqs extends Moto {
  /** Lets so many seconds pass for its queues, at once. */
  pass(seconds: number): Promise<void>;
}

/** For a suite's `before` hook. Any credentials do. */
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
