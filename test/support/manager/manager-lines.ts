import { until } from '../until.ts';
import type { Running } from '../workspace.ts';

interface ManagerLine {
  readonly at: string;
  readonly event: string;
  readonly level: string;
  readonly text: string;
  readonly address?: string;
  readonly fingerprint?: string;
}

/** Words of a command that starts a manager at a free port, which logs JSON Lines. */
export const MANAGER = ['manager', '--listen', '127.0.0.1:0', '--json'];

/** The lines that a manager with --json has logged so far. */
export const linesOf = (running: Running): readonly ManagerLine[] =>
  running
    .printed()
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as ManagerLine);

/** Waits until it listens. */
export const listeningLine = (running: Running): Promise<ManagerLine & { readonly address: string }> =>
  until('the manager listens', () => {
    const line = linesOf(running).find(({ event }) => event === 'listening');
    return line?.address !== undefined && { ...line, address: line.address };
  });
