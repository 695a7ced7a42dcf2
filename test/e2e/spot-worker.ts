import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load-config.ts';
import { killPoints } from '../../src/lib/kill-point.ts';
import { openPlatform } from '../../src/platform/open-platform.ts';
import type { Machine } from '../../src/ports/machine.ts';
import { runWorkerInProcess } from '../support/inside-worker.ts';

let started = 0;

/**
 * Runs a worker of a group of the local profile in `directory`, on a machine that EC2 interrupts when the file `running`
 * exists. Throws the worker's error.
 */
export async function runSpotWorker(directory: string, group: string, say: (line: string) => void): Promise<void> {
  started += 1;
  const worker = `w-${process.pid}-${started}`;
  const config = await loadConfig({ env: {}, cwd: directory, home: '', etc: '' });
  const platform = await openPlatform(config, { role: 'worker', who: worker });
  const machine: Machine = {
    instance: 'i-0123456789abcdef0',
    type: 'c7g.large',
    zone: 'eu-west-1a',
    lifeCycle: 'spot',
    release: null,
    launchedAt: null,
    inGroup: false,
    notice: async () => (existsSync(join(directory, 'running')) ? { kind: 'interruption', at: Date.now() } : null),
    protect: async () => true,
    extendTermination: async () => undefined,
    completeTermination: async () => undefined,
    leave: async () => true,
  };
  try {
    const options = { groups: [group], host: hostname(), untilEmpty: true, say, passed: killPoints(process.env) };
    await runWorkerInProcess({ ...platform, machine: async () => machine }, 1, options);
  } finally {
    await platform.close();
  }
}
