import { openManagerClient } from '../adapters/manager/open-manager-client.ts';
import type { ManagerProfile } from '../config/load-config.ts';
import { BatchctlError } from '../errors.ts';
import { systemClock } from '../lib/clock.ts';
import type { Environment } from '../lib/environment.ts';
import { userAtHost } from '../lib/this-machine.ts';
import type { Manager } from '../ports/manager.ts';
import type { Platform } from '../ports/platform.ts';
import { OTHER_MACHINES } from './other-machines.ts';
import { makeScratch, temporaryRoot } from './scratch.ts';

/** Makes no request before it is used. Throws `credentials` if the environment has no token. */
export function openManager({ name, url, tokenEnv, fingerprint }: ManagerProfile, env: Environment): Manager {
  const token = env[tokenEnv] ?? '';
  if (token !== '') return openManagerClient({ url, token: token.trim(), fingerprint });
  throw new BatchctlError('credentials', `profile ${name} uses a manager, but ${tokenEnv} contains no token for it`, {
    hint: `ask the operator of the manager to create one with batchctl manager token create NAME; then export ${tokenEnv}=...`,
  });
}

/** The ports available through a manager: its store, as far as callers may read it. */
export function openManagerPlatform(profile: ManagerProfile, env: Environment): Platform {
  const manager = openManager(profile, env);
  const none = (what: string): Promise<never> => Promise.reject(unreachableError(profile, what));
  return {
    store: manager.store,
    bucket: (called) => none(`the bucket ${called}`),
    clock: systemClock,
    who: userAtHost(),
    leaseSeconds: 15,
    ledger: () => none('the ledger'),
    queue: () => none('queues'),
    group: () => none('groups'),
    queueModule: () => {
      throw unreachableError(profile, 'queues');
    },
    scratch: async (worker) => makeScratch(temporaryRoot(), worker),
    localFile: () => null,
    workplace: OTHER_MACHINES,
    close: () => manager.close(),
  };
}

const unreachableError = ({ name }: ManagerProfile, what: string): BatchctlError =>
  new BatchctlError('config', `profile ${name} uses a manager, which gives no access to ${what}`, {
    hint: 'use a profile of the account or machine itself',
  });
