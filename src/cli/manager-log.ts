import type { Log } from '../manager/log.ts';
import type { Context } from './context.ts';

/**
 * A manager's log on stderr, one line per event: as text with a timestamp, or as JSON with --json. --quiet omits
 * routine events.
 */
export function managerLog({ io, flags, clock }: Pick<Context, 'io' | 'flags' | 'clock'>): Log {
  return ({ event, level, text, fields }) => {
    if (flags.quiet && level === 'info') return;
    const at = new Date(clock.now()).toISOString();
    const line = flags.json
      ? JSON.stringify({ at, event, level, ...fields, text })
      : `${at} ${level === 'warning' ? 'warning: ' : ''}${text}`;
    // One line, whatever a stored text contains.
    io.stderr.write(`${line.replaceAll(/[\r\n\u2028\u2029]+\s*/g, ' ')}\n`);
  };
}
