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
 * Opens a profile's four ports: this room alone names adapters. Nothing is asked of a service before it is used.
 * Throws `config` for a backend that isn't built.
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

/** In a worker: heeds the supervisor that started it, if one did. Answers what ends the listening. */
export async function heedSupervisor(
  env: Readonly<Record<string, string | undefined>>,
  on: { readonly drain: () => void; readonly stop: () => void },
): Promise<(() => void) | null> {
  return (await import('../adapters/local/supervisor-pipe.ts')).listenToSupervisor(env, on);
}
