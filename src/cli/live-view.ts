import type { Context } from './context.ts';
import { formatCount, formatLeft, formatRate } from './format.ts';
import { columnsOf } from './help.ts';
import { clip, displayWidth, escapeKeepingColours, type Paint, pad, paintFor, plain } from './terminal-text.ts';

/** A status redrawn in place if stderr is a terminal; otherwise a line now and then; nothing with `--quiet`. */
interface LiveView {
  show(status: LiveStatus): void;
  /** Prints lines above the view, where they stay. */
  printAbove(text: string): void;
  /** Leaves the last state on the screen and restores the terminal. Idempotent. */
  close(): void;
}

/** Interval between lines in a log. */
export const PLAIN_INTERVAL_MS = 10_000;

const HIDE_CURSOR = '\x1b[?25l';

const SHOW_CURSOR = '\x1b[?25h';

export function liveView(ctx: Context): LiveView {
  if (ctx.flags.quiet) return { show: () => {}, printAbove: () => {}, close: () => {} };
  const view = ctx.io.stderr.isTTY === true && ctx.io.env.TERM !== 'dumb' ? terminalView(ctx) : plainView(ctx);
  return { ...view, printAbove: (text) => view.printAbove(escapeKeepingColours(text)) };
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
    printAbove: (text) => {
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
  let lastWidth = 0;
  let open = true;

  const clear = (): string => {
    const width = widthOf(ctx);
    // A terminal that became narrower has wrapped the old lines: each takes several rows.
    const rows = width < lastWidth ? height * Math.ceil(lastWidth / width) : height;
    return rows === 0 ? '' : `\x1b[${rows}F\x1b[0J`;
  };
  const draw = (before = ''): void => {
    if (!open) return;
    const width = widthOf(ctx);
    const lines = newest === null ? [] : stepLines(newest, width - 1, paint);
    // One write per frame, so that nothing flickers or interleaves.
    stderr.write(`${clear()}${before}${lines.map((line) => `${line}\n`).join('')}`);
    height = lines.length;
    lastWidth = width;
  };
  const onResize = (): void => draw();
  const restoreTerminal = (): void => {
    stderr.write(SHOW_CURSOR);
  };
  stderr.write(HIDE_CURSOR);
  stderr.on('resize', onResize);
  process.once('exit', restoreTerminal);

  return {
    show(status) {
      newest = status;
      draw();
    },
    printAbove: (text) => draw(`${text}\n`),
    close() {
      if (!open) return;
      draw();
      open = false;
      stderr.off('resize', onResize);
      process.off('exit', restoreTerminal);
      restoreTerminal();
    },
  };
}

const widthOf = (ctx: Context): number => Math.max(40, columnsOf(ctx.io.stderr));

/** A step's counts, as in `status`. `total` is null while it is unknown (after an `explode`). */
export interface StepCount {
  readonly name: string;
  readonly total: number | null;
  readonly running: number;
  readonly done: number;
  /** Failed for good. */
  readonly failed: number;
  readonly skipped: number;
}

export interface LiveStatus {
  readonly steps: readonly StepCount[];
  /** Tasks a second; null while unknown. */
  readonly rate: number | null;
  /** Seconds until the end; null while unknown. */
  readonly etaSeconds: number | null;
  /** What running steps count: `encode: frames 94/s, seconds 3.8/s`. Shown where the terminal has space. */
  readonly paces?: readonly string[];
}

const NAME_MAX = 20;

const BAR_MAX = 40;

const BAR_MIN = 8;

const PERCENT = 4;

/** One line per step (bar, counts, failures), then a line with rate and time left. `width` is at least 40. */
export function stepLines(status: LiveStatus, width: number, paint: Paint = plain): readonly string[] {
  const names = Math.min(
    NAME_MAX,
    Math.max(4, ...status.steps.map((step) => displayWidth(step.name))),
    Math.floor(width / 3),
  );
  const counts = status.steps.map(countsOf);
  const countWidth = Math.max(0, ...counts.map(displayWidth));
  const notes = status.steps.map(notesOf);
  const noteWidth = Math.max(0, ...notes.map(displayWidth));
  const free = width - names - countWidth - PERCENT - 3;
  const showsNotes = noteWidth > 0 && free - noteWidth - 2 >= BAR_MIN;
  const bar = Math.min(BAR_MAX, free - (showsNotes ? noteWidth + 2 : 0));
  const lines = status.steps.map((step, i) => {
    const pieces = [pad(step.name, names)];
    if (bar >= BAR_MIN) pieces.push(barOf(step, bar, paint));
    pieces.push(pad(percentOf(step), PERCENT, 'right'), pad(counts[i] ?? '', countWidth, 'right'));
    const line = pieces.join(' ');
    if (displayWidth(line) > width) return clip(`${step.name} ${percentOf(step)} ${counts[i]}`, width);
    return showsNotes && notes[i] !== ''
      ? `${line}  ${paint(step.failed > 0 ? 'bad' : 'faint', notes[i] ?? '')}`
      : line.trimEnd();
  });
  const hidden = showsNotes ? [] : notes.map((note, i) => (note === '' ? '' : `${status.steps[i]?.name}: ${note}`));
  const foot = clip(footOf(status, [...hidden, ...(status.paces ?? [])]), width);
  return foot === '' ? lines : [...lines, foot];
}

/** The same as one line, for a log: `price 812/1,250 (3 failed), totals 0/1 · 41/s · 11s left`. */
export function plainLine(status: LiveStatus): string {
  const steps = status.steps.map((step) => {
    const notes = notesOf(step);
    return `${step.name} ${countsOf(step)}${notes === '' ? '' : ` (${notes})`}`;
  });
  return [steps.join(', '), footOf(status, [])].filter((piece) => piece !== '').join(' · ');
}

function decided(step: StepCount): number {
  return step.done + step.failed + step.skipped;
}

function countsOf(step: StepCount): string {
  return `${formatCount(decided(step))}/${step.total === null ? '?' : formatCount(step.total)}`;
}

function percentOf(step: StepCount): string {
  if (step.total === null) return '';
  if (step.total === 0) return '100%';
  // Rounded down: 100% means finished.
  return `${Math.min(100, Math.floor((decided(step) / step.total) * 100))}%`;
}

function notesOf(step: StepCount): string {
  const notes: string[] = [];
  if (step.running > 0) notes.push(`${formatCount(step.running)} running`);
  if (step.failed > 0) notes.push(`${formatCount(step.failed)} failed`);
  if (step.skipped > 0) notes.push(`${formatCount(step.skipped)} skipped`);
  return notes.join(', ');
}

function barOf(step: StepCount, width: number, paint: Paint): string {
  const total = Math.max(1, step.total ?? 1, decided(step));
  const known = step.total === null ? 0 : 1;
  const good = Math.floor((width * known * (step.done + step.skipped)) / total);
  // One failed task of a million must still show.
  const bad =
    step.failed === 0 ? 0 : Math.max(1, Math.min(width - good, Math.floor((width * known * step.failed) / total)));
  const filled = Math.min(good, width - bad);
  return (
    paint('good', '█'.repeat(filled)) + paint('bad', '▓'.repeat(bad)) + paint('faint', '░'.repeat(width - filled - bad))
  );
}

function footOf(status: LiveStatus, notes: readonly string[]): string {
  return [
    // No rate if failed tasks are all that ended.
    status.rate === null || status.rate === 0 ? '' : formatRate(status.rate),
    status.etaSeconds === null ? '' : formatLeft(status.etaSeconds),
    ...notes,
  ]
    .filter((piece) => piece !== '')
    .join(' · ');
}
