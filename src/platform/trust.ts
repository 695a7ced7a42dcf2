import type { Config } from '../config/load-config.ts';

/** What a profile uses and the user had not confirmed. */
export interface TrustedThing {
  readonly what: 'root';
  readonly value: string;
  /** Why it was not trusted before. */
  readonly reason: string;
}

/** Records that the user trusts what the profile uses. Throws `config` for a root that other users may change. */
export async function trust(
  { profile }: Config,
  { dryRun }: { readonly dryRun: boolean },
): Promise<readonly TrustedThing[]> {
  if (profile.backend !== 'local') return [];
  const { trustRoot } = await import('../adapters/local/fs-root.ts');
  const reason = trustRoot(profile.root, { dryRun });
  return reason === null ? [] : [{ what: 'root', value: profile.root, reason }];
}
