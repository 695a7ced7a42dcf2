import { paintFor } from './colors.ts';
import type { Context } from './context.ts';
import { type LiveStatus, plainLine, stepLines } from './step-lines.ts';

/** A status redrawn in place on a terminal's stderr; otherwise a line now and then; nothing with `--quiet`. */
export interface LiveView {
  /** Shows the newest status. */
  show(status: LiveStatus): void;
  /** Prints lines above the view, where they stay. */
  above(text: string): void;
  /** Leaves the last state on the screen and restores the terminal. Idempotent. */
  close(): void;
}

/** Interval between lines in a log. */
export const PLAIN_INTERVAL_MS = 10_000;
const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';

/** Opens a live view on stderr. */
export function liveView(ctx: Context): LiveView {
  if (ctx.flags.quiet) return { show: () => {}, above: () => {}, close: () => {} };
  return ctx.io.stderr.isTTY === true && ctx.io.env.TERM !== 'dumb' ? terminalView(ctx) : plainView(ctx);
}

function plainView(ctx: Context): LiveView {
  let printed = '';
  let newest = '';
  let due = 0;
  const print = (): void => {
    if (newest !== printed) ctx.io.stderr.write(`${newest}\n`);
    printed = newest;
  };
  return {
    show(status) {
      newest = plainLine(status);
      if (ctx.clock.monotonic() < due) return;
      due = ctx.clock.monotonic() + PLAIN_INTERVAL_MS;
      print();
    },
    above: (text) => {
      ctx.io.stderr.write(`${text}\n`);
    },
    close: print,
  };
}

function terminalView(ctx: Context): LiveView {
  const { stderr } = ctx.io;
  const paint = paintFor(ctx, stderr);
  let newest: LiveStatus | null = null;
  let height = 0;
  let widthThen = 0;
  let open = true;

  const clear = (): string => {
    const width = columnsOf(ctx);
    // A terminal that became narrower has wrapped the old lines: each takes several rows.
    const rows = width < widthThen ? height * Math.ceil(widthThen / width) : height;
    return rows === 0 ? '' : `\x1b[${rows}F\x1b[0J`;
  };
  const draw = (before = ''): void => {
    if (!open) return;
    const width = columnsOf(ctx);
    const lines = newest === null ? [] : stepLines(newest, width - 1, paint);
    // One write per frame, so that nothing flickers or interleaves.
    stderr.write(`${clear()}${before}${lines.map((line) => `${line}\n`).join('')}`);
    height = lines.length;
    widthThen = width;
  };
  const onResize = (): void => draw();
  const giveBack = (): void => {
    stderr.write(SHOW_CURSOR);
  };
  stderr.write(HIDE_CURSOR);
  stderr.on('resize', onResize);
  // A remote caller's command line restores its own terminal.
  if (ctx.attachments === null) process.once('exit', giveBack);

  return {
    show(status) {
      newest = status;
      draw();
    },
    above: (text) => draw(`${text}\n`),
    close() {
      if (!open) return;
      draw();
      open = false;
      stderr.off('resize', onResize);
      process.off('exit', giveBack);
      giveBack();
    },
  };
}

function columnsOf(ctx: Context): number {
  return Math.max(40, ctx.io.stderr.columns || 80);
}
