import { until } from '../until.ts';
import type { Running } from '../workspace.ts';

interface Line {
  readonly at: string;
  readonly event: string;
  readonly level: string;
  readonly text: string;
  readonly address?: string;
  readonly fingerprint?: string;
}

/** What a manager with --json has said so far. */
export const linesOf = (running: Running): readonly Line[] =>
  running
    .said()
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as Line);

export const listening = (running: Running): Promise<Line & { readonly address: string }> =>
  until('it listens', () => {
    const line = linesOf(running).find(({ event }) => event === 'listening');
    return line?.address !== undefined && { ...line, address: line.address };
  });
