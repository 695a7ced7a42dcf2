import { runCli } from '../cli/fake-io.ts';

/** Runs a command in a directory, which is also its user's home. */
export const runHere = (cwd: string, argv: readonly string[], world: object = {}) =>
  runCli([...argv, '--profile', 'local'], { cwd, env: { HOME: cwd }, ...world });

/** The documents that a command prints with `--json`; it must succeed. */
export async function runJson(cwd: string, argv: readonly string[]): Promise<readonly Record<string, unknown>[]> {
  const { code, stdout, stderr } = await runHere(cwd, [...argv, '--json']);
  if (code !== 0) throw new Error(`batchctl ${argv.join(' ')} exited with ${code}: ${stderr}`);
  return stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
}
