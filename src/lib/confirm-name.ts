import { BatchctlError } from '../errors.ts';

/**
 * The stronger safeguard before something is destroyed: the name must be typed (`--confirm default`), and `--yes` is
 * not enough. Throws `refused`.
 */
export function confirmName(given: string | undefined, name: string, what: string): void {
  if (given === name) return;
  const found = given === undefined ? 'nothing' : `"${given}"`;
  throw new BatchctlError('refused', `${what} requires --confirm ${name}, found ${found}`, {
    hint: `add --confirm ${name}`,
  });
}
