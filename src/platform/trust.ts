import { confirmSendings } from '../config/known-addresses.ts';
import type { Config } from '../config/load-config.ts';
import type { Environment } from '../lib/environment.ts';

/** The parts of a profile that the user had not confirmed. */
export interface TrustedThing {
  readonly what: 'root' | 'address';
  readonly value: string;
  /** Why a root was not trusted before; what an address may be sent. */
  readonly reason: string;
}

interface TrustOptions {
  readonly env: Environment;
  /** Variables that may be sent although they are not batchctl's own. */
  readonly named: readonly string[];
  readonly dryRun: boolean;
}

/** Records that the user trusts what the profile uses. Throws `config` for a root that other users may change. */
export async function trust(config: Config, options: TrustOptions): Promise<readonly TrustedThing[]> {
  const { profile } = config;
  if (profile.root === null) {
    const confirmed = confirmSendings(config, options);
    return confirmed.map(({ what, address }) => ({ what: 'address', value: address, reason: `it is sent ${what}` }));
  }
  const { trustRoot } = await import('../adapters/local/fs-root.ts');
  const reason = trustRoot(profile.root, options);
  return reason === null ? [] : [{ what: 'root', value: profile.root, reason }];
}
