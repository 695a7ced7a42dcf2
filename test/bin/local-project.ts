import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '../..');

/** The version of this package. */
export const VERSION = (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version;

/** A job file with a task for each number from 1 to `tasks`. */
export const jobYaml = (tasks = 30, run = 'cat'): string =>
  `name: one\ninput: { split: { by: range, from: 1, to: ${tasks} } }\nsteps: [{ name: work, run: "${run}" }]\n`;

/** Writes a configuration with a local profile, and `job.yaml`. */
export function writeProject(directory: string, yaml = jobYaml()): void {
  const config = { profile: 'local', profiles: { local: { backend: 'local' } } };
  writeFileSync(join(directory, 'batchctl.config.json'), JSON.stringify(config));
  writeFileSync(join(directory, 'job.yaml'), yaml);
}
