import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { onEmulators } from '../test/docs/reader-shell.ts';
import { startCloud } from '../test/support/grid/cloud.ts';

/** Writes what the commands of docs/aws.md print into the page, typed against an emulated account: `npm run docs:fill-aws`. */
const cloud = await startCloud();
try {
  const page = join(import.meta.dirname, 'aws.md');
  // Not synchronously: part of the emulated account is in this process.
  const child = spawn(process.execPath, ['--import', 'tsx', join(import.meta.dirname, 'fill-page.ts'), page], {
    env: { ...process.env, ...onEmulators(cloud.url) },
    stdio: 'inherit',
  });
  const [code] = (await once(child, 'close')) as [number | null];
  process.exitCode = code ?? 1;
} finally {
  await cloud.close();
}
