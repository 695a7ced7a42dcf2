import type { Config } from '../config/load-config.ts';
import type { Platform } from '../ports/platform.ts';
import { openLocal } from './open-local.ts';
import type { PlatformOptions } from './parts.ts';

export {
  type GroupSupervision,
  newWorkerId,
  type OwnWorkers,
  type OwnWorkersOptions,
  startOwnWorkers,
  superviseLocalGroup,
} from './own-workers.ts';

/**
 * Opens a profile's four ports. Only this folder names adapters. Makes no request before a port is used. Throws
 * `config` for an unsupported backend.
 */
export async function openPlatform(config: Config, options: PlatformOptions): Promise<Platform> {
  const { profile } = config;
  switch (profile.backend) {
    case 'local':
      return openLocal(config, profile, options);
    case 'aws':
      return (await import('./open-aws.ts')).openAws(profile, options);
    case 'manager':
      return (await import('./open-manager.ts')).openManagerPlatform(profile);
    default:
      return profile satisfies never;
  }
}

/**
 * In a worker: follows the orders of the supervisor that started it, if any. Returns the function that stops listening.
 */
export async function heedSupervisor(
  env: Readonly<Record<string, string | undefined>>,
  on: { readonly drain: () => void; readonly stop: () => void },
): Promise<(() => void) | null> {
  return (await import('../adapters/local/supervisor-pipe.ts')).listenToSupervisor(env, on);
}
