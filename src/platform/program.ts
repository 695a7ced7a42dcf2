import { fileURLToPath } from 'node:url';
import type { Config } from '../config/load-config.ts';

/** The argument of `import` for a module below src/: its URL in source; in the bundle, its file, next to all others. */
export function moduleUrl(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return import.meta.url.endsWith('.ts') ? new URL(`../${path}.ts`, import.meta.url).href : `./${name}.js`;
}

/** The arguments after `node` to run a command of this batchctl with the same configuration. */
export function programArgv({ profile, file }: Config, ...words: readonly string[]): readonly string[] {
  const root = import.meta.url.endsWith('.ts') ? '../..' : '..';
  const program = fileURLToPath(new URL(`${root}/bin/batchctl.js`, import.meta.url));
  return [program, ...words, '--profile', profile.name, ...(file === null ? [] : ['--config', file])];
}
