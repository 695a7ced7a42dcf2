import { formatSize } from '../lib/units.ts';
import type { Context } from './context.ts';
import { formatCount, formatLeft, formatRate } from './format.ts';
import { PLAIN_INTERVAL_MS } from './live-view.ts';
import { escapeKeepingColours } from './terminal-text.ts';

/** Progress of a long operation: a spinner on a terminal, lines at intervals elsewhere, nothing with `--quiet`. */
export interface Progress {
  /** Progress: `done` of `total` (null: unknown). */
  update(done: number, total: number | null): void;
  /** Ends successfully, with a closing line (default: the label and what was done). */
  done(text?: string): void;
  /** Ends with a failure; the caller reports the error itself. */
  failed(): void;
}

/** Minimum milliseconds between updates on a terminal, so that a million calls are cheap. */
const REDRAW_MS = 50;

/** Starts to show progress on stderr. With unit `bytes` it shows sizes, otherwise counts. */
export async function startProgress(ctx: Context, label: string, unit: 'bytes' | 'items' = 'items'): Promise<Progress> {
  if (ctx.flags.quiet) return { update: () => {}, done: () => {}, failed: () => {} };
  const begun = ctx.clock.monotonic();
  const line = (done: number, total: number | null): string =>
    progressText(label, unit, done, total, (ctx.clock.monotonic() - begun) / 1000);
  let last = (): string => label;
  // A terminal may not know its width: a spinner would clear lines for ever.
  const terminal = ctx.io.stderr.isTTY === true && ctx.io.stderr.columns !== 0;
  const everyMs = terminal ? REDRAW_MS : PLAIN_INTERVAL_MS;
  let due = terminal ? begun : begun + everyMs;
  const write = (text: string): void => void ctx.io.stderr.write(`${escapeKeepingColours(text)}\n`);
  const spinner = terminal ? await spin(ctx, label) : null;
  return {
    update(done, total) {
      last = () => line(done, total);
      if (ctx.clock.monotonic() < due) return;
      due = ctx.clock.monotonic() + everyMs;
      if (spinner === null) write(last());
      else spinner.text = last();
    },
    done: (text = last()) => {
      if (spinner === null) write(text);
      else spinner.succeed(escapeKeepingColours(text));
    },
    failed: () => void spinner?.fail(last()),
  };
}

/** Progress that starts with its first update. */
export function lazyProgress(ctx: Context, label: string) {
  let progress: Progress | null = null;
  return {
    async update(done: number, total: number | null): Promise<void> {
      progress ??= await startProgress(ctx, label);
      progress.update(done, total);
    },
    done(text?: string): void {
      progress?.done(text);
      progress = null;
    },
    failed: (): void => progress?.failed(),
  };
}

async function spin(ctx: Context, text: string) {
  const { default: ora } = await import('ora');
  return ora({ text, stream: ctx.io.stderr as NodeJS.WritableStream, discardStdin: false }).start();
}

/** `uploading 12MB of 40MB (30%), 8.1MB/s, 4s left` */
export function progressText(
  label: string,
  unit: 'bytes' | 'items',
  done: number,
  total: number | null,
  seconds: number,
): string {
  const amount = unit === 'bytes' ? formatSize : formatCount;
  const rate = seconds > 0 ? done / seconds : 0;
  const pieces = [`${label} ${amount(done)}`];
  if (total !== null) pieces[0] += ` of ${amount(total)} (${total === 0 ? 100 : Math.floor((done / total) * 100)}%)`;
  if (rate > 0) pieces.push(unit === 'bytes' ? `${formatSize(rate)}/s` : formatRate(rate));
  if (rate > 0 && total !== null && done < total) pieces.push(formatLeft((total - done) / rate));
  return pieces.join(', ');
}
