import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load-config.ts';
import { killPoints } from '../../src/lib/kill-point.ts';
import { openPlatform } from '../../src/platform/open-platform.ts';
import type { Machine } from '../../src/ports/machine.ts';
import { createShellExecutor } from '../../src/worker/shell-executor.ts';
import { runWorker } from '../../src/worker/worker.ts';

let started = 0;

/**
 * Runs a worker of a group of the local profile in `directory`, on a machine that EC2 takes back once the file `running` is
 * there. Fails as the worker does.
 */
export async function runSpotWorker(directory: string, group: string, say: (line: string) => void): Promise<void> {
  started += 1;
  const worker = `w-${process.pid}-${started}`;
  const config = await loadConfig({ env: {}, cwd: directory, home: '', etc: '' });
  const platform = await openPlatform(config, { role: 'worker', who: worker });
  const machine: Machine = {
    ...{ instance: 'i-0123456789abcdef0', type: 'c7g.large', zone: 'eu-west-1a', lifeCycle: 'spot', release: null },
    launchedAt: null,
    inGroup: false,
    notice: async () => (existsSync(join(directory, 'running')) ? { kind: 'interruption', at: Date.now() } : null),
    protect: async () => true,
    holdOn: async () => undefined,
    letGo: async () => undefined,
    leave: async () => true,
  };
  const never = new AbortController().signal;
  try {
    await runWorker(
      { ...platform, machine: async () => machine },
      {
        ...{ worker, groups: [group], host: hostname(), version: '0.1.0' },
        total: { slots: 1, memory: 2 ** 30, disk: 2 ** 30 },
        ...{ untilEmpty: true, idleExit: null, maxFailures: null, drain: never, stop: never },
        makeExecutor: createShellExecutor,
        say,
        passed: killPoints(process.env),
      },
    );
  } finally {
    await platform.close();
  }
}
