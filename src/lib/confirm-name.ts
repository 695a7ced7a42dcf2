import { BatchctlError } from '../errors.ts';

/** The stronger safeguard: the name must be typed (`--confirm default`), `--yes` isn't enough. Throws `refused`. */
export function confirmName(given: string | undefined, name: string, what: string): void {
  if (given === name) return;
  const found = given === undefined ? 'nothing' : `"${given}"`;
  throw new BatchctlError('refused', `${what} requires --confirm ${name}, found ${found}`, {
    hint: `add --confirm ${name}`,
  });
}
