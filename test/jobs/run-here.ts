import { runCli } from '../cli/fake-io.ts';

/** Runs a command in a directory, which is also the home of whoever runs it. */
export const runHere = (cwd: string, argv: readonly string[], world: object = {}) =>
  runCli([...argv, '--profile', 'local'], { cwd, env: { HOME: cwd }, ...world });
