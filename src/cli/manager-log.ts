import type { Log } from '../manager/log.ts';
import type { Context } from './context.ts';

/**
 * What a manager says of itself, on stderr, a line an event: for people with the time before it, as JSON with --json.
 * --quiet leaves what is in order away.
 */
export function managerLog({ io, flags, clock }: Pick<Context, 'io' | 'flags' | 'clock'>): Log {
  return ({ event, level, text, fields }) => {
    if (flags.quiet && level === 'info') return;
    const at = new Date(clock.now()).toISOString();
    const line = flags.json
      ? JSON.stringify({ at, event, level, ...fields, text })
      : `${at} ${level === 'warning' ? 'warning: ' : ''}${text}`;
    // One line, whatever a store's text holds.
    io.stderr.write(`${line.replaceAll(/[\r\n\u2028\u2029]+\s*/g, ' ')}\n`);
  };
}
