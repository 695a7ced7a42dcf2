import { fileURLToPath } from 'node:url';
import type { Config } from '../config.ts';

/** The arguments after `node` to run a command of this batchctl with the same configuration. */
export function programArgv({ profile, file }: Config, ...words: readonly string[]): readonly string[] {
  const root = import.meta.url.endsWith('.ts') ? '../..' : '..';
  const program = fileURLToPath(new URL(`${root}/bin/batchctl.js`, import.meta.url));
  return [program, ...words, '--profile', profile.name, ...(file === null ? [] : ['--config', file])];
}
