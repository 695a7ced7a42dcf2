import { BatchctlError } from '../errors.ts';
import { unknownName } from '../lib/problems.ts';
import type { ConfigFile, FoundFile } from './config-file.ts';
import type { Plain } from './merge.ts';

/** One profile of a chain of `extends`. */
export interface ProfileLink {
  readonly name: string;
  readonly settings: Plain;
  /** True for `local` if no file defines it. */
  readonly builtIn: boolean;
}

const BUILT_IN: Plain = { backend: 'local' };

export interface PickedProfile {
  readonly name: string;
  readonly from: 'flag' | 'env' | 'file' | 'default';
}

/** The profile's name, and what selected it; an empty variable is ignored. */
export function pickProfile(
  flag: string | undefined,
  variable: string | undefined,
  file: string | null,
): PickedProfile {
  if (flag !== undefined) return { name: flag, from: 'flag' };
  if (variable !== undefined && variable !== '') return { name: variable, from: 'env' };
  return file === null ? { name: 'local', from: 'default' } : { name: file, from: 'file' };
}

/** Every profile that can be selected, always including `local`. */
export const profileNames = (file: ConfigFile): readonly string[] => [
  ...new Set(['local', ...Object.keys(file.profiles)]),
];

/**
 * The profile and those it extends, the base first. Throws `config` if the profile doesn't exist (with the places
 * searched), and for a base that doesn't exist or a cycle of extends (with its place in the file).
 */
export async function chainOf(
  { name, from }: PickedProfile,
  file: ConfigFile,
  found: FoundFile | null,
  places: readonly string[],
): Promise<readonly ProfileLink[]> {
  const names = profileNames(file);
  if (!names.includes(name)) {
    if (found !== null && file.profile === name && from === 'file') {
      const { configProblems } = await import('./check.ts');
      throw configProblems(found, [{ path: ['profile'], message: unknownName('profile', name, names) }]);
    }
    throw new BatchctlError(
      'config',
      `${unknownName('profile', name, names)}; looked in ${found === null ? places.join(', ') : found.path}`,
      { hint: 'use another profile with --profile, or another file with --config' },
    );
  }
  const chain: ProfileLink[] = [];
  for (let next: string | null = name; next !== null; ) {
    const current: string = next;
    const settings: Plain = file.profiles[current] ?? BUILT_IN;
    chain.unshift({ name: current, settings, builtIn: !Object.hasOwn(file.profiles, current) });
    const base: unknown = settings.extends;
    next = typeof base === 'string' ? base : null;
    if (next === null || found === null) continue;
    const path = ['profiles', current, 'extends'];
    if (!names.includes(next)) {
      const { configProblems } = await import('./check.ts');
      throw configProblems(found, [{ path, message: unknownName('profile', next, names) }]);
    }
    if (chain.some((link) => link.name === next)) {
      const order = chain.map((link) => link.name).reverse();
      const circle = [...order.slice(order.indexOf(next)), next];
      const { configProblems } = await import('./check.ts');
      throw configProblems(found, [{ path, message: `extends form a cycle: ${circle.join(' -> ')}` }]);
    }
  }
  return chain;
}
